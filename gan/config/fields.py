"""Conversion of the fields of an options dataclass to the types that they declare, for values given in Python."""

import os
from dataclasses import fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

import msgspec

from gan.errors import InputError, type_name

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def convert_fields(options: "DataclassInstance") -> None:
    """Converts the fields of frozen options in place, and checks their types.

    NumPy numbers become Python numbers, paths become text, lists become tuples, and a single name becomes a tuple where
    a tuple is declared. So the options can be written as JSON, whatever they were made from.

    Raises `InputError` for a value of another type, and for a name that is not one of the choices.
    """
    hints = _hints(type(options))
    for field in fields(options):
        value, hint = getattr(options, field.name), hints[field.name]
        if isinstance(hint, type) and is_dataclass(hint):
            if not isinstance(value, hint):
                received = f"{field.name}={value!r}"
                raise InputError(f"Bad `{field.name}`", expected=f"a {hint.__name__}", received=received)
            continue
        try:
            converted = msgspec.convert(_plain(value, _takes_tuple(hint)), hint)
        except msgspec.ValidationError as error:
            expected, received = type_name(msgspec.inspect.type_info(hint)), f"{field.name}={value!r}"
            raise InputError(f"Bad `{field.name}`", expected=expected, received=received) from error
        if converted is not value:
            object.__setattr__(options, field.name, converted if type(converted) is not float else _plain(value, False))


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _takes_tuple(hint: object) -> bool:
    return any(get_origin(part) is tuple for part in (hint, *get_args(hint)))


def _plain(value: object, takes_tuple: bool) -> object:
    """Returns a value in Python's own types. NumPy numbers are recognized without importing NumPy."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    if not takes_tuple:
        return value
    if isinstance(value, str):
        return (value,)
    if getattr(value, "ndim", None) == 1 and hasattr(value, "tolist"):
        value = value.tolist()
    return tuple(_plain(part, False) for part in value) if isinstance(value, (list, tuple)) else value
