"""Errors for users, and the checks of options and JSON that raise them. Does not import TensorFlow."""

import difflib
import json
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from functools import partial
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, SupportsIndex, TypeVar

import msgspec
from msgspec import Meta, ValidationError, inspect

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Json = object
"""Any value that `json.loads` returns."""
T = TypeVar("T")

DEEPEST = 50
"""Maximum nesting depth of a JSON file. The project's own files have a handful of levels."""


class InputError(ValueError):
    """Invalid input from the user. The message states what was expected and what was received.

    It is a `ValueError`, like the errors of Keras. The command line prints it as one line on stderr and exits with
    status 2.

    >>> raise InputError("Unknown `loss`", expected="one of ['hinge']", received="loss='hing'")
    gan.errors.InputError: Unknown `loss`. Expected one of ['hinge']. Received: loss='hing'.
    """

    def __init__(self, problem: str, *, expected: str, received: str) -> None:
        super().__init__(f"{problem}. Expected {expected}. Received: {received}.")
        self.problem, self.expected, self.received = problem, expected, received


class TrainingError(RuntimeError):
    """A training run that cannot continue, for example because its loss is NaN. The message says when and why."""


Whole = Annotated[int, Meta(ge=0, le=2**63 - 1, description="a whole number >= 0")]
Positive = Annotated[int, Meta(ge=1, le=2**63 - 1, description="a whole number >= 1")]
NotNegative = Annotated[float, Meta(ge=0, description="a finite number >= 0")]
ImageShape = Annotated[tuple[Positive, Positive, Positive], Meta(description="[height, width, channels]")]


class Options:
    """Base class of option dataclasses: `convert` rejects unknown names in them."""


def convert(content: Json, kind: type[T], file: str | Path, path: str = "") -> T:
    """Converts parsed JSON to a type. `as_json` is the inverse.

    Whole numbers are accepted as floats, floats must be finite, and true and false are not numbers. Unknown names are
    ignored, except in `Options`, where they are errors.

    Args:
        content: value returned by `json.loads`.
        kind: dataclass, TypedDict, or another type that msgspec supports.
        file: file that the content was read from, for error messages.
        path: position of the content in the file, such as `config.model`.

    Raises `InputError`, which names the file and the position, when the content has another type or when a dataclass
    raises `InputError` itself.
    """
    check_levels(content, file)
    _check_characters(content, file)
    marked = _mark_non_finite(content)
    try:
        value = msgspec.convert(marked, kind)
    except ValidationError as error:
        raise _readable_error(error, marked, kind, file, path) from error
    except UnicodeEncodeError as error:  # a file name where msgspec looks a word up
        raise InputError(f"Damaged {file}", expected="valid Unicode text", received=str(error)) from error
    _check_names(content, value, file, path)
    return value


def as_json(value: "DataclassInstance") -> dict[str, Json]:
    """Converts a dataclass to nested dicts and lists of JSON types. `convert` is the inverse."""
    return json.loads(json.dumps(asdict(value)))


class _NotFinite(float):
    """NaN or infinity, as a type that msgspec does not accept as a float."""


