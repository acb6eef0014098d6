"""What a measurement was made on, so that somebody else can judge whether his should be the same."""

import datetime
import os
import platform
import sys
from pathlib import Path
from typing import Any

from gan import runtime


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
