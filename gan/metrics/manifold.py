"""Precision, recall, density and coverage: what fakes get right, and what of the data they reach."""

import numpy as np
from sklearn.metrics import pairwise_distances_chunked

from gan.checks import check


def precision_recall(real: np.ndarray, fake: np.ndarray, *, k: int = 5) -> dict[str, float]:
    """{`precision`, `recall`, `density`, `coverage`} of features [N, F] of reals and [M, F] of fakes.

    A ball stands around each image, as far as its k-th nearest neighbour on its own side (itself left out); inside
    means nearer than that, strictly. precision: share of fakes inside a real's ball. recall: share of reals inside a
    fake's ball (arXiv:1904.06991). density: balls of reals that a fake is inside of, over k, on the mean. coverage:
    share of reals whose own ball holds a fake (arXiv:2002.09797).

    Raises `InputError` when a side has no more than k images.
    """
    fewest = min(len(real), len(fake))
    check(fewest > k, "features", f"more than k={k} of each kind", fewest)
    real, fake = real.astype(np.float64), fake.astype(np.float64)
    real_radii, fake_radii = _radii(real, k), _radii(fake, k)
    in_real = np.zeros(len(fake), np.int64)
    in_fake, covered = [], []
    start = 0
    for distances in pairwise_distances_chunked(real, fake):  # rows: reals
        radii = real_radii[start : start + len(distances), None]
        in_real += (distances < radii).sum(axis=0)
        in_fake.append((distances < fake_radii[None]).any(axis=1))
        covered.append(distances.min(axis=1) < radii[:, 0])
        start += len(distances)
    return {
        "precision": float((in_real > 0).mean()),
        "recall": float(np.concatenate(in_fake).mean()),
        "density": float(in_real.mean() / k),
        "coverage": float(np.concatenate(covered).mean()),
    }


def _radii(features: np.ndarray, k: int) -> np.ndarray:
    """Distance of each image to its k-th nearest other: the (k + 1)-th smallest of its row, as it is its own first."""
    chunks = pairwise_distances_chunked(features)
    return np.concatenate([np.partition(distances, k, axis=1)[:, k] for distances in chunks])
