"""A generator in a process of its own, which is asked for times, memory and samples."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gan.deployment.table import ArtifactCost
from gan.utils.child import kill, python_module, why_ended

PROCESS = "gan.deployment.engine_process"


class EngineFailure(RuntimeError):
    """A measured process that cannot answer. The message says why."""


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
        self._inputs, self._samples, self._output = scratch / "inputs.npz", scratch / "samples", scratch / "stderr"
        np.savez(self._inputs, allow_pickle=False, **timed)
        self._rounds: list[float] = []
        self._batches, self._peak = 0, None
        command, environment = python_module(PROCESS, format, *(str(file.absolute()) for file in (path, self._inputs)))
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [*command, str(self._samples.absolute())],
                stdin=subprocess.PIPE,  # ends with this process, and the other one notices that
                stdout=subprocess.PIPE,
                stderr=output,
                env={**environment, "CUDA_VISIBLE_DEVICES": "-1"},  # ONNX Runtime and LiteRT use the CPU, too
                bufsize=0,  # nothing is left to write when the process has ended
                start_new_session=True,  # Ctrl-C reaches this process alone, which kills the other one
            )

    def start_loading(self) -> None:
        """Lets the process load the generator, while others load theirs."""
        self._send("load")

    def finish_loading(self) -> None:
        """Waits until the generator is loaded. Raises `EngineFailure` if its engine rejects it."""
        self.idle_memory_bytes = self._receive()["idle_memory_bytes"]

    def time_round(self) -> None:
        """Times some batches. Raises `EngineFailure` if the process has ended."""
        self._send("time")
        found = self._receive()
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

        Raises `EngineFailure` if the process has ended.
        """
        np.savez(self._inputs, allow_pickle=False, **inputs)
        self._send("sample")
        shape = self._receive()["shape"]
        try:
            return np.fromfile(self._samples, np.float32).reshape(shape)
        finally:
            self._samples.unlink()

    def close(self) -> None:
        """Ends the process. Does nothing if that was done."""
        assert self._process.stdout is not None
        if not self._process.stdout.closed:
            kill(self._process)
            self._process.stdout.close()

    def _send(self, command: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{command}\n".encode())
            self._process.stdin.flush()
        except OSError as error:
            raise self._ended() from error

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        found: dict[str, Any] = json.loads(line)
        if "failure" in found:
            raise EngineFailure(found["failure"])
        return found

    def _ended(self) -> EngineFailure:
        self._process.wait()
        said = self._output.read_text(encoding="utf-8", errors="replace")
        return EngineFailure(f"the process of the engine ended {why_ended(self._process.returncode, said)}")
