"""Frechet distance between the features of two sets of images."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops


def frechet_distance(mean_a: Any, covariance_a: Any, mean_b: Any, covariance_b: Any) -> Any:
    """|mean_a - mean_b|^2 + Tr(A + B - 2 (A B)^1/2) of two normal distributions: means [F], covariances A, B [F, F].

    The square of the 2-Wasserstein distance (Dowson and Landau 1982, doi:10.1016/0047-259X(82)90077-X), float64. The
    trace of (A B)^1/2 is the sum of the singular values of A^1/2 B^1/2: so nothing takes the root of rounding errors,
    and covariances without full rank are as good as others.
    """
    roots = [_root(covariance) for covariance in (covariance_a, covariance_b)]
    shared = ops.sum(ops.svd(ops.matmul(ops.transpose(roots[0]), roots[1]), compute_uv=False))
    spread = ops.trace(ops.cast(covariance_a, "float64")) + ops.trace(ops.cast(covariance_b, "float64"))
    apart = ops.cast(mean_a, "float64") - ops.cast(mean_b, "float64")
    return ops.sum(ops.square(apart)) + spread - 2.0 * shared


def _root(covariance: Any) -> Any:
    """R with R R^T = covariance; directions that hold rounding errors only are left out."""
    values, vectors = ops.eigh(ops.cast(covariance, "float64"))
    noise = ops.max(ops.abs(values)) * values.shape[-1] * 2.2e-16
    return vectors * ops.sqrt(ops.where(values > noise, values, 0.0))[None, :]


class Moments:
    """Mean and covariance of features that come in batches: three float64 sums, kept in variables of `metric`."""

    def __init__(self, metric: keras.metrics.Metric, features: int, name: str) -> None:
        self.count = metric.add_variable((), initializer="zeros", dtype="float64", name=f"{name}_count")
        self.sum = metric.add_variable((features,), initializer="zeros", dtype="float64", name=f"{name}_sum")
        self.squares = metric.add_variable(
            (features, features), initializer="zeros", dtype="float64", name=f"{name}_squares"
        )

    def update(self, features: Any) -> None:
        """Adds features [B, F]."""
        features = ops.cast(features, "float64")
        self.count.assign_add(ops.cast(ops.shape(features)[0], "float64"))
        self.sum.assign_add(ops.sum(features, axis=0))
        self.squares.assign_add(ops.matmul(ops.transpose(features), features))

    def mean_and_covariance(self) -> tuple[Any, Any]:
        """Mean [F] and unbiased covariance [F, F]; meaningless below two."""
        mean = self.sum / ops.maximum(self.count, 1.0)
        covariance = self.squares - self.count * mean[:, None] * mean[None, :]
        return mean, covariance / ops.maximum(self.count - 1.0, 1.0)


class FrechetDistance(keras.metrics.Metric):
    """Frechet distance between reals and fakes in the features of `extractor`; lower is better.

    Not "FID": that name belongs to the Inception network's features. The value depends on the extractor and on the
    number of images (few make it larger), so it means something beside its floor only. NaN below two images a side.

    Args:
        extractor: images [B, H, W, C] -> features [B, F].
        features: F.
    """

    def __init__(self, extractor: Callable[[Any], Any], features: int, *, name: str = "frechet_distance") -> None:
        super().__init__(name=name, dtype="float64")
        self.extractor = extractor
        self.real = Moments(self, features, "real")
        self.fake = Moments(self, features, "fake")

    def update_state(self, real: Any, fake: Any, labels: Any = None) -> None:
        """Adds images [B, H, W, C] on both sides; the sides may differ in number. `labels` are not looked at."""
        self.real.update(self.extractor(real))
        self.fake.update(self.extractor(fake))

    def result(self) -> Any:
        enough = ops.logical_and(self.real.count >= 2, self.fake.count >= 2)
        distance = frechet_distance(*self.real.mean_and_covariance(), *self.fake.mean_and_covariance())
        return ops.where(enough, distance, float("nan"))
