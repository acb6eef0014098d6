"""Starts Python processes with the packages of this one, and ends processes that this process has started."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

from gan.utils.tensorflow import reason_of

KILL_SECONDS = 10.0
"""Seconds to wait for a killed process. One that waits for a driver may never end."""


def python_module(module: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """Returns the command and the environment that run a module as a program with the packages of this process.

    The folders of `sys.path` are in PYTHONPATH. No package comes from the current folder, which `-P` leaves out.
    """
    places = [os.path.abspath(path) for path in sys.path]  # noqa: PTH100 - "" is the current folder
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    return [sys.executable, "-P", "-m", module, *arguments], environment


def why_ended(returncode: int, output: str) -> str:
    """Returns how a process ended, and the last line of its output."""
    said = next((line.strip() for line in reversed(output.split("\n")) if line.strip()), "no message")
    ended = f"signal {-returncode}" if returncode < 0 else f"exit status {returncode}"
    return f"({ended}): {reason_of(RuntimeError(said))}"


def kill(process: "subprocess.Popen[bytes]", *, group: bool = True) -> None:
    """Kills a process if it still runs, closes its input, and waits for its end.

    group: also kills the processes that it started. It must have been started with `start_new_session`.
    """
    with suppress(ProcessLookupError):
        if group and os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    if process.stdin is not None:
        process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(KILL_SECONDS)


def end_own_process() -> None:
    """Kills this process and, unless others belong to its group, those that it started. Called without its parent."""
    if os.name == "posix" and os.getpgid(0) == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGTERM)
