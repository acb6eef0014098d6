"""The machine that measures: what it is, how much memory a process holds, and commands in processes of their own."""

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

_RESET = Path("/proc/self/clear_refs")
LOOK_EVERY = 0.05
"""Seconds from one look at the memory of a process to the next."""


def facts(command: str) -> dict[str, Any]:
    """CPU model, cores that this process may use, system, versions, git revision, date (UTC), and the command line."""
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
    """Such facts in one line."""
    versions = facts["versions"]
    made_with = ", ".join(
        f"{name} {versions[key]}"
        for name, key in (("Python", "python"), ("TensorFlow", "tensorflow"), ("Keras", "keras"))
    )
    revision = (facts["git_revision"] or f"version {versions['gan-reference']}")[:12]
    return f"{facts['cpu']}, {facts['cores']} cores; {made_with}; gan {revision}; {facts['date'][:10]}"


def cpu_model() -> str:
    """Name of the processor."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), "") or platform.processor() or platform.machine()


def cores() -> int:
    """Number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def reset_peak() -> None:
    """Lets the peak be counted from now on, where the system can (Linux)."""
    with suppress(OSError):
        _RESET.write_text("5", encoding="ascii")


def peak_megabytes(process: int | str = "self") -> float | None:
    """Largest resident memory of a process since `reset_peak`, all that it held before included; None: unknown."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # no Linux, or the process has ended
        return None
    kilobytes = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return round(kilobytes[0] / 1024, 1) if kilobytes else None


@dataclass(frozen=True)
class Ended:
    """A process that has ended well: wall `seconds` from its start to its end, its largest resident memory as it was
    seen `LOOK_EVERY` (None: unknown), and what it printed."""

    seconds: float
    megabytes: float | None
    stdout: str


def run_python(*arguments: str) -> Ended:
    """Runs this Python with arguments such as `-m gan sample mnist`, and with this package, wherever it lies.

    Its memory is read from /proc while it runs. `os.wait4` would report the peak of this process where that is larger:
    Linux hands it on to a process that is started.

    Raises `TrainingError` with the end of what it said when it fails.
    """
    package = str(Path(gan.__file__).parents[1])
    path = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    began, megabytes = time.perf_counter(), None
    with subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
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
        said = (stderr.strip() or "nothing").splitlines()[-1]
        raise TrainingError(f"`python {' '.join(arguments)}` ended with status {process.returncode}, and said: {said}")
    return Ended(seconds, megabytes, stdout)
