"""Precision, recall, density and coverage: what fakes get right, and what of the data they reach."""

from collections.abc import Iterator

import numpy as np

from gan.errors import check, check_whole

NEIGHBOURS = 5
"""k, unless told otherwise."""


def precision_recall(
    real: np.ndarray, fake: np.ndarray, *, k: int = NEIGHBOURS, real_radii: np.ndarray | None = None
) -> dict[str, float]:
    """{`precision`, `recall`, `density`, `coverage`} of features [N, F] of reals and [M, F] of fakes.

    A ball stands around each image, as far as its k-th nearest neighbour on its own side (itself left out); inside
    means nearer than that, strictly. precision: share of fakes inside a real's ball. recall: share of reals inside a
    fake's ball (arXiv:1904.06991). density: balls of reals that a fake is inside of, over k, on the mean. coverage:
    share of reals whose own ball holds a fake (arXiv:2002.09797). `real_radii`: `squared_radii(real, k)`, where several
    sets are compared with the same reals.

    Raises `InputError` when a side has no more than k images, or features that are not finite.
    """
    check(real.shape[1:] == fake.shape[1:], "features", f"as many as the reals' {real.shape[1:]}", fake.shape[1:])
    real, fake = real.astype(np.float64), fake.astype(np.float64)
    real_radii = squared_radii(real, k) if real_radii is None else real_radii
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


def squared_radii(features: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
    """Squared distance of each of the features [N, F] to its k-th nearest other: float64 [N]."""
    check_whole("k", k, 1)
    check(len(features) > k, "features", f"more than k={k} of each kind", len(features))
    features = features.astype(np.float64)
    check(bool(np.isfinite(features).all()), "features", "finite numbers", "NaN or infinity")
    radii = np.empty(len(features))
    for rows, squares in _squared_distances(features, features):
        squares[np.arange(len(squares)), np.arange(rows.start, rows.start + len(squares))] = -1.0  # itself comes first
        squares.partition(k, axis=1)
        radii[rows] = squares[:, k]
    return radii


def _squared_distances(a: np.ndarray, b: np.ndarray, rows: int = 500) -> Iterator[tuple[slice, np.ndarray]]:
    """|a_i - b_j|^2 in float64, some rows at a time: (which rows of a, [rows, len(b)])."""
    lengths = np.einsum("nf,nf->n", b, b)
    for start in range(0, len(a), rows):
        part = a[start : start + rows]
        squares = (-2.0 * part) @ b.T
        squares += lengths
        squares += np.einsum("nf,nf->n", part, part)[:, None]
        yield slice(start, start + rows), np.maximum(squares, 0.0, out=squares)
