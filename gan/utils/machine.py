"""Facts about this machine: processor, cores, peak memory of a process."""

import os
import platform
import sys
from pathlib import Path


def cpu_model() -> str:
    """Returns the name of the processor."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), "") or platform.processor() or platform.machine()


def cores() -> int:
    """Returns the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def peak_memory(process: int | str = "self") -> int | None:
    """Returns the peak resident memory of a process since its program started, in bytes. None: not known.

    `ru_maxrss` of a child would include the memory of the process that started it.
    """
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux, or the process has ended
        return None
    kilobytes = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return 1024 * kilobytes[0] if kilobytes else None


def processor() -> str:
    """Returns the name of the processor and the number of cores that this process can use, as text."""
    return f"{cpu_model()}, {cores()} cores"
