"""Rows of `python -m benchmarks gpu` that measure speed. Each function runs in a child process."""

import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmarks.gpu_data import load
from benchmarks.gpu_process import Refused, Report, run_row
from benchmarks.runs import SCHEDULED, images_per_step, unwatched
from benchmarks.summary import format_spread
from gan.config import PRESETS, TrainConfig
from gan.utils import tensorflow as runtime

if TYPE_CHECKING:
    from gan.models.gan import GAN

ROUNDS = 3
"""Measurements of each loop, unless a single execution of the graph takes longer than asked."""
REFERENCE_S = 300.0
"""Time limit of a process that a row starts."""
LONGEST_SAMPLING_S = 15.0
PRODUCT_SIZES = {"GPU": 8_192, "CPU": 2_048}


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
    data_on_device: bool | None = None,
    steps_per_execution: int | None = None,
    layers: str | None = None,
) -> None:
    """Measures the steps of `fit`, as in a training run: steps/s, images/s, and seconds of the first execution.

    data_on_device: whether the images lie on the device. None: as in a training run.
    steps_per_execution: steps in one program. None: those of the preset.
    layers: "keras", "products" or None, as in `gpu_plan`.
    """
    report.stage("imports")
    runtime.start(seed=0, deterministic=deterministic)
    from benchmarks import loops
    from gan.models import xla
    from gan.models.networks import fast_layers

    if programs is not None:
        xla.MOST_PROGRAMS = programs
    fast_layers.PRODUCTS = layers == "products"
    if layers == "keras":
        fast_layers.SUBSTITUTES.clear()
    report.stage("data")
    data = load(dataset)
    report.stage("networks")
    config = timed_config(preset, dataset, batch_size, precision)
    if steps_per_execution is not None:
        config = replace(config, optimization=replace(config.optimization, steps_per_execution=steps_per_execution))
    gan = loops.compile_for_run(config, data, jit_compile=jit)
    if data_on_device is not None:
        gan.set_data_on_device(data_on_device)
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
    with nullcontext() if gan is None else with_xla(gan, jit):
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


def timed_config(preset: str, dataset: str, batch_size: int, precision: str) -> TrainConfig:
    """Returns a preset whose learning rate hardly changes while its steps are measured."""
    config = unwatched(PRESETS[preset], dataset=dataset, seed=0, images=SCHEDULED, eval_every=None)
    return replace(
        config,
        optimization=replace(config.optimization, batch_size=batch_size),
        precision=precision,  # type: ignore[arg-type]
    )


@contextmanager
def with_xla(gan: "GAN", jit: bool) -> Iterator[None]:
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


def loops_in_turns(report: Report, *, dataset: str, preset: str, batch_size: int, seconds: float) -> None:
    """Measures `fit`, a bare loop of the same step, and the loop of the tutorial, in turns in one process."""
    runtime.start(seed=0)
    from benchmarks import loops

    config, data = timed_config(preset, dataset, batch_size, "float32"), load(dataset)
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
