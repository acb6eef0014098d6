"""Which images take part in an evaluation, as functions of its seed."""

from dataclasses import dataclass, replace

import numpy as np

from gan.data import Dataset, Split
from gan.evaluation.sides import FLOOR_DRAWS

FLOOR_POOL = 20_000
"""Training images that the draws of the floor come from, at least, where there are so many."""

MOST = 60_000
"""Training images, and validation images, that pictures are compared with; of more, this many at random."""


@dataclass(frozen=True)
class Drawn:
    """Test images to compare with, validation images in the place of pictures, and the floor's training images.

    `floor`: indices of training images, an array a draw.
    """

    test: Split
    validation: Split
    floor: list[np.ndarray]


def at_hand(dataset: Dataset) -> Dataset:
    """The data set with no more images than can be compared."""
    return replace(dataset, train=dataset.train.at_most(MOST), validation=dataset.validation.at_most(MOST))


def drawn(dataset: Dataset, num: int, seed: int) -> Drawn:
    """`num` images for each part, at random."""
    rng = np.random.default_rng(seed)
    test, validation = (part.take(rng.permutation(len(part))[:num]) for part in (dataset.test, dataset.validation))
    pool = rng.permutation(len(dataset.train))[: max(2 * num, FLOOR_POOL)]  # not all of them, to save half the time
    return Drawn(test, validation, [rng.permutation(pool)[:num] for _ in range(FLOOR_DRAWS)])


def labels_to_ask(dataset: Dataset, num: int, seed: int) -> np.ndarray | None:
    """The labels of `num` random training images: int32 [num], in the data's shares; None where there are none."""
    chosen = np.random.default_rng([seed, 1]).permutation(len(dataset.train))[:num]
    return None if dataset.train.labels is None else dataset.train.labels[chosen]
