"""A generator in a process of its own, which is asked for times, memory and samples."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gan.deployment.table import ArtifactCost
from gan.utils.json_process import JsonProcess

PROCESS = "gan.deployment.engine_process"


class MeasuredEngine:
    """A process that runs one generator on the CPU, with as many threads as `gan sample` uses.

    Args:
        format: `keras`, `saved_model`, `onnx` or `litert`.
        path: the generator's file.
        timed: inputs of the timed batches: `latents` float32 [N, L], and `labels` int32 [N] for a generator with
            classes.
        scratch: folder for the inputs and the output of the process.
    """

    def __init__(self, format: str, path: Path, timed: Mapping[str, np.ndarray], scratch: Path) -> None:
        scratch.mkdir(parents=True)
        self.idle_memory_bytes: int | None = None
        self._inputs, self._samples = scratch / "inputs.npz", scratch / "samples"
        np.savez(self._inputs, allow_pickle=False, **timed)
        self._rounds: list[float] = []
        self._batches, self._peak = 0, None
        self._process = JsonProcess(
            PROCESS,
            format,
            *(str(file.absolute()) for file in (path, self._inputs, self._samples)),
            output=scratch / "stderr",
            environment={"CUDA_VISIBLE_DEVICES": "-1"},  # ONNX Runtime and LiteRT use the CPU, too
        )

    def start_loading(self) -> None:
        """Lets the process load the generator, while others load theirs."""
        self._process.send("load")

    def finish_loading(self) -> None:
        """Waits until the generator is loaded. Raises `ProcessFailure` if its engine rejects it."""
        self.idle_memory_bytes = self._process.receive()["idle_memory_bytes"]

    def time_round(self) -> None:
        """Times some batches. Raises `ProcessFailure` if the process has ended."""
        self._process.send("time")
        found = self._process.receive()
        self._rounds.append(float(np.median(found["milliseconds"])))
        self._batches += len(found["milliseconds"])
        self._peak = found["peak_memory_bytes"]

    @property
    def cost(self) -> ArtifactCost:
        """Time and memory over all rounds, at least one."""
        return ArtifactCost(
            milliseconds=float(np.median(self._rounds)),
            milliseconds_fastest=min(self._rounds),
            milliseconds_slowest=max(self._rounds),
            rounds=len(self._rounds),
            batches=self._batches,
            peak_memory_bytes=self._peak,
        )

    def generate(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Returns the samples of inputs, which are named as the timed ones: float32 [N, H, W, C].

        Raises `ProcessFailure` if the process has ended.
        """
        np.savez(self._inputs, allow_pickle=False, **inputs)
        self._process.send("sample")
        shape = self._process.receive()["shape"]
        try:
            return np.fromfile(self._samples, np.float32).reshape(shape)
        finally:
            self._samples.unlink()

    def close(self) -> None:
        """Ends the process. Does nothing if that was done."""
        self._process.close()
