"""Tests that public signatures do not use `Any`; tensors have a named type instead."""

import ast
import re

from helpers.rooms import sources

ROOMS_WITH_RECORDS = ("saving", "training", "evaluation")
"""Rooms in which no signature, public or private, uses `dict[..., Any]`."""


def annotations(function):
    """Returns the annotations of the arguments and the result of a function; None for a missing one."""
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return [argument.annotation for argument in named if argument is not None] + [function.returns]


def signatures(tree, public=True):
    """Yields (function, annotation) of functions and methods. `public`: skips names that start with an underscore."""
    for node in tree.body:
        if public and getattr(node, "name", "").startswith("_") and node.name not in ("__init__", "__call__"):
            continue
        if isinstance(node, ast.ClassDef):
            yield from signatures(node, public)
        elif isinstance(node, ast.FunctionDef):
            yield from ((node, annotation) for annotation in annotations(node) if annotation is not None)


def names_any(annotation):
    return any(isinstance(part, ast.Name) and part.id == "Any" for part in ast.walk(annotation))


def is_any_dict(annotation):
    parts = [ast.unparse(part) for part in ast.walk(annotation) if isinstance(part, ast.Subscript)]
    return any(re.fullmatch(r"(dict|Mapping|MutableMapping)\[\w+, Any\]", part) for part in parts)


def test_search_finds_any_and_dictionaries_of_any():
    tree = ast.parse("class A:\n def f(self, x: dict[str, Any]) -> 'int': ...\n def _g(self, x: Any): ...")
    assert [node.name for node, annotation in signatures(tree) if names_any(annotation)] == ["f"]
    assert [node.name for node, annotation in signatures(tree, public=False) if names_any(annotation)] == ["f", "_g"]
    assert sum(is_any_dict(annotation) for _, annotation in signatures(tree, public=False)) == 1
    assert is_any_dict(ast.parse("Sequence[Mapping[str, Any]] | None", mode="eval"))


def test_public_signatures_do_not_use_any():
    found = [
        f"{name}: {node.name}"
        for name, path in sources().items()
        for node, annotation in signatures(ast.parse(path.read_text(encoding="utf-8")))
        if names_any(annotation)
    ]
    assert found == []


def test_records_and_reports_do_not_use_dictionaries_of_any():
    found = [
        f"{name}: {node.name}"
        for name, path in sources().items()
        if name.startswith(ROOMS_WITH_RECORDS)
        for node, annotation in signatures(ast.parse(path.read_text(encoding="utf-8")), public=False)
        if is_any_dict(annotation)
    ]
    assert found == []
