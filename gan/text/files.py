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
from gan.text.normalization import clean

LARGEST = 64 * 2**20
"""Largest text that is read, in bytes."""

STDIN = "-"
"""What stands for standard input in place of a file."""

TABLES = {".csv": ",", ".tsv": "\t"}
"""Suffix of a table of texts -> what separates its columns."""


def read_text(source: str | Path) -> str:
    """Returns the text of a UTF-8 file, without its byte order mark. `-` is standard input.

    Raises `InputError` for a file that does not exist, is not text in UTF-8, or has more than `LARGEST` bytes.
    """
    if source == STDIN:
        return decode_text(_read(sys.stdin.buffer, "standard input"), "standard input")
    path = as_path(source, "file")
    if not path.is_file():
        raise InputError("No such text", expected="a text file in UTF-8", received=str(path))
    try:
        with path.open("rb") as file:
            return decode_text(_read(file, str(path)), str(path))
    except OSError as error:
        raise InputError("The text cannot be read", expected="a readable file", received=str(error)) from error


def decode_text(content: bytes, name: str) -> str:
    """Returns bytes as text. `name` is their source, for errors. Raises `InputError` unless they are text in UTF-8."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("Not text in UTF-8", expected="UTF-8", received=f"{name}, byte {error.start}") from error
    if "\0" in text:
        raise InputError("Not text", expected="text in UTF-8", received=f"{name}, a binary file")
    return text


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

    Raises `InputError`, which names the line, for a line that is not a JSON object, and for a damaged table.
    """
    text = read_text(path)
    if path.suffix.lower() in TABLES:
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=TABLES[path.suffix.lower()])
        try:
            for row in rows:
                yield rows.line_num, {str(name): value for name, value in row.items() if name is not None}
        except csv.Error as error:
            raise InputError("Damaged table", expected="comma-separated values", received=f"{path}: {error}") from error
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                received = f"{path}, line {number}: {error}"
                raise InputError("Damaged JSON lines", expected="a JSON object a line", received=received) from error
            if not isinstance(row, dict):
                received = f"{path}, line {number}: {type(row).__name__}"
                raise InputError("Damaged JSON lines", expected="a JSON object a line", received=received)
            yield number, row


def _read(file: BinaryIO, name: str) -> bytes:
    content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise InputError("The text is too long", expected=f"at most {LARGEST:,} bytes", received=f"{name}: more")
    return content