def _mark_non_finite(value: Json) -> Json:
    """Returns a copy in which NaN and infinity have a type that msgspec rejects."""
    if isinstance(value, Mapping):
        return {name: _mark_non_finite(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_mark_non_finite(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return _NotFinite(value)
    return value


def _check_characters(content: Json, file: str | Path) -> None:
    """Raises `InputError` for a lone surrogate (half a character), which neither msgspec nor a terminal accepts.

    Those that stand for bytes of a file name, as `os.fsdecode` returns them, are valid.
    """
    try:
        json.dumps(content, ensure_ascii=False).encode(errors="surrogateescape")
    except UnicodeEncodeError as error:
        raise InputError(f"Damaged {file}", expected="valid Unicode text", received=str(error)) from error


def _check_names(content: Json, value: object, file: str | Path, path: str) -> None:
    """Raises `InputError` for a name in `content` that is not a field of the `Options` in `value`."""
    if isinstance(content, Mapping):
        known = [field.name for field in fields(value)] if is_dataclass(value) else []
        for name, part in content.items():
            place = _join(path, name)
            if name in known:
                _check_names(part, getattr(value, name), file, place)
            elif isinstance(value, Options):
                expected = f"one of {sorted(known)}"
                raise InputError(f"Bad `{place}` in {file}", expected=expected, received="an unknown name")
            elif isinstance(value, dict) and name in value:
                _check_names(part, value[name], file, place)
    elif isinstance(content, (list, tuple)) and isinstance(value, (list, tuple)):
        for number, (part, converted) in enumerate(zip(content, value)):
            _check_names(part, converted, file, f"{path}[{number}]")


def _readable_error(error: ValidationError, content: Json, kind: Any, file: str | Path, path: str) -> InputError:
    """Returns a readable error: msgspec's message gives the position, the type gives what is expected there."""
    found = re.fullmatch(r"(?s)(.*)( - at `(?:key` in `)?\$(.*)`)", str(error))
    problem, end, steps = found.groups() if found else (str(error), "", "")
    fails = partial(_fails_with, content, kind, end)
    place, part, expected = _follow(steps, content, inspect.type_info(kind), path, fails)
    if isinstance(error.__cause__, InputError):
        cause = error.__cause__
        where = f" (`{place}`) in {file}" if place else f" in {file}"
        return InputError(f"{cause.problem}{where}", expected=cause.expected, received=cause.received)
    missing = re.fullmatch("Object missing required field `(.*)`", problem)
    if missing:
        place, _, expected = _follow(f".{missing[1]}", {missing[1]: None}, expected, place, lambda: False)
    where = f"`{place}`" if place else "content"
    return InputError(
        f"Bad {where} in {file}", expected=type_name(expected), received="nothing" if missing else _shorten(part)
    )


def _fails_with(content: Json, kind: Any, end: str) -> bool:
    """Returns whether the conversion fails with a message that ends with `end`."""
    try:
        msgspec.convert(content, kind)
    except ValidationError as error:
        return str(error).endswith(end)
    return False


def _follow(
    steps: str, content: Any, kind: inspect.Type, path: str, fails: Callable[[], bool]
) -> tuple[str, Json, inspect.Type]:
    """Follows msgspec's `steps`, such as `.model.augment[1]`. Returns (path, value at that path, its type).

    msgspec writes `[...]` for any key of a dict. The key is found as the first one whose value alone `fails`.
    """
    if not steps:
        return path, content, kind
    parts = kind.types if isinstance(kind := _bare(kind), inspect.UnionType) else (kind,)
    for option in map(_bare, parts):
        if isinstance(option, (inspect.DataclassType, inspect.TypedDictType)):
            matches = [field for field in option.fields if steps.startswith(f".{field.encode_name}")]
            field = max(matches, key=lambda field: len(field.encode_name))
            name = field.encode_name
            return _follow(steps[1 + len(name) :], content[name], field.type, _join(path, name), fails)
        if isinstance(option, inspect.DictType) and steps.startswith("[...]"):
            name = _failing_key(content, fails)
            return _follow(steps.removeprefix("[...]"), content[name], option.value_type, _join(path, name), fails)
        if isinstance(option, (inspect.ListType, inspect.VarTupleType, inspect.TupleType)):
            step, _, rest = steps.partition("]")
            number = int(step[1:])
            inner = option.item_types[number] if isinstance(option, inspect.TupleType) else option.item_type
            return _follow(rest, content[number], inner, f"{path}[{number}]", fails)
    return path, content, kind


def _bare(kind: inspect.Type) -> inspect.Type:
    return kind.type if isinstance(kind, inspect.Metadata) else kind


def _failing_key(content: dict[str, Json], fails: Callable[[], bool]) -> str:
    """Returns the first key whose value `fails`, and removes all other keys from `content`."""
    name = ""
    for name, part in list(content.items()):
        content.clear()
        content[name] = part
        if fails():
            break
    return name


_WORDS: Mapping[type[inspect.Type], str] = {
    inspect.StrType: "text",
    inspect.BoolType: "true or false",
    inspect.IntType: "a whole number",
    inspect.FloatType: "a finite number",
    inspect.NoneType: "null",
    inspect.ListType: "a list",
    inspect.VarTupleType: "a list",
}


def type_name(kind: inspect.Type) -> str:
    """Returns a readable description of the values that a type accepts."""
    if isinstance(kind, inspect.Metadata):
        return (kind.extra_json_schema or {}).get("description") or type_name(kind.type)
    if isinstance(kind, inspect.UnionType):
        return " or ".join(map(type_name, kind.types))
    if isinstance(kind, inspect.LiteralType):
        return f"one of {list(kind.values)}"
    if isinstance(kind, (inspect.ListType, inspect.VarTupleType)) and isinstance(kind.item_type, inspect.LiteralType):
        return f"a list of names from {list(kind.item_type.values)}"
    if isinstance(kind, inspect.TupleType):
        return f"a list of {len(kind.item_types)}"
    return _WORDS.get(type(kind), "an object")


def _shorten(value: Json) -> str:
    """Returns a JSON value as one line of at most 80 characters."""
    text = json.dumps(value, ensure_ascii=False)
    text = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text[:80])
    return text if len(text) < 80 else f"{text[:77]}..."


def _join(path: str, name: str) -> str:
    step = name if re.fullmatch(r"[\w-]{1,80}", name) else _shorten(name)
    return f"{path}.{step}" if path else step


def check_levels(value: Json, file: str | Path) -> None:
    """Raises `InputError` for a JSON value of more than `DEEPEST` levels, before a recursive function fails on it."""
    level = [value]
    for _ in range(DEEPEST):
        level = [part for item in level for part in _parts(item)]
    if level:
        raise InputError(f"Damaged {file}", expected=f"at most {DEEPEST} levels of JSON", received="more levels")


def _parts(value: Json) -> Iterable[Json]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def check(holds: bool, name: str, expected: str, received: object) -> None:
    """Raises `InputError` about the option `name` unless `holds`."""
    if not holds:
        raise InputError(f"Bad `{name}`", expected=expected, received=f"{name}={received!r}")


def check_different(name: str, values: Sequence[object]) -> None:
    """Raises `InputError` when `values` contains a duplicate."""
    check(len(set(values)) == len(values), name, "unique values", list(values))


LARGEST = 2**31 - 1


def check_whole(name: str, value: SupportsIndex, least: int, most: int = LARGEST) -> None:
    """Raises `InputError` unless `value` is a whole number (Python or NumPy) from `least` to `most`."""
    try:
        number = least - 1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = least - 1
    limits = f">= {least}" if most == LARGEST and number < least else f"from {least} to {most}"
    check(least <= number <= most, name, f"a whole number {limits}", value)


def check_seed(value: SupportsIndex) -> None:
    """Raises `InputError` unless `value` is a valid seed: 0 <= value < 2**32."""
    check_whole("seed", value, 0, 2**32 - 1)


def is_number(value: object) -> bool:
    """Returns whether `value` is a real number, of Python or NumPy. Booleans are not numbers."""
    return isinstance(value, Real) and not isinstance(value, bool)


def check_positive(name: str, value: float) -> None:
    """Raises `InputError` unless `value` is finite and greater than zero."""
    check(is_number(value) and 0 < value < math.inf, name, "a finite number > 0", value)


def check_not_negative(name: str, value: float) -> None:
    """Raises `InputError` unless `value` is finite and at least zero."""
    check(is_number(value) and 0 <= value < math.inf, name, "a finite number >= 0", value)


def check_share(name: str, value: float) -> None:
    """Raises `InputError` unless 0 <= `value` <= 1."""
    check(is_number(value) and 0 <= value <= 1, name, "a number from 0 to 1", value)


def check_share_below_one(name: str, value: float) -> None:
    """Raises `InputError` unless 0 <= `value` < 1."""
    check(is_number(value) and 0 <= value < 1, name, "a number >= 0 and < 1", value)


def check_sampling(*, num: SupportsIndex, seed: SupportsIndex, start: SupportsIndex, truncation: float | None) -> None:
    """Raises `InputError` unless samples start, ..., start + num - 1 of a seed can be generated."""
    check_whole("num", num, 1)
    check_seed(seed)
    check_whole("start", start, 0, 2**53)
    if truncation is not None:
        check_positive("truncation", truncation)


def near_names(name: str, names: Iterable[str], *, most: int = 3, least: float = 0.6) -> list[str]:
    """Returns up to `most` of `names` that resemble `name`, best first. Case, hyphens, spaces and slashes are ignored.

    least: smallest similarity, from 0 to 1. 1: the names are equal but for what is ignored.

    >>> near_names("Fashion-MNIST", ["mnist", "fashion_mnist"], most=1)
    ['fashion_mnist']
    """
    plain: dict[str, str] = {}
    for known in names:
        plain.setdefault(_plain(known), known)
    return [plain[match] for match in difflib.get_close_matches(_plain(name), plain, n=most, cutoff=least)]


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Returns a question in parentheses, after a space, about the name that resembles `name` most; "" without one."""
    near = near_names(name, names, most=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _plain(name: str) -> str:
    return re.sub(r"[-_ ./\\]+", "", name.casefold().removesuffix(".keras"))
