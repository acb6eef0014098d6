"""Rows of `python -m benchmarks gpu` that check results. Each function runs in a child process."""

import math
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.gpu_data import load
from benchmarks.gpu_process import Refused, Report, run_row
from benchmarks.gpu_speed import REFERENCE_S, timed_config, with_xla
from benchmarks.runs import unwatched
from gan.config import PRESETS
from gan.errors import TrainingError, as_json
from gan.utils import tensorflow as runtime

if TYPE_CHECKING:
    import keras

    from gan.data.dataset import Dataset

CHECKED_STEPS, CHECKED_RATE = 20, 0.002
"""Number of SGD steps in the comparison with a CPU, and their learning rate.

At this rate, a change of the initial weights by 1e-6 of their size changed the losses by 4e-6 after 20 steps. At a rate
of 0.02 it changed them by 5e-3, so rounding would hide an error."""
TOLERANCE = 1e-3
"""Largest accepted difference of losses and weights after these steps."""
DISTANCE_TOLERANCE, SUM_TOLERANCE = 1e-2, 1e-12
"""Largest accepted relative differences of Frechet distances, and of a float64 sum."""
NO_GPU: Mapping[str, str] = MappingProxyType({"CUDA_VISIBLE_DEVICES": "-1"})
"""Variables of a process that computes the reference on the CPU."""
COMPARED = 2_000
"""Samples whose numbers are compared between the card and the CPU."""


def correctness(report: Report, *, dataset: str, jit: bool) -> None:
    """Compares 20 SGD steps of the preset `mnist` with the plain graph on the CPU: losses and weights.

    The verdict is that of true float32. With a GPU, the products of float32 matrices use TF32 by default, whose
    difference is reported as well.
    """
    from concurrent.futures import ThreadPoolExecutor

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as other:
        path = Path(folder) / "cpu.npz"
        reference = other.submit(_on_cpu, "trajectory", {"dataset": dataset, "path": str(path)})
        runtime.start(seed=0)
        import tensorflow as tf

        data, on_gpu = load(dataset), bool(tf.config.list_physical_devices("GPU"))
        tf.config.experimental.enable_tensor_float_32_execution(False)
        report.stage(f"{CHECKED_STEPS} steps")
        mine = _trajectory(data, jit=jit)
        report.stage("reference on the CPU")
        reference.result()
        with np.load(path) as loaded:
            theirs = dict(loaded)
    different = _differences(mine, theirs)
    passed = max(different.values()) <= TOLERANCE
    details = ", ".join(f"{name} differ by {value:.1g}" for name, value in different.items())
    found = f"{CHECKED_STEPS} steps of SGD, float32: {details}; weights moved by {float(theirs['moved']):.2g}"
    report.note(different=different, passed=passed, details=found)
    if on_gpu:
        report.stage("TF32")
        tf.config.experimental.enable_tensor_float_32_execution(True)
        rounded = _differences(_trajectory(data, jit=jit), theirs)
        details = ", ".join(f"{name} by {value:.1g}" for name, value in rounded.items())
        report.note(different_tf32=rounded, details=f"{found}. With TF32: {details}")


def trajectory(report: Report, *, dataset: str, path: str) -> None:
    """Writes the losses and weights of the plain graph to a file."""
    runtime.start(seed=0)
    np.savez(path, **_trajectory(load(dataset), jit=False))  # type: ignore[arg-type]


