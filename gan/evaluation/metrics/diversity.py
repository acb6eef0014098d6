"""Pairwise SSIM: similarity of images within a class, as a streaming metric and as a function of all images."""

import keras
import numpy as np
from keras import ops

from gan.errors import check, check_seed, check_whole
from gan.evaluation.metrics.paired import mean_or_nan, ssim_of_pairs, ssim_or_nan
from gan.utils.arguments import check_axes, checked
from gan.utils.types import Tensor


class PairwiseSSIM(keras.metrics.Metric):
    """Mean SSIM over pairs of samples of the same class, and over pairs of real images. Higher means less variety.

    `result()` is {`pairwise_ssim`, `pairwise_ssim_real`}. Both are NaN before the first pair, and for images with a
    side below 11 pixels, for which SSIM is not defined.

    Each batch is sorted by label. Adjacent images with equal labels form a pair: at most B - 1 pairs, at the same
    positions for real images and samples. Without labels, all adjacent images form pairs. Therefore this metric
    depends on the batch size: use large batches. `metrics.pairwise_ssim` estimates the same quantity, with pairs drawn
    from all images.

    Args:
        stride: uses every `stride`-th pair.
        name: name of the metric, and first key of `result()`.
    """

    @checked
    def __init__(self, *, stride: int = 1, name: str = "pairwise_ssim") -> None:
        super().__init__(name=name, dtype="float64")
        check_whole("stride", stride, 1)
        self.stride = stride
        self.total = self.add_variable((2,), initializer="zeros", dtype="float64", name="total")
        self.count = self.add_variable((), initializer="zeros", dtype="float64", name="count")

    def update_state(self, real: Tensor, fake: Tensor, labels: Tensor | None = None) -> None:
        """Adds the pairs of images [B, H, W, C] in [-1, 1]. `labels` [B] apply to both `real` and `fake`."""
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


@checked
def pairwise_ssim(images: np.ndarray, labels: np.ndarray | None = None, *, pairs: int = 2_000, seed: int = 0) -> float:
    """Returns the mean SSIM of random pairs of different images [N, H, W, C]; with labels, pairs of the same class.

    A measure of diversity: compare samples with real images. Higher means more similar images. `seed` draws the pairs.
    Returns NaN for images with a side below 11. Raises `InputError` if no class has two images.
    """
    check_axes("images", images, "NHWC")
    check_seed(seed)
    classes = np.zeros(len(images), np.int64) if labels is None else labels
    check(classes.shape == images.shape[:1], "labels", f"{len(images)} labels", f"shape {classes.shape}")
    members = [np.flatnonzero(classes == label) for label in np.unique(classes)]
    members = [indices for indices in members if len(indices) > 1]
    check_whole("pairs", pairs, 1)
    check(bool(members), "images", "a class with two images", f"{len(images)} images")
    rng = np.random.default_rng(seed)
    each = -(-pairs // len(members))
    chosen = np.concatenate([[rng.choice(indices, 2, replace=False) for _ in range(each)] for indices in members])
    return float(np.mean(ssim_of_pairs(images[chosen[:, 0]], images[chosen[:, 1]])))
