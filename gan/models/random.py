"""Stateless random numbers, each a function of a key, and the latents of training and evaluation."""

import math

import numpy as np
import tensorflow as tf

from gan.utils.types import Tensor

_SMALLEST = float(np.float32(1e-7))
"""The uniform number whose logarithm stands for that of smaller ones, as in TensorFlow."""

Shape = tuple[Tensor, ...]


def key(*numbers: int) -> tf.Tensor:
    """Returns the key, int64 [2], of two whole numbers: a seed and a stream."""
    return tf.constant(numbers, dtype=tf.int64)


def fold_in(key: Tensor, counter: Tensor) -> tf.Tensor:
    """Returns a new key, int64 [2], derived from a key and a whole number.

    Each value of `counter` gives another key. The random numbers of different keys are unrelated.
    """
    return tf.random.experimental.stateless_fold_in(key, tf.cast(counter, tf.int64), alg="philox")


def bits(shape: Shape, key: Tensor) -> tf.Tensor:
    """Returns random bits, uint32: the Philox 4x32-10 counter generator, the same on every device and under XLA."""
    return tf.random.stateless_uniform(shape, key, alg="philox", minval=None, maxval=None, dtype=tf.uint32)


def normal(shape: Shape, key: Tensor) -> tf.Tensor:
    """Returns standard normal float32 numbers of any shape, the same on every device and under XLA.

    Box-Muller transform of pairs of uniform numbers u, v, multiples of 2^-23: sqrt(-2 log u) sin(2 pi v) and
    sqrt(-2 log u) cos(2 pi v). It is computed in float64. There, the rounding differences between devices are too small
    to change the float32 result, except with a probability of about 1e-8 per number.

    The numbers are those of `tf.random.stateless_normal(..., alg="philox")` up to 1e-6, which XLA computes in another
    way.
    """
    count = tf.reduce_prod(tf.cast(tf.stack(shape), tf.int64)) if any(map(tf.is_tensor, shape)) else math.prod(shape)
    u, v = (
        tf.cast(tf.bitwise.bitwise_and(half, tf.constant(2**23 - 1, tf.uint32)), tf.float64) * 2.0**-23
        for half in tf.unstack(bits(((count + 1) // 2, 2), key), axis=1)
    )
    radius, angle = tf.sqrt(-2.0 * tf.math.log(tf.maximum(u, _SMALLEST))), 2.0 * math.pi * v
    pairs = [tf.cast(radius * turn(angle), tf.float32) for turn in (tf.sin, tf.cos)]
    return tf.reshape(tf.reshape(tf.stack(pairs, axis=1), [-1])[:count], shape)


def uniform(shape: Shape, key: Tensor, low: float = 0.0, high: float = 1.0) -> tf.Tensor:
    """Returns uniform float32 numbers in [low, high), out of 2^24 different values. XLA computes the same numbers."""
    high_bits = tf.bitwise.right_shift(bits(shape, key), tf.constant(8, tf.uint32))
    return low + (high - low) * tf.cast(high_bits, tf.float32) * 2.0**-24


SAMPLING, TRAINING, EVALUATION, PROJECTION, NOISE, STEP, ATTEMPT, ACCEPTANCE = range(8)
"""Streams of random numbers. The same seed gives unrelated numbers in different streams."""


def _normal(shape: tuple[Tensor, ...], stream: int, seed: int, *counters: Tensor) -> tf.Tensor:
    """Returns standard normal float32 numbers that depend only on the arguments."""
    return normal(shape, _key(stream, seed, *counters))


def _key(stream: int, seed: int, *counters: Tensor) -> tf.Tensor:
    found = key(seed, stream)
    for counter in counters:
        found = fold_in(found, counter)
    return found


def training_latents(
    seed: int, step: Tensor, critic_step: int, shape: tuple[Tensor, int], *, replica: Tensor = 0, replicas: int = 1
) -> tf.Tensor:
    """Returns the latents [B, L], standard normal float32, of one D update of a train step.

    They are a function of the arguments alone, so a resumed run draws the same latents as one without interruption. The
    replicas together draw the latents that one device draws for the whole batch.

    Args:
        seed: seed of the GAN.
        step: number of train steps before this one.
        critic_step: index of the D update within the train step, from 0.
        shape: (B, L): batch size of one replica and length of a latent vector.
        replica: index of the replica, from 0. Replica r gets the r-th of `replicas` equal parts, as with the reals.
        replicas: number of replicas.
    """
    rows, length = shape
    together = _normal((replicas * rows, length), TRAINING, seed, step, 0, critic_step)
    return together if replicas == 1 else tf.reshape(together, [replicas, rows, length])[replica]


def training_key(seed: int, step: Tensor, replica: Tensor, use: int) -> tf.Tensor:
    """Returns the key, int64 [2], of random numbers of a train step other than latents; each `use` has its own key."""
    return _key(STEP, seed, step, replica, use)


def evaluation_latents(seed: int, batch: Tensor, shape: tuple[Tensor, int]) -> tf.Tensor:
    """Returns the latents [B, L] of the `batch`-th batch of an evaluation while training.

    Every evaluation with the same seed uses the same latents.
    """
    return _normal(shape, EVALUATION, seed, batch)
