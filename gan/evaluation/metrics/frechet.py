"""Frechet distance between the features of two sets of images."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from gan.errors import check, check_whole
from gan.utils.arguments import Numbers, checked
from gan.utils.types import Tensor

HOST = "CPU:0"
"""Where matrices are decomposed. On a GPU, TensorFlow calls cuSOLVER, and aborts the process if it cannot load it."""


@checked
def frechet_distance(
    mean_a: Numbers,
    covariance_a: Numbers,
    mean_b: Numbers,
    covariance_b: Numbers,
    *,
    root_b: Numbers | None = None,
) -> Tensor:
    """Computes |mean_a - mean_b|^2 + Tr(A + B - 2 (A B)^1/2) of two normal distributions, in float64.

    Means are [F], covariances A and B are [F, F]. The result is the squared 2-Wasserstein distance (Dowson and Landau
    1982, doi:10.1016/0047-259X(82)90077-X). The trace of (A B)^1/2 is the sum of the singular values of A^1/2 B^1/2.
    This form avoids square roots of rounding errors, and allows covariances without full rank.

    Args:
        mean_a, covariance_a: the first distribution.
        mean_b, covariance_b: the second distribution.
        root_b: `covariance_root(covariance_b)`, to compare several distributions with the same one. None: computed.
    """
    size = mean_a.shape[0] if len(mean_a.shape) == 1 else 0
    for mean, covariance in ((mean_a, covariance_a), (mean_b, covariance_b)):
        shapes = [[*mean.shape], [*covariance.shape]]
        check(shapes == [[size], [size, size]] and size > 0, "moments", "means [F] and covariances [F, F]", shapes)
    fits = root_b is None or [*root_b.shape] == [size, size]
    check(fits, "root_b", "shape [F, F]", None if root_b is None else [*root_b.shape])
    root_b = covariance_root(covariance_b) if root_b is None else root_b
    product = ops.matmul(ops.transpose(covariance_root(covariance_a)), root_b)
    with tf.device(HOST):
        shared = ops.sum(ops.svd(product, compute_uv=False))
    spread = ops.trace(ops.cast(covariance_a, "float64")) + ops.trace(ops.cast(covariance_b, "float64"))
    apart = ops.cast(mean_a, "float64") - ops.cast(mean_b, "float64")
    return ops.sum(ops.square(apart)) + spread - 2.0 * shared


def covariance_root(covariance: Tensor) -> Tensor:
    """Returns R with R R^T = covariance, without the directions that contain only rounding errors."""
    with tf.device(HOST):
        values, vectors = ops.eigh(ops.cast(covariance, "float64"))
    noise = ops.max(ops.abs(values)) * values.shape[-1] * 2.2e-16
    return vectors * ops.sqrt(ops.where(values > noise, values, 0.0))[None, :]


def _finite(moments: Tensor) -> Tensor:
    """Replaces values that are not finite by zeros, because a decomposition of them raises."""
    return ops.where(ops.isfinite(moments), moments, 0.0)


class Moments:
    """Mean and covariance of batches of features: float64 sums in variables of `metric`, split into `folds` parts."""

    def __init__(self, metric: keras.metrics.Metric, features: int, name: str, folds: int = 1) -> None:
        self.folds = folds
        # a shuffled table of prime length: labels in cyclic order must not end up in one fold each
        self._deal = np.random.default_rng(0).permutation(np.arange(1_009) % folds).astype(np.int32)
        shapes = {"count": (folds,), "sum": (folds, features), "squares": (folds, features, features)}
        self.count, self.sum, self.squares = (
            metric.add_variable(shape, initializer="zeros", dtype="float64", name=f"{name}_{part}")
            for part, shape in shapes.items()
        )

    def update(self, features: Tensor) -> None:
        """Adds features [B, F]."""
        features = ops.cast(features, "float64")
        first = ops.cast(ops.sum(self.count), "int32")
        number = (first + ops.arange(ops.shape(features)[0])) % len(self._deal)
        fold = ops.one_hot(ops.take(self._deal, number), self.folds, dtype="float64", axis=0)
        self.count.assign_add(ops.sum(fold, axis=1))
        self.sum.assign_add(ops.matmul(fold, features))
        self.squares.assign_add(ops.matmul(ops.transpose(fold[:, :, None] * features, (0, 2, 1)), features))

    def mean_and_covariance(self, left_out: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Returns the mean [F] and unbiased covariance [F, F] without the fold `left_out`, int32 [].

        `left_out` None: all folds. The result is meaningless for fewer than two images.
        """
        number = self.folds if left_out is None else self.folds - 1
        kept = [fold if left_out is None else fold + ops.cast(fold >= left_out, "int32") for fold in range(number)]
        count, total, squares = (sum(part[fold] for fold in kept) for part in (self.count, self.sum, self.squares))
        mean = total / ops.maximum(count, 1.0)
        covariance = squares - count * mean[:, None] * mean[None, :]
        return mean, covariance / ops.maximum(count - 1.0, 1.0)


class FrechetDistance(keras.metrics.Metric):
    """Frechet distance between real images and samples in the features of `extractor`. Lower is better.

    This is not "FID", which uses features of the Inception network. The value depends on the extractor and on the
    number of images: fewer images increase it. Compare it only with its floor, the same distance of real images.

    `result()` is {`frechet_distance`, `frechet_distance_stderr`}. The jackknife over `FOLDS` parts of the samples
    estimates the standard error, for other samples and the same real images. The distance is NaN below two real images
    or two samples, and for features that are not finite. The standard error is also NaN below two samples per part.

    Args:
        extractor: images [B, H, W, C] -> features [B, F].
        features: F, the number of features.
        name: name of the metric, and prefix of the keys.
    """

    FOLDS = 10

    @checked
    def __init__(self, extractor: Callable[[Tensor], Tensor], features: int, *, name: str = "frechet_distance") -> None:
        check_whole("features", features, 1)
        super().__init__(name=name, dtype="float64")
        self.extractor = extractor
        self.real = Moments(self, features, "real")
        self.fake = Moments(self, features, "fake", self.FOLDS)

    def update_state(self, real: Tensor, fake: Tensor, labels: Tensor | None = None) -> None:
        """Adds real images and samples [B, H, W, C]; their numbers may differ. Ignores `labels`."""
        self.real.update(self.extractor(real))
        self.fake.update(self.extractor(fake))

    def result(self) -> dict[str, Tensor]:
        reals, fakes = ops.sum(self.real.count), ops.sum(self.fake.count)
        whole = ops.isfinite(ops.sum(self.real.squares) + ops.sum(self.fake.squares))
        enough = ops.logical_and(whole, ops.logical_and(reals >= 2, fakes >= 2))
        reference = [_finite(part) for part in self.real.mean_and_covariance()]
        root = covariance_root(reference[1])

        def distance_without(fold: Tensor | None) -> Tensor:
            return frechet_distance(*map(_finite, self.fake.mean_and_covariance(fold)), *reference, root_b=root)

        distance = distance_without(None)
        # a loop in the graph: tracing and compiling one decomposition per fold takes a second
        without = tf.map_fn(distance_without, tf.range(self.FOLDS), fn_output_signature=tf.float64)
        error = ops.sqrt((self.FOLDS - 1.0) * ops.var(without))
        return {
            self.name: ops.where(enough, distance, float("nan")),
            f"{self.name}_stderr": ops.where(ops.logical_and(enough, fakes >= 2 * self.FOLDS), error, float("nan")),
        }
