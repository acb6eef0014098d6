"""Random numbers that are functions of a key, the same on every device (Philox): nothing here keeps a state."""

from typing import Any

import tensorflow as tf

Shape = tuple[Any, ...]


def key(*numbers: int) -> tf.Tensor:
    """The key, int64 [2], of two whole numbers: a seed and a stream."""
    return tf.constant(numbers, dtype=tf.int64)


def fold_in(key: Any, counter: Any) -> tf.Tensor:
    """Another key, int64 [2], for each value of a whole number; unrelated numbers come from it."""
    return tf.random.experimental.stateless_fold_in(key, tf.cast(counter, tf.int64), alg="philox")


def normal(shape: Shape, key: Any) -> tf.Tensor:
    """Standard normal float32 numbers. (XLA makes other ones of the same key.)"""
    return tf.random.stateless_normal(shape, key, alg="philox")


def uniform(shape: Shape, key: Any, low: float = 0.0, high: float = 1.0) -> tf.Tensor:
    """Uniform float32 numbers in [low, high), 2^24 of them; under XLA the same."""
    bits = tf.random.stateless_uniform(shape, key, alg="philox", minval=None, maxval=None, dtype=tf.uint32)
    return low + (high - low) * tf.cast(tf.bitwise.right_shift(bits, tf.constant(8, tf.uint32)), tf.float32) * 2.0**-24
