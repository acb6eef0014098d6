"""MSE and SSIM of paired images. The caller defines the pairs."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from gan.errors import check, check_whole
from gan.utils.arguments import Numbers, check_axes, checked
from gan.utils.types import Tensor

DATA_RANGE = 2.0
"""Difference between the largest and the smallest value of images in [-1, 1]."""
WINDOW = 11
"""Side of the SSIM window, in pixels. SSIM is not defined for images with a smaller side."""


@checked
def why_no_ssim(image_shape: Sequence[int]) -> str | None:
    """Returns why SSIM is not defined for images [height, width, ...], or None if it is."""
    check(len(image_shape) >= 2, "image_shape", "(height, width, ...)", image_shape)
    height, width = image_shape[:2]
    if min(height, width) >= WINDOW:
        return None
    return f"SSIM needs images of at least {WINDOW} x {WINDOW} pixels, its window; these are {height} x {width}"


@checked
def ssim(a: Numbers, b: Numbers) -> Tensor:
    """Computes the structural similarity of each pair of images [B, H, W, C] in [-1, 1]: [B], 1 for identical images.

    Window 11, sigma 1.5, K1 .01, K2 .03, data range 2, mean over the windows inside the image. Wang et al. 2004,
    doi:10.1109/TIP.2003.819861. Raises `InputError` for images with a side below 11.
    """
    shapes = [[*a.shape], [*b.shape]]
    fits = len(shapes[0]) == 4 and shapes[0][1:] == shapes[1][1:]
    check(fits, "images", "two of the same shape [B, H, W, C]", shapes)
    size = tuple(a.shape[1:3])
    check(why_no_ssim(size) is None, "images", f"height and width of at least {WINDOW} pixels", size)
    return tf.image.ssim(a, b, max_val=DATA_RANGE, filter_size=WINDOW)


def ssim_or_nan(a: Tensor, b: Tensor) -> Tensor:
    """Computes `ssim`, or returns NaN [B] for images with a side below 11."""
    return ssim(a, b) if why_no_ssim(a.shape[1:3]) is None else ops.full((ops.shape(a)[0],), float("nan"))


@checked
def ssim_of_pairs(a: np.ndarray, b: np.ndarray, *, chunk: int = 500) -> np.ndarray:
    """Computes `ssim_or_nan` of two arrays [N, H, W, C] in chunks: float32 [N]."""
    check_axes("a", a, "NHWC")
    check(a.shape == b.shape, "b", f"shape {a.shape}", b.shape)
    check_whole("chunk", chunk, 1)
    return np.concatenate([ssim_or_nan(a[i : i + chunk], b[i : i + chunk]) for i in range(0, len(a), chunk)])


def mean_or_nan(total: Tensor, count: Tensor) -> Tensor:
    """Returns total / count, of any shape; NaN where count is 0."""
    return ops.where(count > 0, total / ops.maximum(count, 1.0), float("nan"))


class _PairedMean(keras.metrics.Metric):
    """Mean over pairs of a number that subclasses compute; NaN before the first pair."""

    @checked
    def __init__(self, name: str) -> None:
        super().__init__(name=name, dtype="float64")
        self.total = self.add_variable((), initializer="zeros", dtype="float64", name="total")
        self.count = self.add_variable((), initializer="zeros", dtype="float64", name="count")

    def of_pairs(self, real: Tensor, fake: Tensor) -> Tensor:
        """Computes the number of each pair of images [B, H, W, C]: [B]."""
        raise NotImplementedError

    def update_state(self, real: Tensor, fake: Tensor, labels: Tensor | None = None) -> None:
        """Adds the pairs (`real[i]`, `fake[i]`). Ignores `labels`."""
        values = ops.cast(self.of_pairs(real, fake), "float64")
        self.total.assign_add(ops.sum(values))
        self.count.assign_add(ops.cast(ops.shape(values)[0], "float64"))

    def result(self) -> Tensor:
        return mean_or_nan(self.total, self.count)


class MeanSquaredError(_PairedMean):
    """Mean squared difference of paired images in [-1, 1]. Lower is better, 0 for identical images."""

    @checked
    def __init__(self, name: str = "mse") -> None:
        super().__init__(name)

    def of_pairs(self, real: Tensor, fake: Tensor) -> Tensor:
        return ops.mean(ops.square(real - fake), axis=(1, 2, 3))


class StructuralSimilarity(_PairedMean):
    """Mean SSIM of paired images, see `ssim`. Higher is better, 1 for identical images.

    NaN for images with a side below 11.
    """

    @checked
    def __init__(self, name: str = "ssim") -> None:
        super().__init__(name)

    def of_pairs(self, real: Tensor, fake: Tensor) -> Tensor:
        return ssim_or_nan(real, fake)
