"""Errors that the command line turns into one line, and checks of options and JSON that raise them. No TensorFlow."""

import json
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict


class InputError(ValueError):
    """What a user gave cannot be used. The message says what was expected and what was received.

    A `ValueError`, as Keras raises; the command line turns it into one line on stderr and exit status 2.

    >>> raise InputError("Unknown `loss`", expected="one of ['hinge']", received="loss='hing'")
    gan.errors.InputError: Unknown `loss`. Expected one of ['hinge']. Received: loss='hing'.
    """

    def __init__(self, problem: str, *, expected: str, received: str) -> None:
        super().__init__(f"{problem}. Expected {expected}. Received: {received}.")
        self.problem, self.expected, self.received = problem, expected, received


class TrainingError(RuntimeError):
    """A training run that cannot go on, such as one whose loss is no number any more. The message says when and why."""


@dataclass(frozen=True)
class Must:
    """A condition that a value must meet beside its type, for `Annotated`; `words` say what is expected."""

    holds: Callable[[Any], bool]
    words: str


def is_number(text: str) -> bool:
    """Whether a text is that of a number, infinity and NaN among them, which JSON does not have."""
    try:
        float(text)
    except ValueError:
        return False
    return True


Whole = Annotated[int, Must(lambda value: value >= 0, "a whole number >= 0")]
Positive = Annotated[int, Must(lambda value: value >= 1, "a whole number >= 1")]
ImageShape = Annotated[list[Positive], Must(lambda value: len(value) == 3, "[height, width, channels]")]


def check_type(value: Any, kind: Any, file: str | Path, path: str = "") -> None:
    """Raises `InputError`, which names the file and the path in it, unless a JSON value has a type.

    Args:
        value: what `json.loads` gives.
        kind: `None`, `bool`, `int` (of 64 bits), `float` (finite; a whole number is one, too), `str`, `Any`, `Literal`,
            `list`, `tuple`, `dict` with names as keys, a union or `Annotated` of these; a TypedDict, which lets other
            keys through; or a dataclass, of which any key may be missing, and no other one may be there.
        file: where the value comes from.
        path: where it is in there, such as `config.model`.
    """
    found = _wrong(value, kind, path)
    if found is not None:
        place, expected, received = found
        where = f"`{place}`" if place else "content"
        raise InputError(f"Bad {where} in {file}", expected=expected, received=received)


DEEPEST = 50
"""Levels of a JSON file: ours have a handful."""

_Wrong = tuple[str, str, str] | None
"""(path, what is expected there, what was received) of the first value that is wrong; None: nothing is."""


def _wrong(value: Any, kind: Any, path: str) -> _Wrong:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _wrong_annotated(value, kind, path)
    if origin in (Union, UnionType):
        found = [_wrong(value, part, path) for part in parts]
        inside = next((one for one in found if one is not None and one[0] != path), None)
        return None if None in found else inside or (path, _words(kind), _shown(value))
    if origin in (list, tuple) and isinstance(value, (list, tuple)):
        kinds = parts if origin is tuple and parts[-1] is not Ellipsis else (parts[0],) * len(value)
        if len(kinds) != len(value):
            return path, f"a list of {len(kinds)}", _shown(value)
        return _first(_wrong(part, kind, f"{path}[{place}]") for place, (part, kind) in enumerate(zip(value, kinds)))
    if origin is dict and isinstance(value, Mapping):
        return _first(_wrong(part, parts[1], _joined(path, name)) for name, part in value.items())
    if isinstance(value, Mapping) and (is_typeddict(kind) or is_dataclass(kind)):
        return _wrong_fields(value, kind, path)
    return None if _is_plain(value, kind) else (path, _words(kind), _shown(value))


def _wrong_annotated(value: Any, kind: Any, path: str) -> _Wrong:
    inner, *conditions = get_args(kind)
    found = _wrong(value, inner, path)
    if found is not None:
        return found if found[0] != path else (path, _words(kind), _shown(value))
    unmet = [one for one in conditions if isinstance(one, Must) and not one.holds(value)]
    return (path, _words(kind), _shown(value)) if unmet else None


def _wrong_fields(value: Mapping[str, Any], kind: Any, path: str) -> _Wrong:
    kinds = _fields(kind)
    unknown = [name for name in value if name not in kinds]
    if unknown and is_dataclass(kind):
        return _joined(path, unknown[0]), f"one of {sorted(kinds)}", "an unknown name"
    for name, needed in kinds.items():
        place = _joined(path, name)
        if name in value:
            found = _wrong(value[name], needed, place)
        else:
            found = (place, _words(needed), "nothing") if name in getattr(kind, "__required_keys__", ()) else None
        if found is not None:
            return found
    return None


