"""Grids of samples for a report: by class, and beside their nearest training images."""

import numpy as np

from gan.data import images
from gan.evaluation.metrics import Neighbours
from gan.evaluation.reference import EvaluatedImages


def by_rows(evaluated: EvaluatedImages, classes: int) -> np.ndarray:
    """Returns a grid of ten images per class, one row per class: requested classes, or top classes without requests."""
    rows = [np.flatnonzero(evaluated.labels_or_seen == label)[:10] for label in range(min(classes, 20))]
    blank = np.full((10, *evaluated.images.shape[1:]), -1.0, np.float32)
    shown = [np.concatenate([evaluated.images[row], blank[len(row) :]]) for row in rows]
    return images.grid(images.to_uint8(np.concatenate(shown)), columns=10, scale=2)


def with_neighbors(evaluated: EvaluatedImages, near: Neighbours, train: np.ndarray) -> np.ndarray:
    """Returns a grid of at most sixteen images, each with its nearest training image to its right.

    The first images come first. For at most ten top classes, the image nearest to a training image follows.
    """
    seen = evaluated.seen[: len(near.mse)]
    nearest = [min(np.flatnonzero(seen == label), key=lambda i: near.mse[i]) for label in np.unique(seen)[:10]]
    chosen = np.concatenate([np.arange(min(16 - len(nearest), len(seen))), nearest])
    pairs = np.stack([images.to_uint8(evaluated.images[chosen]), train[near.index[chosen]]], axis=1)
    return images.grid(pairs.reshape(-1, *train.shape[1:]), columns=8, scale=2)
