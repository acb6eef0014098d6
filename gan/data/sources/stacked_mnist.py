"""Creates `stacked-mnist`: three MNIST digits as red, green and blue, a dataset of 1,000 modes."""

from collections.abc import Iterator

import numpy as np

from gan.data import storage
from gan.data.dataset import Dataset
from gan.data.request import Request
from gan.data.split import Split

STACKED = "stacked-"

TRAIN_IMAGES = 128_000
"""Training images for 50,000 training digits, as in arXiv:1705.07761 and arXiv:1712.04086. Fewer digits give
proportionally fewer images."""

_DIGITS = 50_000
_SEED = 170_507_761


def load_stacked(request: Request, digits: Dataset) -> Dataset:
    """Stacks three independently drawn digits per image: uint8 [N, 28, 28, 3] of class 100 r + 10 g + b.

    Each split uses digits of the same split, so held-out digits stay held out. MNIST's 50,000 / 10,000 / 10,000 digits
    give 128,000 / 10,000 / 10,000 images. The images are a function of the digits alone.

    Args:
        request: options of the dataset.
        digits: `mnist` or `mnist5k`. The name of the result is `stacked-` and the name of the digits.
    """
    counts = (round(TRAIN_IMAGES * len(digits.train) / _DIGITS), len(digits.validation), len(digits.test))
    train, validation, test = (
        _stacked(part, count, np.random.default_rng([_SEED, number]), request)
        for number, (part, count) in enumerate(zip((digits.train, digits.validation, digits.test), counts))
    )
    return Dataset(STACKED + digits.name, 1_000, train, validation, test)


def _stacked(digits: Split, count: int, rng: np.random.Generator, request: Request) -> Split:
    assert digits.labels is not None
    drawn = rng.integers(len(digits), size=(count, 3))

    def chunks() -> Iterator[np.ndarray]:
        rows = storage.rows_per_chunk((*digits.images.shape[1:3], 3))
        for start in range(0, count, rows):
            triples = digits.images[drawn[start : start + rows], ..., 0]  # [n, 3, 28, 28]
            yield np.moveaxis(triples, 1, 3)

    return Split(request.store(chunks()), (digits.labels[drawn] @ np.array([100, 10, 1])).astype(np.int32))
