"""The examples in the docstrings of `gan.tolerance` are right."""

import doctest
import importlib
import pkgutil

import pytest

from gan import tolerance


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(tolerance.__path__)])
def test_examples(name):
    assert doctest.testmod(importlib.import_module(f"gan.tolerance.{name}")).failed == 0


def test_there_are_examples():
    found = doctest.DocTestFinder().find(importlib.import_module("gan.tolerance.sequence"))
    assert sum(len(test.examples) for test in found) >= 2
