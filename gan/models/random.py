"""Stateless random numbers, each a function of a key, and the latents of training and evaluation."""

import tensorflow as tf

from gan.utils.types import Tensor

Shape = tuple[Tensor, ...]


def key(*numbers: int) -> tf.Tensor:
    """Returns the key, int64 [2], of two whole numbers: a seed and a stream."""
    return tf.constant(numbers, dtype=tf.int64)


def fold_in(key: Tensor, counter: Tensor) -> tf.Tensor:
    """Returns a new key, int64 [2], derived from a key and a whole number.

    Each value of `counter` gives another key. The random numbers of different keys are unrelated.
    """
    return tf.random.experimental.stateless_fold_in(key, tf.cast(counter, tf.int64), alg="philox")


def normal(shape: Shape, key: Tensor) -> tf.Tensor:
    """Returns standard normal float32 numbers. XLA computes other numbers from the same key."""
    return tf.random.stateless_normal(shape, key, alg="philox")


def uniform(shape: Shape, key: Tensor, low: float = 0.0, high: float = 1.0) -> tf.Tensor:
    """Returns uniform float32 numbers in [low, high), out of 2^24 different values. XLA computes the same numbers."""
    bits = tf.random.stateless_uniform(shape, key, alg="philox", minval=None, maxval=None, dtype=tf.uint32)
    return low + (high - low) * tf.cast(tf.bitwise.right_shift(bits, tf.constant(8, tf.uint32)), tf.float32) * 2.0**-24


SAMPLING, TRAINING, EVALUATION, PROJECTION, NOISE, STEP = range(6)
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
