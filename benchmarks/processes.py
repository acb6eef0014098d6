"""Commands in processes of their own, as a user starts them, with what they take."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import gan
from benchmarks import memory
from gan.errors import TrainingError

LOOK_EVERY = 0.05
"""Seconds from one look at the memory of a process to the next."""


@dataclass(frozen=True)
class Ended:
    """A process that has ended well: wall `seconds` from its start to its end, its largest resident memory as it was
    seen `LOOK_EVERY` (None: unknown), and what it printed."""

    seconds: float
    megabytes: float | None
    stdout: str


def run_python(*arguments: str) -> Ended:
    """Runs this Python with arguments such as `-m gan sample mnist`, and with this package, wherever it lies.

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
                megabytes = memory.peak_megabytes(process.pid) or megabytes
            except BaseException:
                process.kill()
                raise
        seconds = time.perf_counter() - began
    if process.returncode:
        said = (stderr.strip() or "nothing").splitlines()[-1]
        raise TrainingError(f"`python {' '.join(arguments)}` ended with status {process.returncode}, and said: {said}")
    return Ended(seconds, megabytes, stdout)
