"""A process that makes train steps when its parent asks: python -m benchmarks.turns_process ARGUMENTS.

PyTorch may have another interpreter than TensorFlow, so each library is imported only where it is used.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

WARM_UP = 160
"""Steps before the first turn: a whole number of intervals of the lazy penalty."""

Run = Callable[[int], None]


def fit(*, preset: str, dataset: str, batch_size: int, bfloat16: bool) -> tuple[Run, str]:
    """Returns a function that makes steps with `fit` as a training run does, and the versions."""
    from gan.utils import tensorflow as runtime

    runtime.start(seed=0)
    from benchmarks import loops
    from benchmarks.gpu_data import load
    from benchmarks.gpu_speed import timed_config

    data = load(dataset)
    config = timed_config(preset, dataset, batch_size, "mixed_bfloat16" if bfloat16 else "float32")
    gan = loops.compile_for_run(config, data)
    return loops.fit_runner(gan, config, data), f"TensorFlow {runtime.installed_version('tensorflow')}"


def pytorch(*, preset: str, batch_size: int, bfloat16: bool, channels_last: bool, compiled: bool) -> tuple[Run, str]:
    """Returns a function that makes the same steps with PyTorch, and its version."""
    from benchmarks import torch_peer

    run = torch_peer.loop(preset, batch_size, bfloat16=bfloat16, channels_last=channels_last, compiled=compiled)
    return run, torch_peer.description()


KINDS: dict[str, Callable[..., tuple[Run, str]]] = {"fit": fit, "pytorch": pytorch}


def main(arguments: str, kinds: dict[str, Callable[..., tuple[Run, str]]] | None = None) -> int:
    """Makes the steps that stdin asks for, one number a line, and answers with seconds. Returns the exit status.

    arguments: {"kind": name in `KINDS`, ...its options} as JSON. The first line of stdout is {"description"} as JSON.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    options: dict[str, Any] = json.loads(arguments)
    run, description = (kinds or KINDS)[options.pop("kind")](**options)
    run(WARM_UP)
    print(json.dumps({"description": description}), file=answers, flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        run(int(line))
        print(time.perf_counter() - began, file=answers, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
