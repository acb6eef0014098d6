"""How often a reference classifier does not see in a fake the class that was asked for."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from gan.tolerance import CONFIDENCE, wilson_bounds

SURE = 0.9
"""Top probability below which a picture without a label counts as wrong."""


class ErrorRate(keras.metrics.Metric):
    """Share of wrong outcomes, with its Wilson 95 % interval.

    For a conditional generator an outcome is wrong when the top class of `classify(fake)` is not the label. Without
    labels it is wrong when the top probability is below `threshold`. `result()` is {`error_rate`, `error_rate_lower`,
    `error_rate_upper`, `error_rate_stderr`}: the rate, the ends of the interval, and sqrt(p (1 - p) / n); NaN before
    the first picture.

    Args:
        classify: images [B, H, W, C] -> logits [B, classes], such as a loaded classifier.
        threshold: for pictures without labels, a probability.
    """

    def __init__(self, classify: Callable[[Any], Any], *, threshold: float = SURE, name: str = "error_rate") -> None:
        super().__init__(name=name, dtype="float64")
        self.classify = classify
        self.threshold = threshold
        self.wrong = self.add_variable((), initializer="zeros", dtype="float64", name="wrong")
        self.count = self.add_variable((), initializer="zeros", dtype="float64", name="count")

    def update_state(self, real: Any, fake: Any, labels: Any = None) -> None:
        """Counts the fakes [B, H, W, C]; `real` is not looked at."""
        logits = self.classify(fake)
        if labels is None:
            wrong = ops.max(ops.softmax(logits), axis=-1) < self.threshold
        else:
            wrong = ops.not_equal(ops.cast(ops.argmax(logits, axis=-1), "int32"), ops.cast(labels, "int32"))
        self.wrong.assign_add(ops.sum(ops.cast(wrong, "float64")))
        self.count.assign_add(ops.cast(ops.shape(logits)[0], "float64"))

    def result(self) -> dict[str, Any]:
        seen = ops.maximum(self.count, 1.0)
        rate = self.wrong / seen
        lower, upper = wilson_bounds(rate, seen, ops.sqrt, CONFIDENCE)
        values = {
            "": rate,
            "_lower": ops.where(self.wrong > 0, lower, 0.0),
            "_upper": ops.where(self.wrong < seen, upper, 1.0),
            "_stderr": ops.sqrt(rate * (1.0 - rate) / seen),
        }
        return {f"{self.name}{end}": ops.where(self.count > 0, value, float("nan")) for end, value in values.items()}
