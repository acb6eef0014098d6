"""Tests in another process whether XLA compiles a train step correctly, in time and to a faster program.

The result is remembered in the user's cache folder, for this device, these versions and this network. It decides
whether XLA is on by default. The other process runs `gan.models.self_test_process`.
"""

import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras

from gan.errors import InputError, Json, Positive, Whole, as_json, check_positive
from gan.models.networks.inputs import NetworkInputs
from gan.saving import files
from gan.utils import tensorflow as runtime
from gan.utils.child import kill, python_module, why_ended

BATCH_SIZE = 64
"""Real images of a D update in a self-test, unless a run has another number."""
LIMIT = 60.0
"""Seconds that the first train steps with XLA may take, compilation included."""
START_LIMIT = 120.0
"""Seconds that each other part of the test may take, such as the import of TensorFlow and the plain steps."""

FASTER = 1.05
"""Ratio of the median durations of a step, plain to XLA, from which on XLA counts as faster."""

TRIAL, PHASE, RESULT, _OUTPUT = "trial.json", "phase", "result.json", "output.txt"
PROCESS = "gan.models.self_test_process"
COMPILE, MEASURE = ABOUT_XLA = ("the first steps with XLA", "the measurement of the speed")
"""Parts of the test that fail because of XLA."""


NOT_SAVED = (TypeError, ValueError, NotImplementedError, AttributeError)
"""Errors of layers whose configuration Keras cannot save."""


@dataclass(frozen=True)
class Trial:
    """What the other process builds: the configurations of the GAN and of its `compile`, and the form of a batch."""

    gan: dict[str, Json]
    compiled: dict[str, Json]
    """Without optimizers."""
    shape: tuple[Positive, ...]
    """Shape of the real images of a step."""
    classes: Whole
    """Number of classes of the labels; 0: no labels."""
    device: str
    """The device that the process must find. A card that is nearly full is hidden from it, for example."""


@dataclass(frozen=True)
class SelfTest:
    """The result of a self-test, as it is remembered."""

    title: str
    """What was tested, for messages."""
    device: str
    passed: bool
    """Whether XLA made the first step in time, and the same losses and weights as the plain graph."""
    reason: str
    """Why it failed; empty if it passed."""
    tested: str
    """Time of the test, UTC."""
    batch_size: int
    compile_seconds: float | None = None
    """Duration of the first train steps with XLA, compilation included."""
    plain_ms: float | None = None
    """Median duration of a step with the plain graph, in milliseconds."""
    xla_ms: float | None = None
    """Median duration of a step with XLA, in milliseconds."""
    loss_difference: float | None = None
    weight_difference: float | None = None
    conclusive: bool = True
    """Whether the result is about XLA. False: the test itself was not possible, which is not remembered."""

    def __post_init__(self) -> None:
        if self.passed and None in (self.compile_seconds, self.plain_ms, self.xla_ms):
            raise InputError("An incomplete result", expected="durations of a test that passed", received="none")

    @property
    def is_faster(self) -> bool:
        """Whether XLA was correct, and faster by the ratio `FASTER`."""
        return self.passed and (self.plain_ms or 0.0) >= FASTER * (self.xla_ms or 0.0)

    def describe(self) -> str:
        """Returns the result in one line."""
        if not self.passed:
            return f"failed: {self.reason}" if self.conclusive else f"was not possible: {self.reason}"
        speed = f"{self.plain_ms:.3g} ms a step without XLA, {self.xla_ms:.3g} ms with it"
        return f"passed; {speed}; {self.compile_seconds:.0f} s to compile"


def self_test(
    gan: keras.Model, *, title: str = "this network", batch_size: int = BATCH_SIZE, limit: float = LIMIT
) -> SelfTest:
    """Tests in another process whether XLA compiles the train step of a compiled GAN. The GAN does not change.

    The process builds the same networks with new weights, makes a few steps with the plain graph and the same steps
    with XLA, compares logs and weights, and measures the speed of both. It is killed if its steps with XLA, which
    includes compilation, take longer than `limit` seconds, and if this process ends. If anything fails, the result says
    what; nothing is raised.

    Args:
        gan: the GAN, compiled.
        title: what is tested, for messages.
        batch_size: real images of a D update.
        limit: seconds that the first steps with XLA may take; > 0.
    """
    check_positive("limit", limit)
    try:
        found = _tested(gan, batch_size, limit)
    except (OSError, *NOT_SAVED) as error:
        found = {"failure": runtime.reason_of(error), "conclusive": False}
    failure = found.pop("failure", None)
    return SelfTest(
        title=title,
        device=runtime.device_name(),
        passed=failure is None,
        reason=failure or "",
        tested=datetime.now(UTC).isoformat(timespec="seconds"),
        batch_size=batch_size,
        **found,
    )


def _tested(gan: keras.Model, batch_size: int, limit: float) -> dict[str, Any]:
    """Returns fields of `SelfTest` that the other process has measured, and `failure` if the test failed."""
    if keras.saving.get_registered_name(type(gan)) != "gan>GAN":
        return {"failure": f"only a GAN is tested, not its subclass {type(gan).__name__}", "conclusive": False}
    with tempfile.TemporaryDirectory(prefix="gan-self-test-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        files.write_json(folder / TRIAL, as_json(trial(gan, batch_size)))
        reason = _run_child(folder, limit)
        found: Any = files.read_json(folder / RESULT) if (folder / RESULT).exists() else {}
        if reason is None and not found:
            reason = "the process ended without a result"
        if reason is None or "failure" in found:
            return dict(found)
        return {**found, "failure": reason, "conclusive": _phase(folder) in ABOUT_XLA}


def trial(gan: keras.Model, batch_size: int) -> Trial:
    """Returns what the other process builds to test a GAN."""
    compiled = {**gan.get_compile_config(), "metrics": [], "jit_compile": False, "steps_per_execution": 1}
    del compiled["g_optimizer"], compiled["d_optimizer"]
    shape = (batch_size * gan.critic_steps, *gan.generator.output_shape[1:])
    return Trial(gan.get_config(), compiled, shape, NetworkInputs.of(gan.generator).num_classes, runtime.device_name())


def _run_child(folder: Path, limit: float) -> str | None:
    """Runs the other process to its end or its limit. Returns why it failed, or None."""
    command, environment = python_module(PROCESS, str(folder))
    with (folder / _OUTPUT).open("wb") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # ends with this process, and the other one notices that
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,  # a compiler that it starts ends with it
        )
        try:
            phase, began = "", time.monotonic()
            while True:
                with suppress(subprocess.TimeoutExpired):
                    child.wait(0.05)
                    break
                now = _phase(folder)
                if now != phase:
                    phase, began = now, time.monotonic()
                allowed = limit if phase == COMPILE else START_LIMIT
                if time.monotonic() - began > allowed:
                    return f"{phase or 'the start'} took more than {allowed:g} s"
        finally:
            kill(child)
    if child.returncode == 0:
        return None
    said = (folder / _OUTPUT).read_text(encoding="utf-8", errors="replace")
    return f"{_phase(folder) or 'the start'} ended the process {why_ended(child.returncode, said)}"


def _phase(folder: Path) -> str:
    try:
        return (folder / PHASE).read_text(encoding="utf-8")
    except OSError:
        return ""