def _trajectory(dataset: "Dataset", *, jit: bool) -> dict[str, np.ndarray]:
    """Returns the losses of each SGD step of the preset `mnist`, all weights after them, and how far these moved.

    The initial weights are NumPy's, because initializers may draw other numbers on another device.
    """
    import keras

    from gan.models.build import build_gan

    config = replace(PRESETS["mnist"], precision="float32")
    with runtime.precision("float32"):
        gan = build_gan(config, dataset)
    rng = np.random.default_rng(0)
    for network in (gan.generator, gan.discriminator):
        for weight in network.trainable_variables:
            if len(weight.shape) > 1:
                fan_in = math.prod(weight.shape[:-1])
                weight.assign(rng.normal(0.0, fan_in**-0.5, weight.shape).astype(np.float32))
    gan.generator_ema.set_weights(gan.generator.get_weights())
    trained = [*gan.generator.trainable_variables, *gan.discriminator.trainable_variables]
    before = [np.array(weight) for weight in trained]
    options = config.optimization
    gan.compile(*(keras.optimizers.SGD(CHECKED_RATE) for _ in range(2)), jit_compile=jit)
    losses: list[list[float]] = []

    class Keep(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            losses.append([float(value) for name, value in sorted((logs or {}).items()) if name.endswith("loss")])

    batches = dataset.train.batches(options.batch_size, steps=CHECKED_STEPS, seed=0, reshuffle_each_iteration=False)
    with with_xla(gan, jit):
        gan.fit(batches, callbacks=[Keep()], verbose=0, shuffle=False)
    return {
        "losses": np.array(losses, np.float64),
        "moved": np.array(max(np.max(np.abs(weight - old)) for weight, old in zip(trained, before))),
        "weights": _flat(gan.generator, gan.discriminator),
        "averaged weights": _flat(gan.generator_ema),
    }


def _flat(*networks: "keras.Model") -> np.ndarray:
    return np.concatenate([np.ravel(weight) for network in networks for weight in network.get_weights()])


def _differences(mine: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Returns the largest absolute difference of each array; infinity for NaN."""
    found = {}
    for name in theirs:
        if name != "moved":
            largest = float(np.max(np.abs(mine[name] - theirs[name])))
            found[name] = largest if math.isfinite(largest) else 1e308
    return found


def _on_cpu(kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Runs a function of `KINDS` in another process that sees no GPU. Returns what it measured."""
    ended = run_row(kind, options, limit_s=REFERENCE_S, environment=NO_GPU, own_group=False)
    if ended.failed:
        raise Refused(f"the reference on the CPU failed: {ended.failed}")
    return ended.values


def evaluate(report: Report, *, dataset: str) -> None:
    """Compares the numbers of an evaluation with those that the CPU computes, and a float64 sum with an exact one."""
    found = _on_cpu("judged", {"dataset": dataset})
    report.stage("numbers")
    theirs: dict[str, float] = found["numbers"]
    mine = _judged(dataset)
    apart = {name: _relative(mine[name], theirs[name]) for name in theirs}
    numbers = np.random.default_rng(0).normal(size=1_000_000)
    exact, added = math.fsum(numbers), _device_sum(numbers)
    distances = [name for name in apart if name in ("frechet_distance", "floor")]
    others = max(apart[name] for name in apart if name not in distances)
    passed = max(apart[name] for name in distances) <= DISTANCE_TOLERANCE and _relative(added, exact) <= SUM_TOLERANCE
    report.note(
        numbers=mine,
        numbers_on_cpu=theirs,
        sum_differs=_relative(added, exact),
        passed=passed,
        details=f"Frechet distance {mine['frechet_distance']:.6g}, on the CPU {theirs['frechet_distance']:.6g}; floor "
        f"{mine['floor']:.6g}, {theirs['floor']:.6g}; other numbers differ by {100 * others:.2g} % at most; a float64 "
        f"sum by {_relative(added, exact):.0e}",
    )


def judged(report: Report, *, dataset: str) -> None:
    """Evaluates the pretrained generator `mnist` on this process's device."""
    report.note(numbers=_judged(dataset))


def _judged(dataset: str) -> dict[str, float]:
    runtime.start()
    from benchmarks.judge import Judge
    from gan import load_generator
    from gan.evaluation.classifier.extractor import load_classifier

    data = load(dataset)
    num = min(COMPARED, len(data.test), len(data.validation))
    judge = Judge.of(data, load_classifier("mnist-classifier")[0], num=num)
    found = judge.numbers(load_generator("mnist"))
    return {"floor": judge.floor.mean, **{name: value for name, value in found.items() if value is not None}}


def _device_sum(numbers: np.ndarray) -> float:
    import tensorflow as tf

    return float(tf.reduce_sum(tf.constant(numbers)))


def _relative(mine: float, theirs: float) -> float:
    return abs(mine - theirs) / max(abs(theirs), 1e-12)


def deterministic(report: Report, *, dataset: str) -> None:
    """Trains twice with deterministic kernels, and once with an interruption: are the weights bit-identical?"""
    runtime.start(seed=0, deterministic=True)
    from gan import load_generator
    from gan.training.train import resume, train

    config = unwatched(PRESETS["mnist"], dataset=dataset, seed=0, images=None, eval_every=None)
    batch = config.optimization.batch_size
    half, whole = CHECKED_STEPS * batch, 2 * CHECKED_STEPS * batch
    options = replace(config.optimization, images=whole, learning_rate_end=1.0)
    config = replace(config, optimization=options, eval_every=half, deterministic=True, precision="float32", jit="off")
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for number in range(2):
            report.stage(f"run {number + 1}")
            found.append(_bytes(load_generator(train(config, output=Path(folder) / str(number)).folder)))
        same = found[0] == found[1]
        report.note(same_runs=same)
        report.stage("first half")
        shorter = replace(config, optimization=replace(options, images=half))
        run = train(shorter, output=Path(folder) / "resumed")
        report.stage("resumed half")
        resumed = found[0] == _bytes(load_generator(resume(run.folder, images=whole).folder))
    said = [f"two runs are {_not(same)}bit-identical", f"a resumed run is {_not(resumed)}bit-identical to them"]
    report.note(same_resumed=resumed, passed=same and resumed, details="; ".join(said))


def deterministic_xla(report: Report, *, dataset: str) -> None:
    """Makes the steps of `correctness` twice with XLA, and the flag of its environment: are they bit-identical?"""
    runtime.start(seed=0)
    data = load(dataset)
    report.stage("first steps")
    found = []
    for _ in range(2):
        arrays = _trajectory(data, jit=True)
        found.append(b"".join(arrays[name].tobytes() for name in sorted(arrays)))
    same = found[0] == found[1]
    report.note(passed=same, details=f"two times {CHECKED_STEPS} steps are {_not(same)}bit-identical")


def _not(holds: bool) -> str:
    return "" if holds else "not "


def self_test(report: Report, *, dataset: str, preset: str) -> None:
    """Runs the self-test of XLA that `gan train` relies on, in its own process. Its result is not remembered."""
    runtime.start(seed=0)
    from benchmarks import loops
    from gan.models import self_test as tested

    config = timed_config(preset, dataset, PRESETS[preset].optimization.batch_size, "float32")
    gan = loops.compile_for_run(config, load(dataset), jit_compile=False)
    report.stage("the self-test")
    found = tested.self_test(gan, title=preset, batch_size=config.optimization.batch_size)
    report.note(self_test=as_json(found), passed=found.passed, details=f"gan doctor --test-jit: {found.describe()}")


def _bytes(generator: "keras.Model") -> bytes:
    return b"".join(np.ascontiguousarray(weight).tobytes() for weight in generator.get_weights())


def finite_losses(report: Report, *, dataset: str, jit: bool) -> None:
    """Makes D's weights NaN after the first step. Does the run end at step 2, with a message that says so?"""
    runtime.start(seed=0)
    import keras

    from benchmarks import loops
    from gan.training.callbacks import FiniteLosses

    class Poison(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            weight = self.model.discriminator.trainable_variables[0]
            weight.assign(np.full(weight.shape, np.nan, np.float32))

    config, data = timed_config("mnist", dataset, 8, "float32"), load(dataset)
    config = replace(config, optimization=replace(config.optimization, steps_per_execution=1))
    gan = loops.compile_for_run(config, data, jit_compile=jit)
    report.stage("steps")
    said = "no error"
    with with_xla(gan, jit):
        try:
            gan.fit(data.train.batches(8, steps=4), callbacks=[FiniteLosses(), Poison()], verbose=0, shuffle=False)
        except TrainingError as error:
            said = str(error)
    report.note(passed="NaN" in said and "step 2" in said, details=f"NaN in step 2: {said}")
