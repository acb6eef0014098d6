"""Output of the commands: results on stdout, and streams without a reader or of another encoding than UTF-8."""

import codecs
import io
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from gan.saving.files import null_for_nan

ANY_CHARACTER = "gan.any_character"
"""Name of the codec error handler `_replace`."""
IN_ASCII = {"\u00b1": "+-", "\u00d7": "x", "\u2013": "-", "\u2014": "-", "\u2022": "*", "\u2026": "..."}
"""Character of a message -> characters that every stream can write."""
BOXES = range(0x2500, 0x2580)
"""Characters that draw boxes."""
WIDEST = 10_000
"""Largest width of a table, in columns."""


@contextmanager
def output_without_reader() -> Iterator[None]:
    """Lets a command finish with its own exit status although nobody reads its stdout or stderr.

    Within the context, writes to a closed pipe are dropped. A stream that was closed at the start drops all writes, and
    no other file gets its descriptor. A write to stdout that fails for another reason, such as a full disk, raises
    `OSError` once; a write to stderr never does. Characters that a stream's encoding lacks are replaced. A stream of
    the caller that replaces stdout or stderr changes in this alone; None drops all writes.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free descriptor: this one
    before = sys.stdout, sys.stderr
    with ExitStack() as at_end:
        sys.stdout = _stream(1, sys.stdout, sys.__stdout__, at_end)
        sys.stderr = _stream(2, sys.stderr, sys.__stderr__, at_end)
        try:
            yield
        finally:
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError):
                    stream.flush()
            sys.stdout, sys.stderr = before


def _stream(descriptor: int, stream: Any, of_process: Any, at_end: ExitStack) -> Any:
    """Returns the stream to write to in place of `stream`. `at_end` restores what it changes."""
    closed = stream is None or getattr(stream, "closed", False)
    if stream is of_process:
        return _text(_Stream(descriptor, drops_all_errors=descriptor == 2), None if closed else stream)
    if closed:
        return at_end.enter_context(Path(os.devnull).open("w", encoding="utf-8", errors=ANY_CHARACTER))
    if isinstance(stream, io.TextIOWrapper):
        at_end.callback(_set_errors, stream, stream.errors)
        _set_errors(stream, ANY_CHARACTER)
    return stream


def _set_errors(stream: io.TextIOWrapper, handler: str | None) -> None:
    with suppress(OSError, ValueError):  # of text that cannot be written, or of a stream that was closed meanwhile
        stream.reconfigure(errors=handler)


def _replace(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replaces a character that an encoding lacks: bytes of a file name by themselves, others by ASCII characters."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character, after = error.object[error.start], error.start + 1
    if "\udc80" <= character <= "\udcff" and not error.encoding.lower().startswith(("utf-16", "utf-32")):
        return bytes([ord(character) - 0xDC00]), after  # what os.fsdecode made of a byte that is not UTF-8
    drawn = "-" if character in "\u2500\u2501" else "|" if character in "\u2502\u2503" else "+"
    written = drawn if ord(character) in BOXES else IN_ASCII.get(character)
    return written or character.encode("ascii", "backslashreplace").decode("ascii"), after


codecs.register_error(ANY_CHARACTER, _replace)


class _Stream(io.FileIO):
    """A file descriptor that drops all writes after the first failed one."""

    def __init__(self, descriptor: int, *, drops_all_errors: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._dropped = OSError if drops_all_errors else BrokenPipeError
        self._failed = False

    def write(self, data: Any) -> int:
        if not self._failed:
            try:
                return super().write(data)
            except OSError as error:
                self._failed = True
                if not isinstance(error, self._dropped):
                    raise
        return memoryview(data).nbytes


def _text(stream: _Stream, like: Any) -> io.TextIOWrapper:
    """Returns the stream as text, encoded and buffered like another one. None: one that was closed at the start."""
    if like is None:
        return io.TextIOWrapper(io.BufferedWriter(stream), "utf-8", ANY_CHARACTER)
    like.flush()
    buffer: Any = stream if like.write_through else io.BufferedWriter(stream)
    return io.TextIOWrapper(
        buffer, like.encoding, ANY_CHARACTER, line_buffering=like.line_buffering, write_through=like.write_through
    )


def print_table(table: Table, *, wraps: bool = False) -> None:
    """Prints a table on stdout. In a narrow terminal its lines are longer than the terminal, so that no cell is cut.

    wraps: whether the cells may be wrapped to the width of the terminal instead.
    """
    console = Console()
    whole = Measurement.get(console, console.options.update(max_width=WIDEST), table).maximum
    console.width = console.width if wraps else max(console.width, whole)
    console.print(table)


def print_result(result: Mapping[str, object], *, as_json: bool) -> None:
    """Prints a mapping as one JSON object, or as aligned lines for people."""
    if as_json:
        print(json.dumps(null_for_nan(result), allow_nan=False))
        return
    width = max(map(len, result))
    for name, value in result.items():
        print(f"{name:<{width}}  {_readable(value)}")


def _readable(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_readable(part)}" for name, part in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_readable(part) for part in value) or "none"
    if isinstance(value, float) and math.isnan(value):
        return "not known"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1_000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
