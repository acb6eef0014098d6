"""Class histograms of samples and real images, and their divergence."""

from collections.abc import Callable

import keras
from keras import ops

from gan.errors import check, check_whole
from gan.utils.arguments import Numbers, checked
from gan.utils.types import Tensor


@checked
def class_kl(fake: Numbers, real: Numbers) -> Tensor:
    """Computes KL(fake || real) in nats of two histograms of counts [classes]: sum p log(p/q).

    The result is 0 for equal shares, and NaN if a histogram is empty. A class without real images counts as half an
    image.
    """
    shapes = [[*fake.shape], [*real.shape]]
    check(len(shapes[0]) == 1 and shapes[0] == shapes[1], "histograms", "two of shape [classes]", shapes)
    fake, real = ops.cast(fake, "float64"), ops.cast(real, "float64")
    p = fake / ops.maximum(ops.sum(fake), 1.0)
    q = ops.maximum(real, 0.5) / ops.maximum(ops.sum(real), 1.0)
    kl = ops.sum(ops.where(p > 0, p * ops.log(ops.maximum(p, 1e-300) / q), 0.0))
    return ops.where(ops.logical_or(ops.sum(fake) < 1, ops.sum(real) < 1), float("nan"), kl)


class ClassHistogram(keras.metrics.Metric):
    """Counts of the top classes of `classify`, among real images and among samples.

    `result()` is {`class_kl`, `classes_seen`}: the divergence of the function `class_kl`, and the number of classes
    among the samples.

    Args:
        classify: images [B, H, W, C] -> logits [B, classes].
        num_classes: number of classes.
        name: name of the metric.
    """

    @checked
    def __init__(
        self, classify: Callable[[Tensor], Tensor], num_classes: int, *, name: str = "class_histogram"
    ) -> None:
        check_whole("num_classes", num_classes, 1)
        super().__init__(name=name, dtype="float64")
        self.classify = classify
        self.num_classes = num_classes
        self.real = self.add_variable((num_classes,), initializer="zeros", dtype="float64", name="real")
        self.fake = self.add_variable((num_classes,), initializer="zeros", dtype="float64", name="fake")

    def update_state(self, real: Tensor, fake: Tensor, labels: Tensor | None = None) -> None:
        """Counts real images and samples [B, H, W, C] by their top class."""
        for counts, images in ((self.real, real), (self.fake, fake)):
            seen = ops.argmax(self.classify(images), axis=-1)
            counts.assign_add(ops.sum(ops.one_hot(seen, self.num_classes, dtype="float64"), axis=0))

    def result(self) -> dict[str, Tensor]:
        classes = ops.sum(ops.cast(self.fake > 0, "float64"))
        return {"class_kl": class_kl(self.fake, self.real), "classes_seen": classes}
