"""Fixtures of tests/conftest.py that the tests of the benchmarks use."""

from conftest import digits

__all__ = ["digits"]
