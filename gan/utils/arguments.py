"""Checks the kinds of arguments against the annotations of a function, before it runs. Does not import TensorFlow."""

import inspect
import operator
import os
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from functools import cache, wraps
from numbers import Real
from pathlib import Path
from typing import Annotated, Any, Literal, ParamSpec, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from gan.errors import InputError

P = ParamSpec("P")
R = TypeVar("R")


class _Misfit(Exception):
    """An argument that does not fit its annotation."""


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Decorates a function so that an argument of a wrong kind raises `InputError` with what was expected.

    Whole numbers and truth values of NumPy become those of Python. Whatever NumPy converts to an array of numbers is
    taken for an array. An annotation `Annotated[KIND, "text"]` says in its own words what is expected. `Any`, `object`
    and functions are not looked into. A missing argument or an unknown keyword remains a `TypeError`.
    """
    signature = inspect.signature(function)
    hints = cache(lambda: get_type_hints(function, include_extras=True))

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        bound = signature.bind(*args, **kwargs)
        for name, value in bound.arguments.items():
            kind = signature.parameters[name].kind
            if name in hints() and kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
                bound.arguments[name] = _as_kind(name, value, hints()[name])
        return function(*bound.args, **bound.kwargs)

    return call


def _as_kind(name: str, value: object, kind: Any) -> Any:
    """Returns the value as the kind of an annotation. Raises `InputError` if it is not of this kind."""
    try:
        return _convert(value, kind)
    except _Misfit:
        raise InputError(f"Bad `{name}`", expected=_describe(kind), received=f"{name}={shorten(value)}") from None


def check_axes(name: str, array: np.ndarray, axes: str) -> None:
    """Raises `InputError` unless an array has these axes, such as `NHWC`, one letter each, and at least one row."""
    if array.ndim != len(axes) or 0 in array.shape:
        expected = f"shape [{', '.join(axes)}] without a 0"
        raise InputError(f"Bad `{name}`", expected=expected, received=f"shape {[*array.shape]}")


def shorten(value: object) -> str:
    """Returns a value as one short line: an array or tensor as its type and shape."""
    if isinstance(value, type):
        return f"the class {value.__name__} itself"
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and dtype is not None:
        return f"{type(value).__name__} of {getattr(dtype, 'name', dtype)} {[*shape]}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def _convert(value: Any, kind: Any) -> Any:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return parts[2](value) if len(parts) > 2 else _convert(value, parts[0])
    if origin in (Union, types.UnionType):
        return _first_fit(value, parts)
    if origin is Literal:
        return _require(value, any(value is part or (type(value) is type(part) and value == part) for part in parts))
    if kind in _CONVERTERS:
        return _CONVERTERS[kind](value)
    if origin in (Sequence, list, tuple, Iterable, Collection):
        return _items(value, origin, parts)
    if origin is Mapping or kind is Mapping:
        for item in _require(value, isinstance(value, Mapping)).values():
            _convert(item, parts[1] if parts else Any)
        return value
    if origin is Callable:
        return _require(value, callable(value))
    if isinstance(origin, type):
        return _require(value, isinstance(value, origin))
    if isinstance(kind, type) and kind is not object and not getattr(kind, "_is_protocol", False):
        return _require(value, isinstance(value, kind))
    return value


def _first_fit(value: Any, kinds: Sequence[Any]) -> Any:
    for kind in sorted(kinds, key=lambda kind: kind is np.ndarray):  # last, because NumPy converts nearly everything
        try:
            return _convert(value, kind)
        except _Misfit:
            continue
    raise _Misfit


def _items(value: Any, origin: Any, parts: tuple[Any, ...]) -> Any:
    _require(value, isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping, type)))
    if origin in (Iterable, Collection):
        return value  # looked at only by the function, because it may be read once
    if isinstance(value, np.ndarray) and origin is Sequence and parts[0] in _KINDS_OF_ARRAYS:
        return _require(value, value.ndim == 1 and value.dtype.kind in _KINDS_OF_ARRAYS[parts[0]])  # faster than each
    _require(value, hasattr(value, "__len__") and not isinstance(value, Set))
    try:
        items = [*value]
    except TypeError:  # a tensor or array without axes
        raise _Misfit from None
    if origin is tuple and Ellipsis not in parts:
        _require(value, len(items) == len(parts))
        return tuple(map(_convert, items, parts))
    converted = [_convert(item, parts[0]) for item in items] if parts else items
    return tuple(converted) if origin is tuple else converted if origin is list else value


def _require(value: Any, holds: bool) -> Any:
    if not holds:
        raise _Misfit
    return value


def _whole(value: Any) -> int:
    try:
        return operator.index(_require(value, not isinstance(value, (bool, np.bool_))))
    except TypeError:
        raise _Misfit from None


def _number(value: Any) -> Any:
    return _require(value, isinstance(value, (Real, np.floating, np.integer)) and not isinstance(value, bool))


def _truth(value: Any) -> bool:
    return bool(_require(value, isinstance(value, (bool, np.bool_))))


def _array(value: Any) -> np.ndarray:
    if not isinstance(value, np.ndarray):
        _require(value, not isinstance(value, (str, bytes, Mapping, type)) and not callable(value))
        try:
            value = np.asarray(value)
        except Exception:  # whatever the object's own conversion raises
            raise _Misfit from None
    return _require(value, value.dtype.kind in "fiub")


def _array_or_tensor(value: Any) -> Any:
    if isinstance(value, (type, np.ndarray)) or not (hasattr(value, "shape") and hasattr(value, "dtype")):
        return _array(value)
    return value


def _path(value: Any) -> Any:
    return _require(value, isinstance(value, os.PathLike) and isinstance(os.fspath(value), str))


def _as_path(value: Any) -> Path:
    return Path(value) if isinstance(value, str) else Path(_path(value))


_KINDS_OF_ARRAYS = {int: "iu", float: "fiu", bool: "b"}
"""Python's kind of number -> kinds of dtypes of NumPy that hold such numbers."""

_CONVERTERS: dict[Any, Callable[[Any], Any]] = {
    int: _whole,
    float: _number,
    bool: _truth,
    np.ndarray: _array,
    Path: _as_path,
    os.PathLike[str]: _path,
    type(None): lambda value: _require(value, value is None),
    Any: lambda value: value,
}
Numbers: TypeAlias = Annotated[Any, "an array or a tensor of numbers", _array_or_tensor]
"""Annotation of an argument that functions in a graph take too: a tensor stays one."""

_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    str: "text",
    np.ndarray: "an array of numbers",
    Path: "a path",
    os.PathLike[str]: "a path",
    type(None): "None",
}


def _describe(kind: Any) -> str:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return str(parts[1])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_describe, parts)))
    if origin is Literal:
        return f"one of {list(parts)}"
    if kind in _WORDS:
        return _WORDS[kind]
    if origin is tuple and Ellipsis not in parts:
        return f"({', '.join(map(_describe, parts))})"
    if origin in (Sequence, list, tuple, Iterable, Collection):
        return f"a sequence of: {_describe(parts[0])}" if parts else "a sequence"
    if origin is Mapping or kind is Mapping:
        return "a dict"
    if origin is Callable or kind is Callable:
        return "a function"
    return f"an instance of {getattr(origin or kind, '__name__', kind)}"
