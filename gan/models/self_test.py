"""Tests in another process whether XLA compiles a train step correctly, in time and to a faster program.

The result is remembered in the user's cache folder, for this device, these versions and this network. It decides
whether XLA is on by default. The other process runs `gan.models.self_test_process`.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import keras
import platformdirs
import tensorflow as tf

from gan.config import Jit
from gan.errors import InputError, Json, Positive, Whole, as_json, check_positive, convert
from gan.models.networks.inputs import NetworkInputs
from gan.models.networks.inspect import layers_of
from gan.saving import files
from gan.utils import tensorflow as runtime

STEPS = 4
"""Train steps that are compared. The first one contains the lazy penalties, the others do not."""
LIMIT = 60.0
"""Seconds that the first `STEPS` train steps with XLA may take, compilation included."""
START_LIMIT = 120.0
"""Seconds that each other part of the test may take, such as the import of TensorFlow and the plain steps."""

FASTER = 1.05
"""Ratio of the median durations of a step, plain to XLA, from which on XLA counts as faster."""

TRIAL, PHASE, RESULT, _OUTPUT = "trial.json", "phase", "result.json", "output.txt"
ON_CPU = "on a CPU, XLA makes convolutions many times slower"
PROCESS = "gan.models.self_test_process"
COMPILE = "the first steps with XLA"


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
    """Duration of the first `STEPS` train steps with XLA, compilation included."""
    plain_ms: float | None = None
    """Median duration of a step with the plain graph, in milliseconds."""
    xla_ms: float | None = None
    """Median duration of a step with XLA, in milliseconds."""
    loss_difference: float | None = None
    weight_difference: float | None = None

    @property
    def is_faster(self) -> bool:
        """Whether XLA was correct, and faster by the ratio `FASTER`."""
        return self.passed and bool(self.plain_ms and self.xla_ms and self.plain_ms / self.xla_ms >= FASTER)

    def describe(self) -> str:
        """Returns the result in one line."""
        if not self.passed:
            return f"failed: {self.reason}"
        speed = f"{self.plain_ms:.3g} ms a step without XLA, {self.xla_ms:.3g} ms with it"
        return f"passed; {speed}; {self.compile_seconds:.0f} s to compile"


class Decision(NamedTuple):
    """Whether XLA compiles the train step, and why."""

    on: bool
    reason: str


def decide(
    gan: keras.Model,
    requested: Jit,
    *,
    title: str = "this network",
    batch_size: int = 64,
    log: Callable[[str], None] = warnings.warn,
) -> Decision:
    """Decides whether XLA compiles the train step of a compiled GAN.

    Args:
        gan: the GAN.
        requested: "off": XLA is off. "auto": XLA is on where a remembered self-test passed and was faster, and never
            on a CPU. "on": XLA is on if the self-test passes. It runs now unless its result is remembered.
        title: what is trained, for the remembered result.
        batch_size: real images of a D update in the self-test.
        log: prints a line when a self-test starts, and when XLA was requested but is off.
    """
    if requested == "off":
        return Decision(False, "it was turned off")
    reason = obstacle(gan)
    if requested == "auto":
        if not runtime.gpu_names():
            return Decision(False, ON_CPU)
        if reason is not None:
            return Decision(False, reason)
        found = remembered(gan)
        if found is None:
            return Decision(False, f"no self-test of {title} on this device; gan doctor --test-jit PRESET runs one")
        if not found.is_faster:
            return Decision(False, f"the self-test {'was not faster' if found.passed else found.describe()}")
        return Decision(True, f"the self-test {found.describe()}")
    if reason is not None:
        log(f"XLA is off: {reason}")
        return Decision(False, reason)
    found = remembered(gan)
    if found is None:
        log(f"testing XLA in another process, where compilation may take {LIMIT:.0f} s; --jit off skips the test")
        found = self_test(gan, title=title, batch_size=batch_size)
        remember(gan, found, log)
    if not found.passed:
        log(f"XLA is off: the self-test of {found.tested[:10]} {found.describe()}; gan doctor --test-jit repeats it")
    return Decision(found.passed, f"the self-test {found.describe()}")


def obstacle(gan: keras.Model) -> str | None:
    """Returns in a few words why XLA cannot compile the train step of a GAN in this process; None: it can."""
    replicas = gan.distribute_strategy.num_replicas_in_sync
    if replicas > 1:
        return f"{replicas} replicas, which exchange gradients outside of XLA"
    networks = [gan.generator, gan.discriminator, *([gan.augment] if gan.augment else [])]
    without = [layer.name for network in networks for layer in layers_of(network) if not layer.supports_jit]
    if without:
        return f"layers that XLA does not support: {', '.join(without)}"
    before = gan.jit_compile
    with warnings.catch_warnings():  # Keras turns XLA off again, with a warning
        warnings.simplefilter("ignore")
        gan.jit_compile = True
    refused = not gan.jit_compile
    gan.jit_compile = before
    return "deterministic kernels, which Keras does not use with XLA" if refused else None


# --- the memory


def cache_folder() -> Path:
    """Returns the folder of remembered results: `self-tests` in the user's cache folder (XDG_CACHE_HOME on Linux)."""
    return Path(platformdirs.user_cache_dir("gan-reference", appauthor=False)) / "self-tests"


