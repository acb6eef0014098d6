"""The log of the server: one JSON object a line on stderr."""

import json
import logging
import math
import sys
import threading
import time
import traceback
from contextlib import suppress
from datetime import UTC, datetime

from gan.errors import Json

REPEAT_SECONDS = 1.0
"""Time in which the same message is written once."""

MOST_KINDS = 256
"""Most kinds of messages whose times are kept."""

_LOCK = threading.Lock()


def write_log(event: str, *, level: str = "info", **fields: Json) -> None:
    """Writes a line to the log. One that cannot be written, as to a pipe that was closed, is lost, and raises nothing.

    Args:
        event: what happened, such as `request` or `update`.
        level: `info`, `warning` or `error`.
        fields: more of it, in JSON types. No field may hold a token.
    """
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = json.dumps({"time": now, "level": level, "event": event, **fields}, default=str)
    with _LOCK, suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)


def write_thread_error(failed: threading.ExceptHookArgs) -> None:
    """Writes the error that ended a thread to the log. It is a `threading.excepthook`."""
    lines = traceback.format_exception(failed.exc_type, failed.exc_value, failed.exc_traceback)
    name = None if failed.thread is None else failed.thread.name
    write_log("failure", level="error", thread=name, reason=repr(failed.exc_value), traceback="".join(lines))


class Repeats:
    """Decides which of many equal messages are written: one a second of each kind."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._written: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def count(self, kind: str) -> int | None:
        """Returns how many messages of this kind were left out before this one; None: leave this one out too."""
        now = time.monotonic()
        with self._lock:
            if now - self._written.get(kind, -math.inf) < REPEAT_SECONDS:
                self._left_out[kind] = self._left_out.get(kind, 0) + 1
                return None
            if len(self._written) >= MOST_KINDS:
                self._written.clear()
                self._left_out.clear()
            self._written[kind] = now
            return self._left_out.pop(kind, 0)


class LogHandler(logging.Handler):
    """Writes records of Python's `logging`, such as those of uvicorn and of warnings, to the log.

    Of equal messages, one a second is written, with how many were left out before it: `left_out`.
    """

    def __init__(self, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self._repeats = Repeats()

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a record. The traceback of an error is a field."""
        message, error = record.getMessage(), record.exc_info[1] if record.exc_info else None
        left_out = self._repeats.count(f"{record.name}: {message.partition(chr(10))[0]}: {error!r}")
        if left_out is None:
            return
        fields: dict[str, Json] = {"logger": record.name, "message": message}
        if left_out:
            fields["left_out"] = left_out
        if error is not None:
            fields["traceback"] = "".join(traceback.format_exception(error))
        write_log("message", level=record.levelname.lower(), **fields)
