"""Running means of the logs of a train step."""

from collections.abc import Collection, Sequence

import keras
import numpy as np
from keras import ops

from gan.utils.types import Tensor

_TRACE = 1e-200
"""Weight of a kept mean. In float64, it changes no sum to which a value with weight 1 is added."""


class WeightedMeans(keras.metrics.Metric):
    """Computes weighted running means of several named numbers in one Keras metric.

    One metric for all names needs two variable updates per step, instead of two for each name.

    * `update_state(values, weights)` takes two arrays of shape [len(names)].
    * `result()` returns {name: sum(weight * value) / sum(weight)}. If the weights of a name sum to 0, it is NaN.

    Args:
        names: names of the numbers.
        kept: those names whose last mean remains after `reset_state`, until their next value. Before the first value
            of such a name, its mean is 0.
    """

    def __init__(self, names: Sequence[str], name: str = "means", *, kept: Collection[str] = ()) -> None:
        super().__init__(name=name, dtype="float64")
        self.names = tuple(names)
        self._kept = np.array([name in kept for name in names], bool)
        self.total = self.add_variable((len(self.names),), initializer="zeros", dtype="float64", name="total")
        self.weight = self.add_variable((len(self.names),), initializer="zeros", dtype="float64", name="weight")

    def update_state(self, values: Tensor, weights: Tensor) -> None:
        values, weights = ops.cast(values, "float64"), ops.cast(weights, "float64")
        self.total.assign_add(values * weights)
        self.weight.assign_add(weights)

    def reset_state(self) -> None:
        """Starts new means."""
        if not self._kept.any():
            super().reset_state()
            return
        means, trace = self._means(0.0), ops.cast(self._kept, "float64") * ops.cast(self.weight > 0, "float64") * _TRACE
        self.total.assign(means * trace)
        self.weight.assign(trace)

    def restore(self, values: np.ndarray) -> None:
        """Sets `total` and `weight` to values [2, len(names)]. Does nothing for means of other names."""
        if values.shape == (2, len(self.names)):
            self.total.assign(values[0])
            self.weight.assign(values[1])

    def result(self) -> dict[str, Tensor]:
        means = self._means(np.where(self._kept, 0.0, np.nan))
        return {name: means[index] for index, name in enumerate(self.names)}

    def _means(self, otherwise: Tensor) -> Tensor:
        return ops.where(self.weight > 0, self.total / ops.maximum(self.weight, 1e-300), otherwise)
