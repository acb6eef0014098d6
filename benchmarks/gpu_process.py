"""Runs one row of `python -m benchmarks gpu` in a process group of its own that is killed at a time limit."""

import faulthandler
import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gan
from gan.saving import files
from gan.utils.child import KILL_SECONDS, kill

MODULE = "benchmarks.gpu_rows"
LONGEST_REASON = 300
KEPT_OUTPUT = 4_000
"""Characters of a failed row's output that are recorded."""
DUMP_S = 3.0
"""A row writes the Python stack of all its threads this many seconds before its limit, or at half of a short limit."""


@dataclass(frozen=True)
class Ended:
    """A row that has ended.

    `values`: what it measured, also before it failed. `failed`: why it has no result; None: it has one. `output`: the
    end of its output.
    """

    seconds: float
    values: dict[str, Any]
    failed: str | None
    output: str


class Refused(Exception):
    """A row has no result, for the reason in the message."""


class Report:
    """File into which a row writes what it has measured so far, so that a killed row loses nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._content: dict[str, Any] = {"stage": "start", "values": {}, "failed": None, "finished": False}

    def stage(self, stage: str) -> None:
        """Records what the row does from now on. The reason of a row without a result names it."""
        self._content["stage"] = stage
        self._write()

    def note(self, **values: Any) -> None:
        """Records measured values, of JSON types."""
        self._content["values"] |= values
        self._write()

    def end(self, failed: str | None = None) -> None:
        """Records the end of the row. failed: why it has no result."""
        self._content |= {"failed": failed, "finished": True}
        self._write()

    def _write(self) -> None:
        files.write_json(self.path, files.null_for_nan(self._content))


def run_row(
    kind: str,
    options: Mapping[str, Any],
    *,
    limit_s: float,
    environment: Mapping[str, str] | None = None,
    own_group: bool = True,
) -> Ended:
    """Runs a row in a child process, and kills the group of that process after `limit_s` seconds.

    Shortly before, the child writes its Python stack to its output, which the reason of the failure quotes.

    Args:
        kind: name of a function in `KINDS` of `MODULE`.
        options: its arguments, of JSON types.
        limit_s: time limit of the process, in seconds, including its imports.
        environment: variables of the child. `XLA_FLAGS` and `TF_XLA_FLAGS` are appended to those of this process.
        own_group: False: the child stays in the group of this process, which is killed with it.
    """
    with tempfile.TemporaryDirectory(prefix="gan-gpu-", ignore_cleanup_errors=True) as folder:
        path, output = Path(folder) / "report.json", Path(folder) / "output"
        end = time.time() + limit_s
        asked = json.dumps({"kind": kind, "options": dict(options), "limit_s": limit_s, "end": end})
        began = time.monotonic()
        with output.open("wb") as opened:
            process = subprocess.Popen(
                [sys.executable, "-m", MODULE, asked, str(path)],
                stdin=subprocess.DEVNULL,
                stdout=opened,
                stderr=opened,
                env=_environment(environment or {}),
                start_new_session=own_group,
            )
            try:
                status: int | None = process.wait(limit_s)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                kill(process, group=own_group)
        seconds = round(time.monotonic() - began, 1)
        text = output.read_text(encoding="utf-8", errors="replace")[-KEPT_OUTPUT:]
        found: Any = files.read_json(path) if path.exists() else {}
    return Ended(seconds, found.get("values", {}), _failure(status, found, text, limit_s), text)


def measure_row(kinds: Mapping[str, Callable[..., None]], asked: str, path: str) -> int:
    """Measures a row in the child process. Returns the exit status.

    Args:
        kinds: functions that measure, `kind(report, **options)`, by name.
        asked: {"kind", "options", "limit_s", "end": Unix time of the limit} as JSON.
        path: file of the report.
    """
    row, report = json.loads(asked), Report(Path(path))
    if hasattr(signal, "alarm"):  # for the case that the process is gone which should kill this one
        signal.alarm(math.ceil(row["limit_s"] + KILL_SECONDS))
    left = row["end"] - time.time()
    faulthandler.dump_traceback_later(max(left - DUMP_S, 0.5 * left, 0.1))
    report.stage("start")
    try:
        kinds[row["kind"]](report, **row["options"])
    except Exception as error:  # whatever it is, the next row must run
        traceback.print_exc()
        name = "" if isinstance(error, Refused) else f"{type(error).__name__}: "
        report.end(name + last_line(str(error)))
        return 1
    finally:
        faulthandler.cancel_dump_traceback_later()
    report.end()
    return 0


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    package = str(Path(gan.__file__).parents[1])
    path = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    flags = {
        name: " ".join(filter(None, [os.environ.get(name), more[name]]))
        for name in ("XLA_FLAGS", "TF_XLA_FLAGS")
        if name in more
    }
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "2"}  # errors only: the last one explains a process that aborts
    return {**os.environ, **quiet, **more, **flags, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"}


def _failure(status: int | None, found: Mapping[str, Any], output: str, limit_s: float) -> str | None:
    """Returns why a row has no result. status: exit status of the process; None: it was killed at its limit."""
    if found.get("finished"):
        return found["failed"]
    if status is None:
        return f"no result within {limit_s:.0f} s, at: {found.get('stage', 'start')}{_innermost(output)}"
    how = f"ended by signal {-status}" if status < 0 else f"ended with status {status}"
    return f"{how}, at: {found.get('stage', 'start')}: {last_line(output) or 'no message'}"


def _innermost(output: str) -> str:
    """Returns the innermost Python call of the main thread in the last dump of a process, or nothing."""
    _, dumped, stacks = output.rpartition("Timeout (")
    threads = re.split(r"^(?:Current thread|Thread) ", stacks, flags=re.MULTILINE)
    call = re.search(r'File "([^"]*)", line (\d+) in (\S+)', threads[-1])  # the main thread is the last one
    return f", in {call[3]} ({Path(call[1]).name}:{call[2]})" if dumped and call else ""


def last_line(text: str) -> str:
    """Returns the last line of a text that says something, without TensorFlow's markers of operations."""
    lines = [line.partition(" [Op:")[0].strip() for line in text.splitlines()]
    said = [line for line in lines if line and not line.startswith(("[[", "[Op:"))]
    line = said[-1] if said else ""
    return line if len(line) <= LONGEST_REASON else line[: LONGEST_REASON - 3] + "..."
