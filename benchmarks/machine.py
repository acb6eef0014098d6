"""Facts about the machine, memory of a process, and commands in separate processes."""

import datetime
import os
import platform
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gan
from gan.errors import TrainingError
from gan.utils import tensorflow as runtime
from gan.utils.machine import cores, cpu_model, peak_memory

_RESET = Path("/proc/self/clear_refs")
LOOK_EVERY = 0.05
"""Interval between two readings of the memory of a process, in seconds."""


def facts(command: str) -> dict[str, Any]:
    """Returns CPU model, usable cores, system, versions, git revision, date (UTC) and command line."""
    return {
        "command": command,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cpu": cpu_model(),
        "cores": cores(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "versions": runtime.versions(),
        "git_revision": runtime.git_revision(),
    }


def sentence(facts: dict[str, Any]) -> str:
    """Formats the facts in one line."""
    versions = facts["versions"]
    made_with = ", ".join(
        f"{name} {versions[key]}"
        for name, key in (("Python", "python"), ("TensorFlow", "tensorflow"), ("Keras", "keras"))
    )
    revision = (facts["git_revision"] or f"version {versions['gan-reference']}")[:12]
    return f"{facts['cpu']}, {facts['cores']} cores; {made_with}; gan {revision}; {facts['date'][:10]}"


def reset_peak() -> None:
    """Resets the peak memory of this process, if the system supports it (Linux)."""
    with suppress(OSError):
        _RESET.write_text("5", encoding="ascii")


def peak_megabytes(process: int | str = "self") -> float | None:
    """Returns the peak resident memory of a process since `reset_peak`, including earlier memory. None: unknown."""
    peak = peak_memory(process)
    return None if peak is None else round(peak / 2**20, 1)


@dataclass(frozen=True)
class Ended:
    """A process that has ended successfully.

    `seconds`: wall time. `megabytes`: largest resident memory, read every `LOOK_EVERY` seconds (None: unknown).
    `stdout`: its output.
    """

    seconds: float
    megabytes: float | None
    stdout: str


def run_python(*arguments: str) -> Ended:
    """Runs this Python interpreter with arguments such as `-m gan sample mnist`, using this copy of the package.

    Memory is read from /proc while the process runs. `os.wait4` could report the peak of the parent process instead:
    on Linux, a child inherits it.

    Raises `TrainingError` with the last line of stderr if the process fails.
    """
    package = str(Path(gan.__file__).parents[1])
    path = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    began, megabytes = time.perf_counter(), None
    with subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"},
    ) as process:
        while True:
            try:
                stdout, stderr = process.communicate(timeout=LOOK_EVERY)
                break
            except subprocess.TimeoutExpired:
                megabytes = peak_megabytes(process.pid) or megabytes
            except BaseException:
                process.kill()
                raise
        seconds = time.perf_counter() - began
    if process.returncode:
        last_line = (stderr.strip() or "no message").splitlines()[-1]
        raise TrainingError(f"`python {' '.join(arguments)}` failed with status {process.returncode}: {last_line}")
    return Ended(seconds, megabytes, stdout)
