"""Describes what the last bit of a float32 result depends on. No TensorFlow."""

import os
import platform
from importlib.metadata import version
from pathlib import Path


def machine() -> dict[str, str]:
    """The processor as Linux describes it, its cores, oneDNN, and the versions of what computes."""
    names = ("vendor_id", "cpu family", "model", "model name", "stepping", "cache size", "flags")
    described, cpuinfo = {}, Path("/proc/cpuinfo")
    for line in cpuinfo.read_text().split("\n\n")[0].splitlines() if cpuinfo.exists() else ():
        name, _, value = line.partition(":")
        if name.strip() in names:
            described[name.strip()] = " ".join(value.split())
    packages = {name: version(name) for name in ("tensorflow", "keras", "numpy")}
    onednn = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1")
    cores = str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    return {"machine": platform.machine(), **described, "cores": cores, "onednn": onednn, **packages}
