"""Judgements as lines of CSV or JSON: what a line holds, and which lines are refused."""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from gan.deployment.feedback.pictures import Kind, Mode, Truth
from gan.deployment.feedback.showing import Said
from gan.errors import LARGEST, InputError, Json

SUFFIXES = (".csv", ".jsonl")

LARGEST_INDEX = 2**53
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
LEFT = "left"
"""Verdict of a picture that was given to another judge. It counts nowhere, but the judge is not shown it again."""


@dataclass(frozen=True)
class Row:
    """One picture that one judge was shown. None is an empty field of CSV, and null in JSON."""

    generator_sha256: str
    mode: Mode
    kind: Kind
    seed: int
    index: int
    label: int | None
    """The class that was asked; None: any class, of an unconditional generator."""
    truth: Truth | None
    """Whether a real image has this class; None: a sample."""
    judge: str
    verdict: str | None
    """What the judge said: right, wrong or unsure. None: nothing yet. `left`: another judge got the picture."""
    milliseconds: int | None
    """Time that the judge took; None: nothing was said."""
    time: str
    """When the judgement was stored, or the picture shown if nothing was said: UTC, ISO 8601, in microseconds."""
    position: int
    """Number of the picture among those of the judge in this mode, from 0."""
    first: bool
    """Whether the picture counts by this judge. The others are for the agreement."""


COLUMNS = tuple(field.name for field in fields(Row))


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Writes rows as CSV with a header, or as JSON lines, by the suffix; returns their number."""
    number = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        if path.suffix == ".csv":
            table.writerow(COLUMNS)
        for row in rows:
            number += 1
            if path.suffix == ".csv":
                table.writerow(map(_field, asdict(row).values()))
            else:
                file.write(json.dumps(asdict(row)) + "\n")
    return number


def _field(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def format_time(seconds: float) -> str:
    """Returns seconds since 1970 as UTC, such as `2026-11-27T13:24:05.123456Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read_time(text: str) -> float:
    """Returns the seconds since 1970 of a text of `format_time`."""
    return datetime.fromisoformat(text).timestamp()


def check_suffix(path: Path) -> None:
    """Raises `InputError` unless a path is that of CSV or JSON lines."""
    if path.suffix not in SUFFIXES:
        raise InputError("Unknown format", expected=f"a file named {' or '.join(SUFFIXES)}", received=str(path))


class LineError(InputError):
    """A line that is refused. The message has its number, from 1."""

    def __init__(self, path: Path, line: int, *, expected: str, received: object) -> None:
        text = str(received).encode("ascii", "backslashreplace").decode("ascii")[:80]
        super().__init__(f"Bad line {line} of {path}", expected=expected, received=" ".join(text.split()) or "nothing")


def read_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Yields the numbers of the lines, from 1, and their rows.

    Raises `LineError` for a line that `write_rows` would not write: unknown or missing columns, values of another type
    or out of range, and combinations that do not exist. Raises `InputError` for a file that cannot be read.
    """
    check_suffix(path)
    line = 0
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for line, values in _csv_lines(path, file) if path.suffix == ".csv" else _json_lines(path, file):
                yield line, _row(path, line, values)
    except (UnicodeDecodeError, csv.Error) as error:
        raise LineError(path, line + 1, expected="UTF-8 text", received=error) from error
    except OSError as error:
        raise InputError("No such file", expected="a file of --export", received=str(error)) from error


def _csv_lines(path: Path, file: Iterable[str]) -> Iterator[tuple[int, dict[str, Json]]]:
    reader = csv.reader(file, strict=True)
    header = next(reader, [])
    _check_columns(path, 1, header)
    for cells in reader:
        if len(cells) != len(header):
            expected = f"{len(header)} fields"
            raise LineError(path, reader.line_num, expected=expected, received=f"{len(cells)} fields")
        yield reader.line_num, {name: _parsed(name, cell) for name, cell in zip(header, cells, strict=True)}


def _parsed(name: str, cell: str) -> Json:
    """Returns a field of CSV as JSON would hold it."""
    if name in ("seed", "index", "label", "milliseconds", "position"):
        return int(cell) if re.fullmatch(r"0|[1-9][0-9]{0,17}", cell) else cell or None
    if name == "first":
        return {"true": True, "false": False}.get(cell, cell)
    return cell or None


def _json_lines(path: Path, file: Iterable[str]) -> Iterator[tuple[int, dict[str, Json]]]:
    for line, text in enumerate(file, 1):
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise LineError(path, line, expected="a JSON object", received=text) from error
        if not isinstance(values, dict):
            raise LineError(path, line, expected="a JSON object", received=text)
        _check_columns(path, line, list(values))
        yield line, values


def _check_columns(path: Path, line: int, names: list[str]) -> None:
    unknown = [name for name in names if name not in COLUMNS]
    missing = [name for name in COLUMNS if name not in names]
    twice = [name for name in names if names.count(name) > 1]
    if unknown or missing or twice:
        parts = {"unknown": unknown, "missing": missing, "twice": sorted(set(twice))}
        received = "; ".join(f"{title}: {', '.join(part)}" for title, part in parts.items() if part)
        raise LineError(path, line, expected=f"the columns {', '.join(COLUMNS)}", received=received)


def _row(path: Path, line: int, values: dict[str, Json]) -> Row:
    """Returns a row. Raises `LineError` for a value or a combination that does not exist."""

    def check(name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise LineError(path, line, expected=f"{name}: {expected}", received=json.dumps(values[name]))

    def check_whole(name: str, most: int, *, may_be_none: bool = False) -> None:
        value = values[name]
        is_whole = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
        check(name, is_whole or (may_be_none and value is None), f"a whole number from 0 to {most}")

    def check_one_of(name: str, choices: tuple[str | None, ...]) -> None:
        listed = ", ".join("nothing" if choice is None else choice for choice in choices)
        check(name, isinstance(values[name], str | None) and values[name] in choices, f"one of {listed}")

    sha256, judge, time = (values[name] for name in ("generator_sha256", "judge", "time"))
    check("generator_sha256", isinstance(sha256, str) and bool(re.fullmatch("[0-9a-f]{64}", sha256)), "a SHA-256")
    check_one_of("mode", get_args(Mode))
    check_one_of("kind", get_args(Kind))
    is_gold = values["kind"] == "gold"
    check("kind", not is_gold or values["mode"] != "report", "sample in the mode report")
    check_whole("seed", 2**32 - 1)
    check_whole("index", LARGEST_INDEX)
    check_whole("label", LARGEST, may_be_none=not is_gold)
    check_one_of("truth", get_args(Truth) if is_gold else (None,))
    check("judge", isinstance(judge, str) and bool(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", judge)), "letters and digits")
    check_one_of("verdict", (*get_args(Said), LEFT, None))
    said = values["verdict"] in get_args(Said)
    if said:
        check_whole("milliseconds", LARGEST)
    else:
        check("milliseconds", values["milliseconds"] is None, "nothing without a judgement")
    check("time", isinstance(time, str) and _is_time(time), "UTC such as 2026-11-27T13:24:05.123456Z")
    check_whole("position", LARGEST)
    check("first", isinstance(values["first"], bool), "true or false")
    check("first", values["verdict"] != LEFT or not values["first"], "false for a picture that was left")
    check("first", not is_gold or values["first"] is True, "true for gold")
    return Row(**values)  # type: ignore[arg-type]


def _is_time(text: str) -> bool:
    if not TIME.fullmatch(text):
        return False
    try:
        return 0 <= read_time(text) < 2**33
    except ValueError:  # such as month 13
        return False
