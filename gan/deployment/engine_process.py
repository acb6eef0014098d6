"""The process in which `gan.deployment.measure_artifacts` times one generator. It imports only what its engine needs.

It runs as `python -m gan.deployment.engine_process FORMAT FILE INPUTS SAMPLES`. INPUTS is an .npz file with `latents`
float32 [N, L], and `labels` int32 [N] for a generator with classes. It is read again for samples. Each request is a
command, see `gan.utils.json_process`:

load: loads the generator and runs it. -> {"idle_memory_bytes"}
time: runs batches of `BATCH` samples. -> {"milliseconds": of each batch, "peak_memory_bytes": until now}
sample: writes the samples of INPUTS to SAMPLES, float32 without a header. -> {"shape": of the samples}

The process ends when its input does.
"""

import sys
import time
from pathlib import Path

import numpy as np

from gan.errors import Json
from gan.saving.engines.find import FORMATS
from gan.saving.engines.format import Run
from gan.utils import tensorflow as runtime
from gan.utils.json_process import answer_requests
from gan.utils.machine import peak_memory

BATCH = 64
"""Samples in a timed batch."""
TURN_SECONDS = 0.2
"""Least duration of the timed batches of one turn."""
WARM_UP = 5
"""Batches after loading that are not timed: engines compile and allocate in the first ones."""
SAMPLED = 250
"""Samples in a batch whose samples are written, as in `evaluate`."""


def load_run(format: str, path: Path) -> Run:
    """Loads a generator into its engine: a function of {name of an input: array} -> images."""
    form = FORMATS.get(format)
    if form is None or form.uses_tensorflow:
        runtime.load_tensorflow(lean=True)
    if form is not None:
        return form.load(path)
    from gan.sampling.generators import as_engine

    engine = as_engine(path)
    return lambda inputs: engine(inputs["latents"], inputs.get("labels"))


class Measurement:
    """A generator, and the commands about it.

    Args:
        format: a key of `FORMATS`, or `keras`.
        path: the file.
        inputs: .npz file of the inputs, which is read again for samples.
        samples: file for the samples.
    """

    def __init__(self, format: str, path: Path, inputs: Path, samples: Path) -> None:
        self.inputs, self.samples = inputs, samples
        self.batch = {name: np.resize(value, (BATCH, *value.shape[1:])) for name, value in _read(inputs).items()}
        self.idle = peak_memory()
        self.run = load_run(format, path)
        for _ in range(WARM_UP):
            self.run(self.batch)

    def time(self) -> dict[str, Json]:
        """Times batches. The first one is not counted: another process had the caches of the CPU before."""
        self.run(self.batch)
        milliseconds: list[float] = []
        while sum(milliseconds) < 1e3 * TURN_SECONDS:
            began = time.perf_counter()
            self.run(self.batch)
            milliseconds.append(1e3 * (time.perf_counter() - began))
        return {"milliseconds": milliseconds, "peak_memory_bytes": peak_memory()}

    def sample(self) -> dict[str, Json]:
        """Reads the inputs, and writes the samples of all."""
        inputs = _read(self.inputs)
        num, shape = len(inputs["latents"]), ()
        with self.samples.open("wb") as file:
            for first in range(0, num, SAMPLED):
                images = self.run({name: value[first : first + SAMPLED] for name, value in inputs.items()})
                file.write(np.ascontiguousarray(images, np.float32).tobytes())
                shape = images.shape[1:]
        return {"shape": [num, *shape]}


def _read(inputs: Path) -> dict[str, np.ndarray]:
    with np.load(inputs) as arrays:
        return dict(arrays)


class Answers:
    """Answers the commands about one generator, which the first command loads."""

    def __init__(self, format: str, path: Path, inputs: Path, samples: Path) -> None:
        self._given = format, path, inputs, samples
        self._measured: Measurement | None = None

    def __call__(self, command: str) -> dict[str, Json]:
        """Returns the answer to a command."""
        if self._measured is None:
            self._measured = Measurement(*self._given)
            return {"idle_memory_bytes": self._measured.idle}
        return {"time": self._measured.time, "sample": self._measured.sample}[command]()


if __name__ == "__main__":
    answer_requests(Answers(sys.argv[1], *map(Path, sys.argv[2:])))
