"""Output of the commands: results on stdout, and streams without a reader."""

import io
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from gan.saving.files import null_for_nan


@contextmanager
def output_without_reader() -> Iterator[None]:
    """Lets a command finish with its own exit status although nobody reads its stdout or stderr.

    Within the context, writes to a closed pipe are dropped. A stream that was closed at the start drops all writes, and
    no other file gets its descriptor. A write to stdout that fails for another reason, such as a full disk, raises
    `OSError` once; a write to stderr never does. Streams that the caller has replaced are left unchanged.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free descriptor: this one
    before = sys.stdout, sys.stderr
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text(_Stream(1, drops_all_errors=False), sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(_Stream(2, drops_all_errors=True), sys.stderr)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        sys.stdout, sys.stderr = before


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
        return io.TextIOWrapper(io.BufferedWriter(stream), "utf-8", "backslashreplace")
    like.flush()
    buffer: Any = stream if like.write_through else io.BufferedWriter(stream)
    return io.TextIOWrapper(
        buffer, like.encoding, like.errors, line_buffering=like.line_buffering, write_through=like.write_through
    )


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