def _is_plain(value: Any, kind: Any) -> bool:
    if kind is Any:
        return True
    if get_origin(kind) is Literal:  # of JSON's types: true is not 1
        return any(type(value) is type(choice) and value == choice for choice in get_args(kind))
    if kind in (None, NoneType):
        return value is None
    if isinstance(value, bool):
        return kind is bool
    if kind is float and isinstance(value, (int, float)):
        return abs(value) < math.inf and _fits(value)
    if kind is int and isinstance(value, int):
        return _fits(value)
    return kind is str and isinstance(value, str)


def _fits(value: float) -> bool:
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def _words(kind: Any) -> str:
    """What is expected, for people."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        said = [one.words for one in parts if isinstance(one, Must)]
        return said[0] if said else _words(parts[0])
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(map(_words, parts)))
    if origin is Literal:
        return f"one of {list(parts)}"
    names = {str: "text", bool: "true or false", int: "a whole number", float: "a finite number", NoneType: "null"}
    if kind in names:
        return names[kind]
    return "a list" if origin in (list, tuple) else "an object"


def _shown(value: Any) -> str:
    """A JSON value in one line of at most 80 characters."""
    text = json.dumps(value, ensure_ascii=False)
    text = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text[:80])
    return text if len(text) < 80 else f"{text[:77]}..."


def _joined(path: str, name: str) -> str:
    named = name if re.fullmatch(r"[\w-]{1,80}", name) else _shown(name)
    return f"{path}.{named}" if path else named


def _first(found: Any) -> _Wrong:
    return next((one for one in found if one is not None), None)


@cache
def _fields(kind: Any) -> dict[str, Any]:
    """{name: type} of a TypedDict or dataclass, without NotRequired."""
    hints = get_type_hints(kind, include_extras=True)
    return {name: get_args(hint)[0] if get_origin(hint) is NotRequired else hint for name, hint in hints.items()}


def check_levels(value: Any, file: str | Path) -> None:
    """Raises `InputError` for a JSON value of more than `DEEPEST` levels, which nothing could walk through."""
    level = [value]
    for _ in range(DEEPEST):
        level = [part for one in level for part in _parts(one)]
    if level:
        raise InputError(f"Damaged {file}", expected=f"at most {DEEPEST} levels of JSON", received="more")


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def check(holds: bool, name: str, expected: str, received: Any) -> None:
    """Raises `InputError` about the option `name` unless `holds`."""
    if not holds:
        raise InputError(f"Bad `{name}`", expected=expected, received=f"{name}={received!r}")


def check_different(name: str, values: Sequence[Any]) -> None:
    """Raises `InputError` when one of `values` is there twice."""
    check(len(set(values)) == len(values), name, "each at most once", list(values))


LARGEST = 2**31 - 1


def check_whole(name: str, value: Any, least: int, most: int = LARGEST) -> None:
    """Raises `InputError` unless `value` is a whole number, of NumPy's kind too, from `least` to `most`."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    limits = f">= {least}" if most == LARGEST and number < least else f"from {least} to {most}"
    check(least <= number <= most, name, f"a whole number {limits}", value)


def check_seed(value: Any) -> None:
    """Raises `InputError` unless `value` can own random numbers: 0 <= value < 2**32."""
    check_whole("seed", value, 0, 2**32 - 1)


def check_positive(name: str, value: float) -> None:
    """Raises `InputError` unless `value` is finite and greater than zero."""
    check(0 < value < math.inf, name, "a finite number > 0", value)


def check_not_negative(name: str, value: float) -> None:
    """Raises `InputError` unless `value` is finite and at least zero."""
    check(0 <= value < math.inf, name, "a finite number >= 0", value)


def check_share(name: str, value: float) -> None:
    """Raises `InputError` unless 0 <= `value` <= 1."""
    check(0 <= value <= 1, name, "a share from 0 to 1", value)


def check_share_below_one(name: str, value: float) -> None:
    """Raises `InputError` unless 0 <= `value` < 1."""
    check(0 <= value < 1, name, "a share from 0 to below 1", value)


def check_sampling(*, num: Any, seed: Any, start: Any, truncation: float | None) -> None:
    """Raises `InputError` unless pictures start, ..., start + num - 1 of a seed can be drawn."""
    check_whole("num", num, 1)
    check_seed(seed)
    check_whole("start", start, 0, 2**53)
    if truncation is not None:
        check_positive("truncation", truncation)
