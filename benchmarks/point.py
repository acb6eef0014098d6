"""One point of a benchmark of growth: a train step of some size, measured in a process that does nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from benchmarks import memory
from benchmarks.loops import bare_loop, compiled, fit_loop, seconds_of, steps_in
from benchmarks.runs import SCHEDULED, images_per_step, unwatched
from gan import runtime
from gan.config import PRESETS, TrainConfig
from gan.data import Dataset

SIDE = 32
"""Of images where it is not the size that grows."""
LABELS = 10


def _batch(config: TrainConfig, value: int) -> TrainConfig:
    return replace(config, optimization=replace(config.optimization, batch_size=value))


def _width(config: TrainConfig, value: int) -> TrainConfig:
    return replace(config, model=replace(config.model, g_width=value, d_width=value))


def _size(config: TrainConfig, value: int) -> TrainConfig:
    return replace(config, data=replace(config.data, image_size=str(value)))


AXES: Mapping[str, Callable[[TrainConfig, int], TrainConfig]] = MappingProxyType(
    {"batch": _batch, "width": _width, "size": _size}
)
"""What a value changes in a configuration, by axis."""


def config_of(preset: str, axis: str, value: int) -> TrainConfig:
    """The configuration of a point. Raises `InputError` for a value that no configuration has."""
    config = unwatched(PRESETS[preset], dataset="noise", seed=0, images=SCHEDULED, eval_every=None)
    return AXES[axis](_size(config, SIDE), value)


def noise(config: TrainConfig) -> Dataset:
    """Grey images of noise, of a configuration's size, with labels, enough for a batch."""
    count = max(images_per_step(config), LABELS)
    rng = np.random.default_rng(0)
    shape = config.data.height_and_width or (SIDE, SIDE)
    images = rng.integers(0, 256, (count, *shape, 1), dtype=np.uint8)
    labels = np.arange(count) % LABELS
    return Dataset.from_arrays(images, labels, validation=(images, labels), test=(images, labels), name="noise")


def measured(config: TrainConfig, seconds: float) -> dict[str, Any]:
    """{"seconds_per_step", "steps", "first_seconds", "images_per_step", "flops_per_step", "megabytes"} of a train step.

    To be called once in a process. megabytes: the most it held from here on, beyond what it held once TensorFlow has
    started; None: unknown.
    """
    runtime.start(seed=config.seed)
    dataset = noise(config)
    memory.reset_peak()
    before = memory.peak_megabytes()
    gan = compiled(config, dataset)
    fit = fit_loop(gan, config, dataset)
    loop = bare_loop(fit, gan, config, dataset)
    first = seconds_of(loop, 1)
    steps = steps_in(loop, seconds)
    taken = seconds_of(loop, steps)
    after = memory.peak_megabytes()
    return {
        "seconds_per_step": taken / steps,
        "steps": steps,
        "first_seconds": first,
        "images_per_step": loop.images,
        "flops_per_step": loop.flops,
        "megabytes": None if before is None or after is None else after - before,
    }
