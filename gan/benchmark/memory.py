"""How much memory this process needs."""

from contextlib import suppress
from pathlib import Path

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def reset_peak() -> None:
    """Lets the peak be counted from now on, where the system can (Linux)."""
    with suppress(OSError):
        _RESET.write_text("5", encoding="ascii")


def peak_megabytes() -> float | None:
    """Largest resident memory of this process since `reset_peak`, all that it held before included; None: unknown."""
    if not _STATUS.is_file():
        return None
    lines = _STATUS.read_text(encoding="ascii").splitlines()
    kilobytes = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return round(kilobytes[0] / 1024, 1) if kilobytes else None
