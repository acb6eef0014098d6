"""Which images of a split are in which batch of an endless shuffled run."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import tensorflow as tf

from gan.data.iteration import Iteration

_as_written = tf.autograph.experimental.do_not_convert
"""Skips AutoGraph for functions without control flow on tensors. Their conversion takes longer than their tracing."""


@dataclass(frozen=True)
class Order:
    """The images in each batch of an endless run over `count` images, and the batches of an iteration.

    Batch k is batch k mod `per_pass` of pass k div `per_pass`. The order of a pass is a function of (seed, pass).

    Attributes:
        count: number of images.
        batch_size: images per batch, from 1 to `count`.
        steps: batches of an iteration, >= 1.
        seed: seed of the order.
        first_step: number of the first batch of the first iteration.
        iteration: counts the iterations, each of which has later passes. None: each has the same batches.
    """

    count: int
    batch_size: int
    steps: int
    seed: int
    first_step: int
    iteration: Iteration | None

    @property
    def per_pass(self) -> int:
        """Number of batches of a pass."""
        return self.count // self.batch_size

    def numbers(self) -> tf.data.Dataset:
        """Returns the numbers of the batches of an iteration: int64 [], in order."""
        later = self._passes * self.per_pass

        @_as_written
        def of_iteration(number: tf.Tensor) -> tf.data.Dataset:
            first = self.first_step + later * number
            return tf.data.Dataset.range(first, first + self.steps)

        return self._numbers_of_iteration().flat_map(of_iteration)

    def indices(self) -> tf.data.Dataset:
        """Returns the images of the batches of an iteration: int32 [batch_size], in order."""
        first_pass, skipped = divmod(self.first_step, self.per_pass)

        @_as_written
        def of_pass(number: tf.Tensor) -> tf.data.Dataset:
            return tf.data.Dataset.from_tensor_slices(_batches_of_pass(self.count, self.batch_size, self.seed, number))

        @_as_written
        def of_iteration(number: tf.Tensor) -> tf.data.Dataset:
            first = first_pass + self._passes * number
            return tf.data.Dataset.range(first, first + self._passes).flat_map(of_pass)

        return self._numbers_of_iteration().flat_map(of_iteration).skip(skipped).take(self.steps)

    def look_up(self, numbers: np.ndarray) -> np.ndarray:
        """Returns the images of the batches with these numbers: int32 [len(numbers), batch_size].

        The order of a pass is computed once, as long as the next numbers are in it or in the next pass.
        """
        passes, rows = np.divmod(numbers, self.per_pass)
        found = np.empty((len(numbers), self.batch_size), np.int32)
        for one in np.unique(passes):
            batches = _known_batches_of_pass(self.count, self.batch_size, self.seed, int(one))
            found[passes == one] = batches[rows[passes == one]]
        return found

    @property
    def _passes(self) -> int:
        """Number of passes of which an iteration takes batches."""
        return -(-(self.first_step % self.per_pass + self.steps) // self.per_pass)

    def _numbers_of_iteration(self) -> tf.data.Dataset:
        """Returns the number of the iteration, from 0, as a dataset. It is read before its first batch, and once."""
        start = tf.data.Dataset.range(1)
        return start if self.iteration is None else start.map(_as_written(self.iteration.number))


def _batches_of_pass(count: int, batch_size: int, seed: int, number: tf.Tensor) -> tf.Tensor:
    """Returns the images of the batches of a pass: int32 [count // batch_size, batch_size]."""
    # the algorithm is named, since `auto_select` depends on the device
    key = tf.random.experimental.stateless_fold_in(tf.constant([seed, 0], tf.int64), number, alg="philox")
    shuffled = tf.random.experimental.stateless_shuffle(tf.range(count), key, alg="philox")
    per_pass = count // batch_size
    return tf.reshape(shuffled[: per_pass * batch_size], [per_pass, batch_size])


@lru_cache(maxsize=2)
def _known_batches_of_pass(count: int, batch_size: int, seed: int, number: int) -> np.ndarray:
    """Returns `_batches_of_pass` as an array. Remembers the last ones, also for the next interval of a run."""
    with tf.device("CPU:0"):  # TensorFlow shuffles on the CPU only
        return np.asarray(_batches_of_pass(count, batch_size, seed, tf.constant(number, tf.int64)))


def no_autotune() -> tf.data.Options:
    """Returns the options of each dataset that an epoch of `fit` reads to its end."""
    options = tf.data.Options()
    options.autotune.enabled = False  # its back-off delays the end of every epoch, by up to twice the epoch's length
    return options