def subject(gan: keras.Model) -> dict[str, Json]:
    """Returns what the result of a self-test depends on: device, versions, flags, and a hash of the network."""
    build = tf.sysconfig.get_build_info()
    return {
        "device": runtime.device_name(),
        "versions": {
            **{name: runtime.installed_version(name) for name in ("tensorflow", "keras")},
            **{name: str(build.get(name)) for name in ("cuda_version", "cudnn_version")},
        },
        "flags": {name: os.environ.get(name, "") for name in ("XLA_FLAGS", "TF_XLA_FLAGS")},
        "network": network_hash(gan),
    }


def network_hash(gan: keras.Model) -> str:
    """Returns a hash of the train step's structure: layers, precision, loss, penalties, kinds of optimizers.

    Weights, learning rates and the automatic names of layers do not change it.
    """
    config = gan.get_compile_config()
    loss = {name: config[name] for name in ("loss", "penalties", "critic_steps", "simultaneous", "mismatched_labels")}
    optimizers = [type(optimizer).__name__ for optimizer in (gan.g_optimizer, gan.d_optimizer)]
    networks = gan.get_config()
    parts = {name: networks[name] for name in ("generator", "discriminator", "augment")}
    text = json.dumps([_without_names(parts), loss, optimizers], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _without_names(config: Any) -> Any:
    """Returns the configuration of models with the numbers of layers in place of their names."""
    numbers: dict[str, str] = {}

    def collect(part: Any) -> None:
        if isinstance(part, Mapping):
            inner: Any = part.get("config")
            is_layer = isinstance(inner, Mapping) and part.get("class_name") != "DTypePolicy"  # its name is a precision
            if is_layer and isinstance(inner.get("name"), str):
                numbers.setdefault(inner["name"], f"#{len(numbers)}")
            for value in part.values():
                collect(value)
        elif isinstance(part, (list, tuple)):
            for value in part:
                collect(value)

    def renamed(part: Any) -> Any:
        if isinstance(part, Mapping):
            return {name: renamed(value) for name, value in part.items()}
        if isinstance(part, (list, tuple)):
            return [renamed(value) for value in part]
        return numbers.get(part, part) if isinstance(part, str) else part

    collect(config)
    return renamed(config)


_NOT_SAVED = (TypeError, ValueError, NotImplementedError, AttributeError)
"""Errors of layers whose configuration Keras cannot save."""


def _file(gan: keras.Model) -> Path:
    key = hashlib.sha256(json.dumps(subject(gan), sort_keys=True).encode()).hexdigest()
    return cache_folder() / f"{key[:32]}.json"


def remembered(gan: keras.Model) -> SelfTest | None:
    """Returns the remembered result for a GAN on this device; None if there is none, or its file is damaged."""
    try:
        return _read(_file(gan))
    except _NOT_SAVED:
        return None


def all_remembered() -> list[SelfTest]:
    """Returns all remembered results, the newest first."""
    found = [_read(path) for path in cache_folder().glob("*.json")]
    return sorted(filter(None, found), key=lambda one: one.tested, reverse=True)


def _read(path: Path) -> SelfTest | None:
    try:
        content = files.read_json(path)
        return convert(content["result"], SelfTest, path) if isinstance(content, dict) and "result" in content else None
    except (OSError, InputError):
        return None


def remember(gan: keras.Model, result: SelfTest, log: Callable[[str], None]) -> None:
    """Remembers the result of a self-test. Logs a line if the cache folder cannot be written."""
    try:
        path = _file(gan)
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_json(path, {"subject": subject(gan), "result": as_json(result)})
    except (OSError, *_NOT_SAVED) as error:
        log(f"the result of the self-test cannot be remembered: {error}")


# --- the process that tests


def self_test(gan: keras.Model, *, title: str = "this network", batch_size: int = 64, limit: float = LIMIT) -> SelfTest:
    """Tests in another process whether XLA compiles the train step of a compiled GAN. The GAN does not change.

    The process builds the same networks with new weights, makes `STEPS` steps with the plain graph and the same steps
    with XLA, compares losses and weights, and measures the speed of both. It is killed if its steps with XLA, which
    includes compilation, take longer than `limit` seconds. If anything fails, the result says what; nothing is raised.

    Args:
        gan: the GAN, compiled.
        title: what is tested, for messages.
        batch_size: real images of a D update.
        limit: seconds that the first steps with XLA may take; > 0.
    """
    check_positive("limit", limit)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="gan-self-test-") as name:
        folder = Path(name)
        try:
            files.write_json(folder / TRIAL, as_json(trial(gan, batch_size)))
            reason = _run_child(folder, limit)
            if (folder / RESULT).exists():
                found = dict(json.loads((folder / RESULT).read_text(encoding="utf-8")))
        except (OSError, *_NOT_SAVED) as error:
            reason = runtime.reason_of(error)
    failure = found.pop("failure", None) or reason
    return SelfTest(
        title=title,
        device=runtime.device_name(),
        passed=failure is None,
        reason=failure or "",
        tested=datetime.now(UTC).isoformat(timespec="seconds"),
        batch_size=batch_size,
        **found,
    )


