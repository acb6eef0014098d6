"""How much memory a process needs."""

from contextlib import suppress
from pathlib import Path

_RESET = Path("/proc/self/clear_refs")


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
