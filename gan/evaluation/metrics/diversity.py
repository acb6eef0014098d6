"""How alike the fakes of one class are, beside how alike the reals of one class are, batch by batch."""

from typing import Any

import keras
from keras import ops

from gan.errors import check_whole
from gan.evaluation.metrics.paired import ssim_or_nan


class PairwiseSSIM(keras.metrics.Metric):
    """Mean SSIM of pairs of fakes of one class, beside that of pairs of reals: the higher, the less variety.

    `result()` is {`pairwise_ssim`, `pairwise_ssim_real`}, NaN before the first pair, and for images with a side below
    11 pixels, of which SSIM is not known. In each batch the images are put in order of their label, and neighbours
    with equal labels make the pairs: up to B - 1 of them, at the same places on both sides. Without labels all
    neighbours are pairs. (`metrics.pairwise_ssim` draws its pairs from all images at once: the same quantity.) So this
    is the one metric that depends on the size of the batches: give it large ones.
    `stride`: only every so-manyth of the pairs is looked at.
    """

    def __init__(self, *, stride: int = 1, name: str = "pairwise_ssim") -> None:
        super().__init__(name=name, dtype="float64")
        check_whole("stride", stride, 1)
        self.stride = stride
        self.total = self.add_variable((2,), initializer="zeros", dtype="float64", name="total")
        self.count = self.add_variable((), initializer="zeros", dtype="float64", name="count")

    def update_state(self, real: Any, fake: Any, labels: Any = None) -> None:
        """Adds the pairs of images [B, H, W, C] in [-1, 1]; `labels` [B] are those of both sides."""
        if labels is None:
            alike = ops.ones((ops.shape(real)[0] - 1,), dtype="float64")
        else:
            labels = ops.reshape(labels, (-1,))
            order = ops.argsort(labels)
            real, fake, labels = (ops.take(x, order, axis=0) for x in (real, fake, labels))
            alike = ops.cast(ops.equal(labels[1:], labels[:-1]), "float64")
        chosen = slice(None, None, self.stride)
        alike = alike[chosen]
        sums = [ops.sum(alike * ops.cast(ssim_or_nan(x[1:][chosen], x[:-1][chosen]), "float64")) for x in (fake, real)]
        self.total.assign_add(ops.stack(sums))
        self.count.assign_add(ops.sum(alike))

    def result(self) -> dict[str, Any]:
        means = ops.where(self.count > 0, self.total / ops.maximum(self.count, 1.0), float("nan"))
        return {self.name: means[0], f"{self.name}_real": means[1]}
