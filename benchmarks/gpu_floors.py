"""Rows of `python -m benchmarks gpu` that measure the training time to a quality. They run in a child process."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from benchmarks.gpu_data import load
from benchmarks.gpu_process import Report
from benchmarks.gpu_speed import with_xla
from benchmarks.runs import unwatched
from gan.config import PRESETS, TrainConfig
from gan.utils import tensorflow as runtime

FLOORS = (3.0, 1.5, 1.2)
"""Frechet distances, in floors, whose training time is measured."""
INTERVALS = 20
"""Evaluations of a run."""
EVALUATED = 10_000
"""Samples in each evaluation."""


def floors(report: Report, *, dataset: str, jit: bool, preset: str = "mnist", period: int | None = None) -> None:
    """Trains a preset at full length, and measures the training seconds to some Frechet distances.

    The distance is measured after each interval, with samples of the averaged generator. Neither its time counts nor
    that of the first execution of the graph, which compiles.

    period: intervals are whole multiples of so many steps, and each is one execution. None: as in a training run.
    """
    report.stage("imports")
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

    report.stage("data")
    data = limit_images(load(dataset))
    report.stage("reference")
    num = min(EVALUATED, len(data.test))
    extractor = Extractor(load_classifier("mnist-classifier")[0])
    chosen, asked = choose_subsets(data, num, 0), choose_labels(data, num, 0)
    reference = Reference(extractor, extractor.arrays(as_input(chosen.test.images)), as_input(data.train.images))
    floor = reference.floor(chosen.floor).mean
    target = _moments(reference.outputs["features"])
    config = unwatched(PRESETS[preset], dataset=dataset, seed=0, images=None, eval_every=None)
    config = replace(config, precision="float32")
    if period is not None:
        config = in_periods(config, len(data.train), period)
    schedule = make_schedule(config, data)
    gan = loops.compile_for_run(config, data, jit_compile=jit)
    labels = asked if NetworkInputs.of(gan.generator).num_classes else None
    curve: list[dict[str, float]] = []
    first_seconds, spent, began = 0.0, 0.0, time.perf_counter()

    class Evaluate(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            nonlocal first_seconds
            if not first_seconds:
                int(self.model.images_seen)  # waits for the device
                first_seconds = time.perf_counter() - began

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            nonlocal spent
            images = int(self.model.images_seen)  # waits for the device
            now = time.perf_counter()
            samples = sampling.generate(self.model.generator_ema, num, labels=labels)
            distance = float(frechet_distance(*_moments(extractor.arrays(samples)["features"]), *target))
            seconds = now - began - spent - first_seconds
            curve.append({"images": images, "seconds": seconds, "in_floors": distance / floor})
            spent += time.perf_counter() - now
            report.note(
                floor=floor, num=num, curve=curve, first_seconds=first_seconds, details=describe_curve(curve, FLOORS)
            )

    report.stage("training")
    with with_xla(gan, jit):
        fit_intervals(gan, data, [FiniteLosses(), Evaluate()], schedule, seed=0)


def in_periods(config: TrainConfig, training_images: int, period: int) -> TrainConfig:
    """Returns a configuration whose 20 intervals, more or less, are multiples of `period` steps and one execution each.

    The length is that of `config`, rounded to whole intervals.
    """
    total = config.optimization.total_steps(training_images)
    interval = period * max(1, round(total / INTERVALS / period))
    count = max(1, round(total / interval))
    steps = {"steps": count * interval, "epochs": None, "steps_per_execution": interval}
    options = replace(config.optimization, **steps)  # type: ignore[arg-type]
    return replace(config, optimization=options, eval_every=interval * options.batch_size * options.critic_steps)


def _moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    features = features.astype(np.float64)
    return features.mean(axis=0), np.cov(features, rowvar=False)


def seconds_to(curve: Sequence[Mapping[str, float]], most: float) -> float | None:
    """Returns the training seconds at the first evaluation with at most so many floors. None: there is none."""
    return next((one["seconds"] for one in curve if one["in_floors"] <= most), None)


def describe_curve(curve: Sequence[Mapping[str, float]], floors: Sequence[float]) -> str:
    """Describes the training seconds to each number of floors, and the last evaluation."""
    parts = []
    for most in floors:
        seconds = seconds_to(curve, most)
        parts.append(f"{most:g} floors not reached" if seconds is None else f"{seconds:.1f} s to {most:g} floors")
    last = curve[-1]
    return (
        f"{', '.join(parts)}; {last['in_floors']:.2f} floors after {last['images']:,} images, {last['seconds']:.1f} s"
    )
