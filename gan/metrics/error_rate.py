"""How often a reference classifier does not see in a fake the class that was asked for."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from gan.checks import check
from gan.tolerance import CONFIDENCE, wilson_bounds

SURE = 0.9
"""Top probability below which a picture without a label counts as wrong."""


def wrong_outcomes(logits: Any, labels: Any = None, *, threshold: float = SURE) -> Any:
    """Which outcomes are wrong: logits [B, classes](, labels int [B] or [B, 1]) -> bool [B].

    With labels: those whose top class is another. Without: those whose top probability is below `threshold`. NaN is
    wrong. Raises `InputError` for another number of labels than of logits.
    """
    broken = ops.any(ops.isnan(logits), axis=-1)
    if labels is None:
        return ops.logical_or(broken, ops.max(ops.softmax(logits), axis=-1) < threshold)
    labels = ops.reshape(ops.cast(labels, "int32"), (-1,))
    fits = None in (labels.shape[0], logits.shape[0]) or labels.shape[0] == logits.shape[0]
    check(fits, "labels", f"{logits.shape[0]} of them, one a picture", labels.shape[0])
    return ops.logical_or(broken, ops.not_equal(ops.cast(ops.argmax(logits, axis=-1), "int32"), labels))


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
        wrong = wrong_outcomes(logits, labels, threshold=self.threshold)
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
