"""Error rates of a generator, as measured by a classifier, and of a classifier itself."""

from collections.abc import Callable

import keras
from keras import ops

from gan.errors import check
from gan.tolerance import CONFIDENCE, wilson_bounds
from gan.utils.arguments import Numbers, checked
from gan.utils.types import Tensor

SURE = 0.9
"""Top probability below which a sample without a label counts as wrong."""


@checked
def wrong_outcomes(logits: Numbers, labels: Numbers | None = None, *, threshold: float = SURE) -> Tensor:
    """Returns which outcomes are wrong: logits [B, classes], labels int [B] or [B, 1] (optional) -> bool [B].

    With labels, an outcome is wrong if its top class differs from the label. Without labels, it is wrong if its top
    probability is below `threshold`. NaN is wrong. Raises `InputError` if the numbers of labels and logits differ.
    """
    check(len(logits.shape) == 2, "logits", "shape [B, classes]", f"shape {[*logits.shape]}")
    broken = ops.any(ops.isnan(logits), axis=-1)
    if labels is None:
        return ops.logical_or(broken, ops.max(ops.softmax(logits), axis=-1) < threshold)
    labels = ops.reshape(ops.cast(labels, "int32"), (-1,))
    fits = None in (labels.shape[0], logits.shape[0]) or labels.shape[0] == logits.shape[0]
    check(fits, "labels", f"{logits.shape[0]} labels, one per sample", labels.shape[0])
    return ops.logical_or(broken, ops.not_equal(ops.cast(ops.argmax(logits, axis=-1), "int32"), labels))


class _WrongOutcomes(keras.metrics.Metric):
    """Counts all outcomes and wrong outcomes.

    `result()` is {`error_rate`, `error_rate_lower`, `error_rate_upper`, `error_rate_stderr`}: the rate, the ends of its
    Wilson 95 % confidence interval, and sqrt(p (1 - p) / n). NaN before the first outcome.
    """

    @checked
    def __init__(self, *, name: str, dtype: str = "float64") -> None:
        super().__init__(name=name, dtype=dtype)
        self.wrong = self.add_variable((), initializer="zeros", dtype="float64", name="wrong")
        self.count = self.add_variable((), initializer="zeros", dtype="float64", name="count")

    def _add(self, wrong: Tensor) -> None:
        """Counts outcomes: bool [B]."""
        self.wrong.assign_add(ops.sum(ops.cast(wrong, "float64")))
        self.count.assign_add(ops.cast(ops.shape(wrong)[0], "float64"))

    def result(self) -> dict[str, Tensor]:
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


class ErrorRate(_WrongOutcomes):
    """Share of wrong outcomes of a generator, with its Wilson 95 % confidence interval.

    With labels, an outcome is wrong if the top class of `classify(fake)` differs from the label. Without labels, it is
    wrong if the top probability is below `threshold`. `result()` is {`error_rate`, `error_rate_lower`,
    `error_rate_upper`, `error_rate_stderr`}: the rate, the ends of the interval, and sqrt(p (1 - p) / n). NaN before
    the first sample. `ClassifierErrorRate` measures a classifier.

    Args:
        classify: images [B, H, W, C] -> logits [B, classes], for example a loaded classifier.
        threshold: minimum top probability of a correct sample without a label.
        name: name of the metric, and prefix of the keys.
    """

    @checked
    def __init__(
        self, classify: Callable[[Tensor], Tensor], *, threshold: float = SURE, name: str = "error_rate"
    ) -> None:
        super().__init__(name=name)
        self.classify = classify
        self.threshold = threshold

    def update_state(self, real: Tensor, fake: Tensor, labels: Tensor | None = None) -> None:
        """Counts the samples `fake` [B, H, W, C]. Ignores `real`."""
        self._add(wrong_outcomes(self.classify(fake), labels, threshold=self.threshold))


@keras.saving.register_keras_serializable(package="gan")
class ClassifierErrorRate(_WrongOutcomes):
    """Share of wrong outcomes of a classifier, 1/N sum 1[prediction != label], with its Wilson 95 % interval.

    `result()` has the same keys as `ErrorRate`, so a callback can monitor `val_error_rate_upper` of any Keras model:

    >>> model.compile("adam", SparseCategoricalCrossentropy(from_logits=True), metrics=[ClassifierErrorRate()])
    >>> model.fit(x, y, validation_data=held_out, callbacks=[ToleranceEarlyStopping("val_error_rate_upper", "min")])

    The model's output is [B, classes], logits or probabilities: the largest is the prediction. NaN is wrong. Labels are
    whole numbers [B] or [B, 1]. Raises `InputError` for other labels, and for sample weights: with them, N would not be
    a number of outcomes.
    """

    @checked
    def __init__(self, *, name: str = "error_rate", dtype: str = "float64") -> None:
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> None:
        """Counts the predictions [B, classes] against the labels."""
        shape = tuple(y_pred.shape)
        check(len(shape) == 2 and shape[1] != 1, "y_pred", "outputs [B, classes], of two classes or more", shape)
        shape = tuple(y_true.shape)
        check(len(shape) == 1 or shape[1:] == (1,), "y_true", "the index of the class, [B] or [B, 1]", shape)
        check(sample_weight is None, "sample_weight", "None: each outcome counts once", "weights")
        self._add(wrong_outcomes(y_pred, y_true))
