"""Grids of samples for a report: by class, and beside their nearest training images."""

import numpy as np

from gan.data import images
from gan.evaluation.metrics import Neighbours
from gan.evaluation.reference import EvaluatedImages


def by_rows(evaluated: EvaluatedImages, classes: int) -> np.ndarray:
    """Returns a grid of ten images per class, one row per class: requested classes, or top classes without requests.

    Without either, the first 100 images.
    """
    labels, shown = evaluated.labels_or_seen, [evaluated.images[:100]]
    if labels is not None:
        rows = [np.flatnonzero(labels == label)[:10] for label in range(min(classes, 20))]
        blank = np.full((10, *evaluated.images.shape[1:]), -1.0, np.float32)
        shown = [np.concatenate([evaluated.images[row], blank[len(row) :]]) for row in rows]
    return images.grid(images.to_uint8(np.concatenate(shown)), columns=10, scale=2)


def with_neighbors(evaluated: EvaluatedImages, near: Neighbours, train: np.ndarray) -> np.ndarray:
    """Returns a grid of at most sixteen images, each with its nearest training image to its right.

    The first images come first. For at most ten top classes (without a classifier, requested ones; without either, all
    images), the image nearest to a training image follows.
    """
    labels = evaluated.labels_or_seen if evaluated.seen is None else evaluated.seen
    groups = np.zeros(len(near.mse), np.int64) if labels is None else labels[: len(near.mse)]
    nearest = [min(np.flatnonzero(groups == label), key=lambda i: near.mse[i]) for label in np.unique(groups)[:10]]
    chosen = np.concatenate([np.arange(min(16 - len(nearest), len(groups))), nearest])
    pairs = np.stack([images.to_uint8(evaluated.images[chosen]), train[near.index[chosen]]], axis=1)
    return images.grid(pairs.reshape(-1, *train.shape[1:]), columns=8, scale=2)
