"""Reads the texts that a user gives: files, standard input, and tables of texts with categories."""

import csv
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from gan.errors import InputError
from gan.saving.files import as_path
from gan.text.data.normalization import clean

LARGEST = 64 * 2**20
"""Largest text that is read, in bytes."""

STDIN = "-"
"""What stands for standard input in place of a file."""

TABLES = {".csv": ",", ".tsv": "\t"}
"""Suffix of a table of texts -> what separates its columns."""


def read_text(source: str | Path) -> str:
    """Returns the text of a UTF-8 file, see `decode_text`. `-` is standard input.

    Raises `InputError` for a file that does not exist, is not text in UTF-8, or has more than `LARGEST` bytes.
    """
    name = "standard input" if source == STDIN else str(source)
    try:
        if source == STDIN:
            if sys.stdin is None:
                raise OSError("it is closed")
            return decode_text(_read(sys.stdin.buffer, name), name)
        path = as_path(source, "file")
        if not path.is_file():
            raise InputError("No such text", expected="a text file in UTF-8, or - for standard input", received=name)
        with path.open("rb") as file:
            return decode_text(_read(file, name), name)
    except OSError as error:
        raise InputError("The text cannot be read", expected="a readable file", received=f"{name}: {error}") from error


def decode_text(content: bytes, name: str) -> str:
    """Returns bytes as text, without a byte order mark, and with \\n at the end of lines. `name` is their source.

    Raises `InputError` unless they are text in UTF-8.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("Not text in UTF-8", expected="UTF-8", received=f"{name}, byte {error.start}") from error
    if "\0" in text:
        raise InputError("Not text", expected="text in UTF-8", received=f"{name}, a binary file")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def check_text(text: str) -> str:
    """Returns a text of a user, cleaned. Raises `InputError` for an empty one and for one of more than `LARGEST` bytes.

    A byte that is not UTF-8, as the command line passes it, is an error too.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise InputError("Not text in UTF-8", expected="UTF-8", received=f"character {error.start}") from error
    if size > LARGEST:
        raise InputError("The text is too long", expected=f"at most {LARGEST:,} bytes", received=f"{size:,} bytes")
    cleaned = clean(text)
    if not cleaned:
        raise InputError("The text is empty", expected="one character or more", received=repr(text[:20]))
    return cleaned


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    """Yields (number of the line, columns) of a table with a header, .csv or .tsv, or of JSON lines.

    Raises `InputError`, which names the line, for a row that is longer or shorter than the header, for a line that is
    not a JSON object, and for other damage: a name that occurs twice, NaN, half a character, an open quotation mark.
    """
    separator = TABLES.get(path.suffix.lower())
    text = read_text(path)
    return _json_lines(path, text) if separator is None else _table(path, text, separator)


def _table(path: Path, text: str, separator: str) -> Iterator[tuple[int, dict[str, object]]]:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header = list[str]()
    try:
        for row in filter(None, rows):
            place = f"{path}, line {rows.line_num}"
            if not header:
                header = row
                if len(set(header)) < len(header):
                    raise InputError("Damaged table", expected="different names of columns", received=place)
            elif len(row) != len(header):
                expected = f"{len(header)} columns as in the header; quote a text that contains {separator!r}"
                raise InputError("Damaged table", expected=expected, received=f"{place}: {len(row)}")
            else:
                yield rows.line_num, dict(zip(header, row))
    except csv.Error as error:
        received = f"{path}, line {rows.line_num}: {error}"
        raise InputError("Damaged table", expected=f"values separated by {separator!r}", received=received) from error


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, dict[str, object]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line, object_pairs_hook=_different_names)
                json.dumps(row, ensure_ascii=False, allow_nan=False).encode()  # fails for NaN and half a character
            except (ValueError, RecursionError) as error:
                received = f"{path}, line {number}: {error}"
                raise InputError("Damaged JSON lines", expected="a JSON object a line", received=received) from error
            if not isinstance(row, dict):
                received = f"{path}, line {number}: {type(row).__name__}"
                raise InputError("Damaged JSON lines", expected="a JSON object a line", received=received)
            yield number, row


def _different_names(pairs: list[tuple[str, object]]) -> dict[str, object]:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError("a name occurs twice")
    return row


def _read(file: BinaryIO, name: str) -> bytes:
    content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise InputError("The text is too long", expected=f"at most {LARGEST:,} bytes", received=f"{name}: more")
    return content
