"""Which classes a generator makes, and how far that is from the data's."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops


class ClassHistogram(keras.metrics.Metric):
    """Shares of the classes that `classify` sees, in reals and in fakes; `result()` is {`class_kl`, `classes_seen`}.

    `class_kl` is KL(fakes || reals) in nats: sum p log(p/q), 0 when both have the same shares. A class that only fakes
    have counts as half a real. `classes_seen` is the number of classes among the fakes. NaN before the first image.

    Args:
        classify: images [B, H, W, C] -> logits [B, classes].
        num_classes: classes.
    """

    def __init__(self, classify: Callable[[Any], Any], num_classes: int, *, name: str = "class_histogram") -> None:
        super().__init__(name=name, dtype="float64")
        self.classify = classify
        self.num_classes = num_classes
        self.real = self.add_variable((num_classes,), initializer="zeros", dtype="float64", name="real")
        self.fake = self.add_variable((num_classes,), initializer="zeros", dtype="float64", name="fake")

    def update_state(self, real: Any, fake: Any, labels: Any = None) -> None:
        """Counts images [B, H, W, C] on both sides by the class seen in them."""
        for counts, pictures in ((self.real, real), (self.fake, fake)):
            seen = ops.argmax(self.classify(pictures), axis=-1)
            counts.assign_add(ops.sum(ops.one_hot(seen, self.num_classes, dtype="float64"), axis=0))

    def result(self) -> dict[str, Any]:
        reals, fakes = ops.sum(self.real), ops.sum(self.fake)
        p = self.fake / ops.maximum(fakes, 1.0)
        q = ops.maximum(self.real, 0.5) / ops.maximum(reals, 1.0)
        kl = ops.sum(ops.where(p > 0, p * ops.log(ops.maximum(p, 1e-300) / q), 0.0))
        empty = ops.logical_or(reals < 1, fakes < 1)
        classes = ops.sum(ops.cast(self.fake > 0, "float64"))
        return {"class_kl": ops.where(empty, float("nan"), kl), "classes_seen": classes}
