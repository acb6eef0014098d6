"""Loops over train steps, and over a matrix product, that can be timed against each other."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import tensorflow as tf

from benchmarks.profiler import product_flops
from benchmarks.runs import images_per_step
from gan import runtime
from gan.building import build_gan, compile_gan
from gan.callbacks import FiniteLosses
from gan.config import TrainConfig
from gan.data import Dataset
from gan.fitting import Schedule, fit_intervals
from gan.model import GAN


@dataclass(frozen=True)
class Loop:
    """`run(steps)` makes so many steps, a multiple of `multiple`, and waits for the last.

    `step` is one of them as a concrete function, `arguments` what it is called with, and `images` the reals that it
    sees; what it does on a condition, it does in every `every`-th.
    """

    run: Callable[[int], None]
    step: Any
    arguments: Sequence[Any]
    images: int
    multiple: int = 1
    every: int = 1

    @property
    def flops(self) -> float:
        """FLOPs of a step, on average (see `product_flops`)."""
        return product_flops(self.step, then_share=1.0 / self.every)


def compiled(config: TrainConfig, dataset: Dataset) -> GAN:
    """A GAN as a training run of one device makes it."""
    with runtime.precision(config.precision):
        gan = build_gan(config, dataset)
    compile_gan(gan, config, config.optimization.total_steps(len(dataset.train)))
    return gan


def fit_loop(gan: GAN, config: TrainConfig, dataset: Dataset) -> Loop:
    """`fit` as a training run calls it, on batches of its own, with the callback that every run has."""
    images = images_per_step(config)
    made = 0

    def run(steps: int) -> None:
        nonlocal made
        # `made` in whole intervals of this length, so that the batches are new ones each time
        first = -(-made // steps) * steps
        fit_intervals(
            gan, dataset, [FiniteLosses()], Schedule(first + steps, steps, images), seed=config.seed, first_step=first
        )
        made = first + steps

    batch = next(iter(dataset.train.batches(images, steps=1, seed=config.seed)))
    step = tf.function(gan.train_step).get_concrete_function(batch)
    return Loop(run, step, tf.nest.flatten(batch), images, config.optimization.steps_per_execution, _period(gan))


def bare_loop(fit: Loop, gan: GAN, config: TrainConfig, dataset: Dataset) -> Loop:
    """A `tf.function` that is nothing but a loop of `fit`'s train step over as many batches, all in one call."""
    made = 0

    @tf.function
    def train(batches: Any) -> None:
        for batch in batches:
            gan.train_step(batch)

    def run(steps: int) -> None:
        nonlocal made
        train(iter(dataset.train.batches(fit.images, steps=steps, seed=config.seed, first_step=made)))
        int(gan.g_optimizer.iterations)  # waits, where steps run on another device
        made += steps

    return replace(fit, run=run, multiple=1)


def _period(gan: GAN) -> int:
    """Steps from one computation of the lazy penalties to the next; 1: there are none."""
    periods = {penalty.every for penalty in gan.penalties} - {1}
    if len(periods) > 1:
        raise ValueError(f"Expected penalties that are due together. Received: every={sorted(periods)}.")
    return max(periods, default=1)


def product_loop(size: int) -> Loop:
    """The product of two float32 matrices [size, size]: about the most FLOPs a second that these cores reach."""
    matrices = [tf.random.stateless_uniform((size, size), (0, number)) for number in range(2)]
    product = tf.function(tf.matmul)

    def run(steps: int) -> None:
        for _ in range(steps):
            product(*matrices)[0, 0].numpy()

    return Loop(run, product.get_concrete_function(*matrices), matrices, images=0)


def seconds_of(loop: Loop, steps: int) -> float:
    """How long so many steps take."""
    began = time.perf_counter()
    loop.run(steps)
    return time.perf_counter() - began


def steps_in(loop: Loop, seconds: float) -> int:
    """How many steps a loop that has run before makes in about this time."""
    return max(1, round(seconds / seconds_of(loop, loop.multiple))) * loop.multiple
