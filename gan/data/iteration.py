"""The number of an iteration over a `tf.data.Dataset`, for an order that differs between iterations."""

import weakref

import numpy as np
import tensorflow as tf

_ITERATIONS: "weakref.WeakKeyDictionary[tf.data.Dataset, Iteration]" = weakref.WeakKeyDictionary()


def iteration_of(data: object) -> "Iteration | None":
    """Returns what counts the iterations over a dataset. None: each iteration has the same order, or other data."""
    return _ITERATIONS.get(data) if isinstance(data, tf.data.Dataset) else None


class Iteration:
    """Counts the iterations over a dataset that took all of its `steps` batches.

    The functions are stateless for TensorFlow, since a stateful one would change the other operations of the dataset.
    """

    def __init__(self, steps: int) -> None:
        self._steps, self._done = steps, 0

    def belongs_to(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """Lets `iteration_of` find this object by a dataset, and returns the dataset."""
        _ITERATIONS[batches] = self
        return batches

    def start_at(self, number: int) -> None:
        """Sets the number of the next iteration."""
        self._done = number

    def number(self, start: tf.Tensor) -> tf.Tensor:
        """Returns the number of this iteration, from 0, int64 []. `start`: any tensor, int64 []."""
        done = tf.numpy_function(lambda _: np.int64(self._done), [start], tf.int64, stateful=False)
        return tf.ensure_shape(done, [])

    def count(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """Returns the same batches, and counts an iteration when its last batch is taken, not when it is prefetched."""
        return (
            batches.enumerate()
            .filter(self._counted)
            .map(tf.autograph.experimental.do_not_convert(lambda number, batch: batch))
        )

    @tf.autograph.experimental.do_not_convert
    def _counted(self, number: tf.Tensor, *_: object) -> tf.Tensor:
        def last() -> tf.Tensor:
            return tf.ensure_shape(tf.numpy_function(self._finish, [number], tf.bool, stateful=False), [])

        return tf.cond(number < self._steps - 1, lambda: tf.constant(True), last)

    def _finish(self, _: np.ndarray) -> np.bool:
        self._done += 1
        return np.bool_(True)
