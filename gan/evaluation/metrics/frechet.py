"""Frechet distance between the features of two sets of images."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from gan.utils.types import Tensor


def frechet_distance(
    mean_a: Tensor, covariance_a: Tensor, mean_b: Tensor, covariance_b: Tensor, *, root_b: Tensor | None = None
) -> Tensor:
    """|mean_a - mean_b|^2 + Tr(A + B - 2 (A B)^1/2) of two normal distributions: means [F], covariances A, B [F, F].

    The square of the 2-Wasserstein distance (Dowson and Landau 1982, doi:10.1016/0047-259X(82)90077-X), float64. The
    trace of (A B)^1/2 is the sum of the singular values of A^1/2 B^1/2: so nothing takes the root of rounding errors,
    and covariances without full rank are as good as others. root_b: `covariance_root(covariance_b)`, where several are
    compared with the same.
    """
    root_b = covariance_root(covariance_b) if root_b is None else root_b
    shared = ops.sum(ops.svd(ops.matmul(ops.transpose(covariance_root(covariance_a)), root_b), compute_uv=False))
    spread = ops.trace(ops.cast(covariance_a, "float64")) + ops.trace(ops.cast(covariance_b, "float64"))
    apart = ops.cast(mean_a, "float64") - ops.cast(mean_b, "float64")
    return ops.sum(ops.square(apart)) + spread - 2.0 * shared


def covariance_root(covariance: Tensor) -> Tensor:
    """R with R R^T = covariance; directions that hold rounding errors only are left out."""
    values, vectors = ops.eigh(ops.cast(covariance, "float64"))
    noise = ops.max(ops.abs(values)) * values.shape[-1] * 2.2e-16
    return vectors * ops.sqrt(ops.where(values > noise, values, 0.0))[None, :]


def _finite(moments: Tensor) -> Tensor:
    """Zeros for what is not finite: a decomposition would raise."""
    return ops.where(ops.isfinite(moments), moments, 0.0)


class Moments:
    """Mean and covariance of features that come in batches: float64 sums in variables of `metric`, in `folds` parts."""

    def __init__(self, metric: keras.metrics.Metric, features: int, name: str, folds: int = 1) -> None:
        self.folds = folds
        # by a table of prime length, shuffled once: labels that come in turn must not fall into one fold each
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
        """Mean [F] and unbiased covariance [F, F] of all folds but one, int32 []; meaningless below two images."""
        number = self.folds if left_out is None else self.folds - 1
        kept = [fold if left_out is None else fold + ops.cast(fold >= left_out, "int32") for fold in range(number)]
        count, total, squares = (sum(part[fold] for fold in kept) for part in (self.count, self.sum, self.squares))
        mean = total / ops.maximum(count, 1.0)
        covariance = squares - count * mean[:, None] * mean[None, :]
        return mean, covariance / ops.maximum(count - 1.0, 1.0)


class FrechetDistance(keras.metrics.Metric):
    """Frechet distance between reals and fakes in the features of `extractor`; lower is better.

    Not "FID": that name belongs to the Inception network's features. The value depends on the extractor and on the
    number of images (few make it larger), so it means something beside its floor only. `result()` is
    {`frechet_distance`, `frechet_distance_stderr`}: the standard error, for other fakes beside the same reals, is the
    jackknife's over `FOLDS` parts of the fakes. NaN below two images a side (standard error: below two a part), and for
    features that are not finite.

    Args:
        extractor: images [B, H, W, C] -> features [B, F].
        features: F.
    """

    FOLDS = 10

    def __init__(self, extractor: Callable[[Tensor], Tensor], features: int, *, name: str = "frechet_distance") -> None:
        super().__init__(name=name, dtype="float64")
        self.extractor = extractor
        self.real = Moments(self, features, "real")
        self.fake = Moments(self, features, "fake", self.FOLDS)

    def update_state(self, real: Tensor, fake: Tensor, labels: Tensor | None = None) -> None:
        """Adds images [B, H, W, C] on both sides; the sides may differ in number. `labels` are not looked at."""
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
        # a loop in the graph: one decomposition a fold to trace, optimize and compile takes a second
        without = tf.map_fn(distance_without, tf.range(self.FOLDS), fn_output_signature=tf.float64)
        error = ops.sqrt((self.FOLDS - 1.0) * ops.var(without))
        return {
            self.name: ops.where(enough, distance, float("nan")),
            f"{self.name}_stderr": ops.where(ops.logical_and(enough, fakes >= 2 * self.FOLDS), error, float("nan")),
        }
