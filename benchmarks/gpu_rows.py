"""What each row of `python -m benchmarks gpu` measures. Runs in a child process: python -m benchmarks.gpu_rows."""

import math
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.gpu_process import Refused, Report, measure_row, run_row
from benchmarks.runs import SCHEDULED, images_per_step, unwatched
from benchmarks.summary import format_spread
from gan.config import PRESETS, TrainConfig
from gan.errors import InputError, TrainingError, as_json
from gan.utils import tensorflow as runtime

if TYPE_CHECKING:
    import keras

    from gan.data.dataset import Dataset
    from gan.models.gan import GAN

ROUNDS = 3
"""Measurements of each loop, unless a single execution of the graph takes longer than asked."""
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
REFERENCE_S = 300.0
FLOORS = (3.0, 1.5)
"""Frechet distances, in floors, whose training time is measured."""
EVALUATED = 10_000
"""Samples in each of the 20 evaluations of a run."""
COMPARED = 2_000
"""Samples whose numbers are compared between the card and the CPU."""
LONGEST_SAMPLING_S = 15.0
PRODUCT_SIZES = {"GPU": 8_192, "CPU": 2_048}


def device(report: Report, dataset: str) -> None:
    """Finds the devices, their driver and the versions. Reads the dataset, so that it is prepared."""
    runtime.start()
    import tensorflow as tf

    from gan.data.load import load_dataset
    from gan.utils import gpu

    facts = gpu.read_facts()
    build = tf.sysconfig.get_build_info()
    report.note(
        gpus=runtime.gpu_names(),
        cards=[as_json(card) for card in facts.cards],
        summary=gpu.diagnose(facts).summary,
        driver=facts.driver,
        driver_cuda=gpu.dotted(facts.driver_cuda),
        cudnn=_cudnn(),
        build={name: build.get(name) for name in ("cuda_version", "cudnn_version", "is_cuda_build")},
        torch=runtime.installed_version("torch") if find_spec("torch") else None,
        auto_precision=runtime.auto_precision()[0],
    )
    try:
        load_dataset(dataset, fallback="none")
    except InputError as error:
        report.note(no_dataset=str(error))


def _cudnn() -> int | None:
    """Returns the version of the cuDNN library that is found at run time, such as 90300. None: not found."""
    import ctypes

    try:
        version = ctypes.CDLL("libcudnn.so.9").cudnnGetVersion
    except (OSError, AttributeError):
        return None
    version.restype = ctypes.c_size_t
    return int(version())


