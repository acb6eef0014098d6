"""The log of the server: one JSON object a line on stderr."""

import json
import logging
import sys
import threading
import traceback
from datetime import UTC, datetime

from gan.errors import Json

_LOCK = threading.Lock()


def write_log(event: str, *, level: str = "info", **fields: Json) -> None:
    """Writes a line to the log.

    Args:
        event: what happened, such as `request` or `update`.
        level: `info`, `warning` or `error`.
        fields: more of it, in JSON types. No field may hold a token.
    """
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = json.dumps({"time": now, "level": level, "event": event, **fields}, default=str)
    with _LOCK:
        print(line, file=sys.stderr, flush=True)


class LogHandler(logging.Handler):
    """Writes records of Python's `logging`, such as those of uvicorn and of warnings, to the log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a record. The traceback of an error is a field."""
        fields: dict[str, Json] = {"logger": record.name, "message": record.getMessage()}
        if record.exc_info and record.exc_info[1] is not None:
            fields["traceback"] = "".join(traceback.format_exception(record.exc_info[1]))
        write_log("message", level=record.levelname.lower(), **fields)
