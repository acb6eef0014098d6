"""MSE and SSIM, which mean something between images that belong together; the caller says how they do."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from gan.errors import check, check_whole

DATA_RANGE = 2.0
"""Of images in [-1, 1]."""
WINDOW = 11
"""Pixels: SSIM is not defined for images with a smaller side."""


def why_no_ssim(image_shape: Sequence[int]) -> str | None:
    """Why SSIM is not known of images [height, width, ...], in words; None: it is."""
    height, width = image_shape[:2]
    if min(height, width) >= WINDOW:
        return None
    return f"SSIM needs sides of at least {WINDOW} pixels, the size of its window, and these are {height} x {width}"


def ssim(a: Any, b: Any) -> Any:
    """Structural similarity of each pair of images [B, H, W, C] in [-1, 1] -> [B]; 1 for identical ones.

    Window 11, sigma 1.5, K1 .01, K2 .03, data range 2, mean over the windows inside the image. Wang et al. 2004,
    doi:10.1109/TIP.2003.819861. Raises `InputError` for images with a side below 11.
    """
    side = tuple(a.shape[1:3])
    check(why_no_ssim(side) is None, "images", f"height and width of at least {WINDOW} pixels", side)
    return tf.image.ssim(a, b, max_val=DATA_RANGE, filter_size=WINDOW)


def ssim_or_nan(a: Any, b: Any) -> Any:
    """`ssim`, but NaN [B] for images with a side below 11: for what measures more than SSIM."""
    return ssim(a, b) if why_no_ssim(a.shape[1:3]) is None else ops.full((ops.shape(a)[0],), float("nan"))


def ssim_of_pairs(a: np.ndarray, b: np.ndarray, *, chunk: int = 500) -> np.ndarray:
    """`ssim_or_nan` of images [N, H, W, C] and [N, H, W, C] in chunks: float32 [N]."""
    return np.concatenate([ssim_or_nan(a[i : i + chunk], b[i : i + chunk]) for i in range(0, len(a), chunk)])


class _PairedMean(keras.metrics.Metric):
    """The mean over pairs of a number that a subclass gives each; NaN before the first."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, dtype="float64")
        self.total = self.add_variable((), initializer="zeros", dtype="float64", name="total")
        self.count = self.add_variable((), initializer="zeros", dtype="float64", name="count")

    def of_pairs(self, real: Any, fake: Any) -> Any:
        """[B] of images [B, H, W, C] and [B, H, W, C]."""
        raise NotImplementedError

    def update_state(self, real: Any, fake: Any, labels: Any = None) -> None:
        """Adds pairs: `fake[i]` belongs to `real[i]`."""
        values = ops.cast(self.of_pairs(real, fake), "float64")
        self.total.assign_add(ops.sum(values))
        self.count.assign_add(ops.cast(ops.shape(values)[0], "float64"))

    def result(self) -> Any:
        return ops.where(self.count > 0, self.total / ops.maximum(self.count, 1.0), float("nan"))


class MeanSquaredError(_PairedMean):
    """Mean squared difference of paired images in [-1, 1]; lower is better, 0 for identical ones."""

    def __init__(self, name: str = "mse") -> None:
        super().__init__(name)

    def of_pairs(self, real: Any, fake: Any) -> Any:
        return ops.mean(ops.square(real - fake), axis=(1, 2, 3))


class StructuralSimilarity(_PairedMean):
    """Mean SSIM of paired images, see `ssim`; higher is better, 1 for identical ones.

    NaN for images with a side below 11.
    """

    def __init__(self, name: str = "ssim") -> None:
        super().__init__(name)

    def of_pairs(self, real: Any, fake: Any) -> Any:
        return ssim_or_nan(real, fake)


def pairwise_ssim(
    pictures: np.ndarray, labels: np.ndarray | None = None, *, pairs: int = 2_000, seed: int = 0
) -> float:
    """Mean SSIM of random pairs of different images [N, H, W, C], of one class where there are labels.

    A measure of diversity, for fakes beside the same for reals: the higher, the more alike they are. The pairs are
    drawn with `seed`. NaN for images with a side below 11. Raises `InputError` when no class has two images.
    """
    classes = np.zeros(len(pictures), np.int64) if labels is None else np.asarray(labels)
    members = [np.flatnonzero(classes == label) for label in np.unique(classes)]
    members = [indices for indices in members if len(indices) > 1]
    check_whole("pairs", pairs, 1)
    check(bool(members), "images", "a class with two of them", f"{len(pictures)} images")
    rng = np.random.default_rng(seed)
    each = -(-pairs // len(members))
    chosen = np.concatenate([[rng.choice(indices, 2, replace=False) for _ in range(each)] for indices in members])
    return float(np.mean(ssim_of_pairs(pictures[chosen[:, 0]], pictures[chosen[:, 1]])))
