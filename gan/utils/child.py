"""Ends processes that this process has started."""

import os
import signal
import subprocess
from contextlib import suppress

KILL_SECONDS = 10.0
"""Seconds to wait for a killed process. One that waits for a driver may never end."""


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
