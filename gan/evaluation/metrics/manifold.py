"""Precision, recall, density and coverage of samples, from nearest neighbors in feature space."""

from collections.abc import Iterator

import numpy as np

from gan.errors import check, check_whole
from gan.utils.arguments import check_axes, checked

NEIGHBOURS = 5
"""Default of `k`."""


@checked
def precision_recall(
    real: np.ndarray, fake: np.ndarray, *, k: int = NEIGHBOURS, real_radii: np.ndarray | None = None
) -> dict[str, float]:
    """Computes {`precision`, `recall`, `density`, `coverage`} of features: real images [N, F], samples [M, F].

    The ball of an image reaches to its k-th nearest neighbor in the same set, without the image itself. Inside means
    strictly nearer.

    * precision: share of samples inside the ball of a real image (arXiv:1904.06991).
    * recall: share of real images inside the ball of a sample (arXiv:1904.06991).
    * density: number of real images whose balls contain a sample, mean over samples, over k (arXiv:2002.09797).
    * coverage: share of real images whose ball contains a sample (arXiv:2002.09797).

    Args:
        real: features of real images.
        fake: features of samples.
        k: which neighbor defines the radius of a ball.
        real_radii: `squared_radii(real, k)`, to compare several sets with the same real images. None: computed.

    Raises `InputError` if a set has at most k images, or features are not finite.
    """
    check_axes("real", real, "NF")
    check_axes("fake", fake, "NF")
    check(real.shape[1:] == fake.shape[1:], "features", f"the shape of real features, {real.shape[1:]}", fake.shape[1:])
    real, fake = real.astype(np.float64), fake.astype(np.float64)
    real_radii = squared_radii(real, k) if real_radii is None else real_radii
    check(real_radii.shape == real.shape[:1], "real_radii", f"shape ({len(real)},)", real_radii.shape)
    fake_radii = squared_radii(fake, k)
    in_real = np.zeros(len(fake), np.int64)
    in_fake, covered = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for rows, squares in _squared_distances(real, fake):
        inside = squares < real_radii[rows, None]
        in_real += inside.sum(axis=0)
        covered[rows] = inside.any(axis=1)
        in_fake[rows] = (squares < fake_radii[None]).any(axis=1)
    return {
        "precision": float((in_real > 0).mean()),
        "recall": float(in_fake.mean()),
        "density": float(in_real.mean() / k),
        "coverage": float(covered.mean()),
    }


@checked
def squared_radii(features: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
    """Returns the squared distance of each feature vector [N, F] to its k-th nearest other one: float64 [N]."""
    check_whole("k", k, 1)
    check_axes("features", features, "NF")
    check(len(features) > k, "features", f"more than k={k} images", len(features))
    features = features.astype(np.float64)
    check(bool(np.isfinite(features).all()), "features", "finite numbers", "NaN or infinity")
    radii = np.empty(len(features))
    for rows, squares in _squared_distances(features, features):
        squares[np.arange(len(squares)), np.arange(rows.start, rows.start + len(squares))] = -1.0  # sorts first
        squares.partition(k, axis=1)
        radii[rows] = squares[:, k]
    return radii


def _squared_distances(a: np.ndarray, b: np.ndarray, rows: int = 500) -> Iterator[tuple[slice, np.ndarray]]:
    """Yields |a_i - b_j|^2 in float64, in chunks: (slice of the rows of a, [rows, len(b)])."""
    lengths = np.einsum("nf,nf->n", b, b)
    for start in range(0, len(a), rows):
        part = a[start : start + rows]
        squares = (-2.0 * part) @ b.T
        squares += lengths
        squares += np.einsum("nf,nf->n", part, part)[:, None]
        yield slice(start, start + rows), np.maximum(squares, 0.0, out=squares)