def trial(gan: keras.Model, batch_size: int) -> Trial:
    """Returns what the other process builds to test a GAN."""
    compiled = {**gan.get_compile_config(), "metrics": [], "jit_compile": False, "steps_per_execution": 1}
    del compiled["g_optimizer"], compiled["d_optimizer"]
    shape = (batch_size * gan.critic_steps, *gan.generator.output_shape[1:])
    return Trial(gan.get_config(), compiled, shape, NetworkInputs.of(gan.generator).num_classes)


def _run_child(folder: Path, limit: float) -> str | None:
    """Runs the other process to its end or its limit. Returns why it failed, or None."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with (folder / _OUTPUT).open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", PROCESS, str(folder)],
            stdin=subprocess.DEVNULL,
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
            _end(child)
    if child.returncode == 0:
        return None
    lines = (folder / _OUTPUT).read_text(encoding="utf-8", errors="replace").split("\n")
    said = next((line.strip() for line in reversed(lines) if line.strip()), "no message")
    ended = f"signal {-child.returncode}" if child.returncode < 0 else f"exit status {child.returncode}"
    return f"{_phase(folder) or 'the start'} ended the process ({ended}): {runtime.reason_of(RuntimeError(said))}"


def _phase(folder: Path) -> str:
    try:
        return (folder / PHASE).read_text(encoding="utf-8")
    except OSError:
        return ""


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Kills the process and those that it started."""
    if os.name == "posix":
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    elif child.poll() is None:
        child.kill()
    with suppress(subprocess.TimeoutExpired):  # one that waits for a driver may never end
        child.wait(10)
