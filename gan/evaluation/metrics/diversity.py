"""Pairwise SSIM: how alike images of one class are, of fakes beside reals, batch by batch or of all images at once."""

import keras
import numpy as np
from keras import ops

from gan.errors import check, check_whole
from gan.evaluation.metrics.paired import mean_or_nan, ssim_of_pairs, ssim_or_nan
from gan.utils.types import Tensor


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

    def update_state(self, real: Tensor, fake: Tensor, labels: Tensor | None = None) -> None:
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

    def result(self) -> dict[str, Tensor]:
        means = mean_or_nan(self.total, self.count)
        return {self.name: means[0], f"{self.name}_real": means[1]}


def pairwise_ssim(images: np.ndarray, labels: np.ndarray | None = None, *, pairs: int = 2_000, seed: int = 0) -> float:
    """Mean SSIM of random pairs of different images [N, H, W, C], of one class where there are labels.

    A measure of diversity, for fakes beside the same for reals: the higher, the more alike they are. The pairs are
    drawn with `seed`. NaN for images with a side below 11. Raises `InputError` when no class has two images.
    """
    classes = np.zeros(len(images), np.int64) if labels is None else np.asarray(labels)
    members = [np.flatnonzero(classes == label) for label in np.unique(classes)]
    members = [indices for indices in members if len(indices) > 1]
    check_whole("pairs", pairs, 1)
    check(bool(members), "images", "a class with two of them", f"{len(images)} images")
    rng = np.random.default_rng(seed)
    each = -(-pairs // len(members))
    chosen = np.concatenate([[rng.choice(indices, 2, replace=False) for _ in range(each)] for indices in members])
    return float(np.mean(ssim_of_pairs(images[chosen[:, 0]], images[chosen[:, 1]])))