def _on_cpu(kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Runs a function of `KINDS` in another process that sees no GPU. Returns what it measured."""
    ended = run_row(kind, options, limit_s=REFERENCE_S, environment=NO_GPU, own_group=False)
    if ended.failed:
        raise Refused(f"the reference on the CPU failed: {ended.failed}")
    return ended.values


def steps(
    report: Report,
    *,
    dataset: str,
    preset: str,
    batch_size: int,
    jit: bool,
    precision: str,
    programs: int | None,
    deterministic: bool,
    seconds: float,
) -> None:
    """Measures the steps of `fit`, as in a training run: steps/s, images/s, and seconds of the first execution."""
    report.stage("imports")
    runtime.start(seed=0, deterministic=deterministic)
    from benchmarks import loops
    from gan.models import xla

    if programs is not None:
        xla.MOST_PROGRAMS = programs
    config, data = _timed_config(preset, dataset, batch_size, precision), _load(dataset)
    gan = loops.compile_for_run(config, data, jit_compile=jit)
    run = loops.fit_runner(gan, config, data)
    _measure(report, run, config.optimization.steps_per_execution, images_per_step(config), seconds, gan, jit)
    report.note(memory_megabytes=_memory_megabytes())


def cached_steps(report: Report, *, flags: Mapping[str, str], **options: Any) -> None:
    """Measures steps in two processes that share a cache of XLA: `{cache}` in the flags. The second one counts."""
    first_seconds: list[float] = []
    with tempfile.TemporaryDirectory() as cache:
        environment = {name: text.replace("{cache}", cache) for name, text in flags.items()}
        for process in ("first", "second"):
            report.stage(f"the {process} process with the cache")
            ended = run_row("steps", options, limit_s=REFERENCE_S, environment=environment, own_group=False)
            if ended.failed:
                raise Refused(f"the {process} process with the cache: {ended.failed}")
            first_seconds.append(ended.values["first_seconds"])
            report.note(details=f"first steps of the first process {first_seconds[0]:.1f} s")
    report.note(**ended.values, first_seconds_of_processes=first_seconds)


def _measure(
    report: Report,
    run: Callable[[int], None],
    multiple: int,
    images: int,
    seconds: float,
    gan: "GAN | None" = None,
    jit: bool = False,
) -> None:
    report.stage(f"first {multiple} steps")
    with nullcontext() if gan is None else _with_xla(gan, jit):
        first = _seconds_of(run, multiple)
    report.note(first_seconds=first, images_per_step=images)
    report.stage("steps")
    once = _seconds_of(run, multiple)
    if once > seconds:
        taken, count = [once], multiple
    else:
        count = max(1, round(seconds / once)) * multiple
        taken = [_seconds_of(run, count) for _ in range(ROUNDS)]
    rates = [count / one for one in taken]
    report.note(steps_per_second=rates, steps=count)


def _seconds_of(run: Callable[[int], None], steps: int) -> float:
    began = time.perf_counter()
    run(steps)
    return time.perf_counter() - began


def _timed_config(preset: str, dataset: str, batch_size: int, precision: str) -> TrainConfig:
    """Returns a preset whose learning rate hardly changes while its steps are measured."""
    config = unwatched(PRESETS[preset], dataset=dataset, seed=0, images=SCHEDULED, eval_every=None)
    return replace(
        config,
        optimization=replace(config.optimization, batch_size=batch_size),
        precision=precision,  # type: ignore[arg-type]
    )


def _load(dataset: str) -> "Dataset":
    from gan.data.load import load_dataset

    return load_dataset(dataset, fallback="none")


@contextmanager
def _with_xla(gan: "GAN", jit: bool) -> Iterator[None]:
    """Raises `Refused` if the GAN should be trained with XLA inside, and was not. Keeps warnings from stderr."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        yield
    if jit and not gan.jit_compile:
        raise Refused(next((str(one.message) for one in said if "XLA" in str(one.message)), "trained without XLA"))


def _memory_megabytes() -> float | None:
    """Returns the largest GPU memory that TensorFlow used. None: no GPU."""
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        return None
    return round(tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e6, 1)


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

        data, on_gpu = _load(dataset), bool(tf.config.list_physical_devices("GPU"))
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
    np.savez(path, **_trajectory(_load(dataset), jit=False))  # type: ignore[arg-type]


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
    with _with_xla(gan, jit):
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


def loops_in_turns(report: Report, *, dataset: str, preset: str, batch_size: int, seconds: float) -> None:
    """Measures `fit`, a bare loop of the same step, and the loop of the tutorial, in turns in one process."""
    runtime.start(seed=0)
    from benchmarks import loops

    config, data = _timed_config(preset, dataset, batch_size, "float32"), _load(dataset)
    report.stage("first steps")
    gan = loops.compile_for_run(config, data, jit_compile=False)
    fit = loops.fit_loop(gan, config, data)
    timed = {"fit": fit, "bare loop": loops.bare_loop(fit, gan, config, data), **loops.peers(preset, config, data)}
    first = {name: loops.seconds_of(loop, loop.multiple) for name, loop in timed.items()}
    report.note(first_seconds=first["fit"], images_per_step=fit.images)
    report.stage("steps")
    once = loops.seconds_of(fit, fit.multiple)
    rounds, count = (1, fit.multiple) if once > seconds else (ROUNDS, max(1, round(seconds / once)) * fit.multiple)
    rates: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(rounds):
        for name, loop in timed.items():
            rates[name].append(count / loops.seconds_of(loop, count))
    said = [f"{name} {format_spread(each, ',.1f')} steps/s" for name, each in rates.items() if name != "fit"]
    report.note(
        steps_per_second=rates["fit"], loops=rates, first_seconds_of=first, steps=count, details="; ".join(said)
    )


def torch_steps(report: Report, *, preset: str, batch_size: int, mode: str, seconds: float) -> None:
    """Measures the steps of the same networks, losses and lazy penalty in PyTorch."""
    report.stage("imports")
    from benchmarks import torch_peer

    kind, _, precision = mode.partition("-")
    report.stage("first steps")
    run = torch_peer.loop(preset, batch_size, graph=kind == "graph", bfloat16=precision == "bfloat16")
    _measure(report, run, 20, batch_size, seconds)
    report.note(details=torch_peer.description())


def products(report: Report, *, seconds: float) -> None:
    """Measures products of square matrices in float32, with and without TF32, and in bfloat16."""
    runtime.start()
    import tensorflow as tf

    from benchmarks import loops

    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    size = PRODUCT_SIZES["GPU" if on_gpu else "CPU"]
    found: dict[str, list[float]] = {}
    modes = {"float32": ("float32", False), "bfloat16": ("bfloat16", False)}
    if on_gpu:
        modes = {"TF32": ("float32", True), **modes}
    for name, (dtype, tf32) in modes.items():
        report.stage(name)
        tf.config.experimental.enable_tensor_float_32_execution(tf32)
        loop = loops.product_loop(size, dtype)
        loops.seconds_of(loop, 2)
        count = loops.steps_in(loop, seconds)
        found[name] = [2e-12 * size**3 * count / loops.seconds_of(loop, count) for _ in range(ROUNDS)]
        said = ", ".join(f"{known} {format_spread(rates, ',.3g')}" for known, rates in found.items())
        report.note(teraflops=found, size=size, details=f"TFLOP/s of {size:,} x {size:,} matrices: {said}")


def floors(report: Report, *, dataset: str, jit: bool, preset: str = "mnist") -> None:
    """Trains a preset at full length, and measures the training seconds to some Frechet distances.

    The distance is measured after each interval, with samples of the averaged generator. Its time does not count.
    """
    runtime.start(seed=0)
    import keras

    from benchmarks import loops
    from gan import sampling
    from gan.evaluation.classifier.extractor import Extractor, as_input, load_classifier
    from gan.evaluation.metrics import frechet_distance
    from gan.evaluation.reference import Reference, choose_labels, choose_subsets, limit_images
    from gan.models.networks.inputs import NetworkInputs
    from gan.training.callbacks import FiniteLosses
    from gan.training.loop import fit_intervals, make_schedule

    report.stage("reference")
    data = limit_images(_load(dataset))
    num = min(EVALUATED, len(data.test))
    extractor = Extractor(load_classifier("mnist-classifier")[0])
    chosen, asked = choose_subsets(data, num, 0), choose_labels(data, num, 0)
    reference = Reference(extractor, extractor.arrays(as_input(chosen.test.images)), as_input(data.train.images))
    floor = reference.floor(chosen.floor).mean
    target = _moments(reference.outputs["features"])
    config = unwatched(PRESETS[preset], dataset=dataset, seed=0, images=None, eval_every=None)
    config = replace(config, precision="float32")
    schedule = make_schedule(config, data)
    gan = loops.compile_for_run(config, data, jit_compile=jit)
    labels = asked if NetworkInputs.of(gan.generator).num_classes else None
    curve: list[dict[str, float]] = []
    spent, began = 0.0, time.perf_counter()

    class Evaluate(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            nonlocal spent
            now = time.perf_counter()
            samples = sampling.generate(self.model.generator_ema, num, labels=labels)
            distance = float(frechet_distance(*_moments(extractor.arrays(samples)["features"]), *target))
            curve.append(
                {
                    "images": int(self.model.images_seen),
                    "seconds": now - began - spent,
                    "in_floors": distance / floor,
                }
            )
            spent += time.perf_counter() - now
            report.note(floor=floor, num=num, curve=curve, details=_seconds_to_floors(curve))

    report.stage("training")
    with _with_xla(gan, jit):
        fit_intervals(gan, data, [FiniteLosses(), Evaluate()], schedule, seed=0)


def _moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    features = features.astype(np.float64)
    return features.mean(axis=0), np.cov(features, rowvar=False)


def _seconds_to_floors(curve: list[dict[str, float]]) -> str:
    """Returns the training seconds to each of `FLOORS`, at the first evaluation that reaches it."""
    parts = []
    for most in FLOORS:
        reached = next((one for one in curve if one["in_floors"] <= most), None)
        parts.append(f"{reached['seconds']:.1f} s to {most:g} floors" if reached else f"{most:g} floors not reached")
    last = curve[-1]
    return (
        f"{', '.join(parts)}; {last['in_floors']:.2f} floors after {last['images']:,} images, {last['seconds']:.1f} s"
    )


def sampling_rate(report: Report, *, num: int) -> None:
    """Measures the samples per second of the pretrained generator `mnist`, after the first batch."""
    runtime.start()
    from gan import load_generator, sampling

    generator = load_generator("mnist")
    report.stage("first batch")
    began = time.perf_counter()
    batches = sampling.stream(generator, num)
    first = len(next(batches))
    first_seconds, made, began = time.perf_counter() - began, 0, time.perf_counter()
    report.stage("samples")
    for batch in batches:
        made += len(batch)
        if time.perf_counter() - began > LONGEST_SAMPLING_S:
            break
    taken = time.perf_counter() - began
    report.note(
        first_seconds=first_seconds,
        samples=made,
        samples_per_second=made / taken,
        details=f"{made / taken:,.0f} samples/s: {made:,} samples in {taken:.1f} s, in batches of {first:,}",
    )


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

    data = _load(dataset)
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
    data = _load(dataset)
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

    config = _timed_config(preset, dataset, PRESETS[preset].optimization.batch_size, "float32")
    gan = loops.compile_for_run(config, _load(dataset), jit_compile=False)
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

    config, data = _timed_config("mnist", dataset, 8, "float32"), _load(dataset)
    config = replace(config, optimization=replace(config.optimization, steps_per_execution=1))
    gan = loops.compile_for_run(config, data, jit_compile=jit)
    report.stage("steps")
    said = "no error"
    with _with_xla(gan, jit):
        try:
            gan.fit(data.train.batches(8, steps=4), callbacks=[FiniteLosses(), Poison()], verbose=0, shuffle=False)
        except TrainingError as error:
            said = str(error)
    report.note(passed="NaN" in said and "step 2" in said, details=f"NaN in step 2: {said}")


KINDS: Mapping[str, Callable[..., None]] = MappingProxyType(
    {
        "device": device,
        "steps": steps,
        "cached_steps": cached_steps,
        "correctness": correctness,
        "trajectory": trajectory,
        "loops": loops_in_turns,
        "torch_steps": torch_steps,
        "products": products,
        "floors": floors,
        "sampling": sampling_rate,
        "evaluate": evaluate,
        "judged": judged,
        "deterministic": deterministic,
        "deterministic_xla": deterministic_xla,
        "self_test": self_test,
        "finite_losses": finite_losses,
    }
)
"""What can be measured in a child process, by name."""


if __name__ == "__main__":
    raise SystemExit(measure_row(KINDS, *sys.argv[1:]))
