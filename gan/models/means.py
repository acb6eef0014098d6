"""Running means of the logs of a train step."""

from collections.abc import Sequence

import keras
from keras import ops

from gan.utils.types import Tensor


class WeightedMeans(keras.metrics.Metric):
    """Computes weighted running means of several named numbers in one Keras metric.

    One metric for all names needs two variable updates per step, instead of two for each name.

    * `update_state(values, weights)` takes two arrays of shape [len(names)].
    * `result()` returns {name: sum(weight * value) / sum(weight)}, and NaN for a name whose weights sum to 0.
    """

    def __init__(self, names: Sequence[str], name: str = "means") -> None:
        super().__init__(name=name, dtype="float64")
        self.names = tuple(names)
        self.total = self.add_variable((len(self.names),), initializer="zeros", dtype="float64", name="total")
        self.weight = self.add_variable((len(self.names),), initializer="zeros", dtype="float64", name="weight")

    def update_state(self, values: Tensor, weights: Tensor) -> None:
        values, weights = ops.cast(values, "float64"), ops.cast(weights, "float64")
        self.total.assign_add(values * weights)
        self.weight.assign_add(weights)

    def result(self) -> dict[str, Tensor]:
        means = ops.where(self.weight > 0, self.total / ops.maximum(self.weight, 1e-300), float("nan"))
        return {name: means[index] for index, name in enumerate(self.names)}
