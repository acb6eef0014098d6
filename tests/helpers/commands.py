"""Runs `gan` in a new process, with every data host unreachable."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

OFFLINE = {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "", "http_proxy": "http://127.0.0.1:9"}
"""A proxy that refuses connections makes every host unreachable."""

TOY = [
    "--dataset", "mnist5k", "--steps", "20", "--eval-every", "96", "--batch-size", "16", "--latent-dim", "8",
    "--g-width", "4", "--d-width", "4", "--steps-per-execution", "4", "--deterministic", "--seed", "5",
]  # fmt: skip
"""A run of 20 steps in three intervals of 6 steps and one of 2. R1 is computed in steps 1 and 17."""

UNWATCHED = [*TOY, "--probe", "none"]
"""`TOY` without the probe, because tracing its metrics takes as long as tracing the train step."""

ROOT = Path(__file__).parents[2]
Gan = Callable[..., subprocess.CompletedProcess[str]]


def run_gan(*arguments: object, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Any:
    """Runs `python -m gan ARGUMENTS` as a user does, with every data host unreachable."""
    return subprocess.run(
        [sys.executable, "-m", "gan", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **OFFLINE, **(env or {})},
        capture_output=True,
        text=True,
        timeout=300,
    )
