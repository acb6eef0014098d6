"""Random numbers as functions of a key, and the latents of training. Nothing here keeps a random state."""

import tensorflow as tf

from gan.utils.types import Tensor

Shape = tuple[Tensor, ...]


def key(*numbers: int) -> tf.Tensor:
    """The key, int64 [2], of two whole numbers: a seed and a stream."""
    return tf.constant(numbers, dtype=tf.int64)


def fold_in(key: Tensor, counter: Tensor) -> tf.Tensor:
    """Another key, int64 [2], for each value of a whole number; unrelated numbers come from it."""
    return tf.random.experimental.stateless_fold_in(key, tf.cast(counter, tf.int64), alg="philox")


def normal(shape: Shape, key: Tensor) -> tf.Tensor:
    """Standard normal float32 numbers. (XLA makes other ones of the same key.)"""
    return tf.random.stateless_normal(shape, key, alg="philox")


def uniform(shape: Shape, key: Tensor, low: float = 0.0, high: float = 1.0) -> tf.Tensor:
    """Uniform float32 numbers in [low, high), 2^24 of them; under XLA the same."""
    bits = tf.random.stateless_uniform(shape, key, alg="philox", minval=None, maxval=None, dtype=tf.uint32)
    return low + (high - low) * tf.cast(tf.bitwise.right_shift(bits, tf.constant(8, tf.uint32)), tf.float32) * 2.0**-24


SAMPLING, TRAINING, EVALUATION, PROJECTION, NOISE, STEP = range(6)
"""Streams of random numbers. The same seed in another stream gives unrelated numbers."""


def _normal(shape: tuple[Tensor, ...], stream: int, seed: int, *counters: Tensor) -> tf.Tensor:
    """Standard normal float32 numbers that depend on the arguments only."""
    return normal(shape, _key(stream, seed, *counters))


def _key(stream: int, seed: int, *counters: Tensor) -> tf.Tensor:
    found = key(seed, stream)
    for counter in counters:
        found = fold_in(found, counter)
    return found


def training_latents(
    seed: int, step: Tensor, critic_step: int, shape: tuple[Tensor, int], *, replica: Tensor = 0, replicas: int = 1
) -> tf.Tensor:
    """Latents [B, L] of one training step, a function of these numbers: a resumed run draws what it would have.

    Replica r of n gets the r-th n-th of what one device would draw for the whole batch, as it does of the reals.
    """
    rows, length = shape
    together = _normal((replicas * rows, length), TRAINING, seed, step, 0, critic_step)
    return together if replicas == 1 else tf.reshape(together, [replicas, rows, length])[replica]


def training_key(seed: int, step: Tensor, replica: Tensor, use: int) -> tf.Tensor:
    """Returns the key of the other random numbers of one training step, int64 [2]; each `use` of a step has its own."""
    return _key(STEP, seed, step, replica, use)


def evaluation_latents(seed: int, batch: Tensor, shape: tuple[Tensor, int]) -> tf.Tensor:
    """Latents of one batch of an evaluation during training: the same ones in every evaluation."""
    return _normal(shape, EVALUATION, seed, batch)
