"""Which classes a generator makes, and how far that is from the data's."""

from collections.abc import Callable

import keras
from keras import ops

from gan.utils.types import Tensor


def class_kl(fake: Tensor, real: Tensor) -> Tensor:
    """KL(fakes || reals) in nats of two histograms [classes] of counts: sum p log(p/q); NaN if one is empty.

    0 when both have the same shares. A class that only fakes have counts as half a real.
    """
    fake, real = ops.cast(fake, "float64"), ops.cast(real, "float64")
    p = fake / ops.maximum(ops.sum(fake), 1.0)
    q = ops.maximum(real, 0.5) / ops.maximum(ops.sum(real), 1.0)
    kl = ops.sum(ops.where(p > 0, p * ops.log(ops.maximum(p, 1e-300) / q), 0.0))
    return ops.where(ops.logical_or(ops.sum(fake) < 1, ops.sum(real) < 1), float("nan"), kl)


class ClassHistogram(keras.metrics.Metric):
    """Shares of the classes that `classify` sees, in reals and in fakes; `result()` is {`class_kl`, `classes_seen`}.

    `class_kl` is that of the function of this name, `classes_seen` the number of classes among the fakes.

    Args:
        classify: images [B, H, W, C] -> logits [B, classes].
        num_classes: classes.
    """

    def __init__(
        self, classify: Callable[[Tensor], Tensor], num_classes: int, *, name: str = "class_histogram"
    ) -> None:
        super().__init__(name=name, dtype="float64")
        self.classify = classify
        self.num_classes = num_classes
        self.real = self.add_variable((num_classes,), initializer="zeros", dtype="float64", name="real")
        self.fake = self.add_variable((num_classes,), initializer="zeros", dtype="float64", name="fake")

    def update_state(self, real: Tensor, fake: Tensor, labels: Tensor | None = None) -> None:
        """Counts images [B, H, W, C] of both kinds by the class seen in them."""
        for counts, images in ((self.real, real), (self.fake, fake)):
            seen = ops.argmax(self.classify(images), axis=-1)
            counts.assign_add(ops.sum(ops.one_hot(seen, self.num_classes, dtype="float64"), axis=0))

    def result(self) -> dict[str, Tensor]:
        classes = ops.sum(ops.cast(self.fake > 0, "float64"))
        return {"class_kl": class_kl(self.fake, self.real), "classes_seen": classes}
