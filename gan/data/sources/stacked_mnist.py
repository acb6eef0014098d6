"""`stacked-mnist`: three MNIST digits as red, green and blue, so that 1,000 modes can be counted."""

from collections.abc import Iterator

import numpy as np

from gan.data import storage
from gan.data.dataset import Dataset
from gan.data.request import Request
from gan.data.split import Split

STACKED = "stacked-"

TRAIN_IMAGES = 128_000
"""Made of MNIST's 50,000 training digits; in proportion of fewer. As in arXiv:1705.07761 and arXiv:1712.04086."""

_DIGITS = 50_000
_SEED = 170_507_761


def load_stacked(request: Request, digits: Dataset) -> Dataset:
    """Stacks digits that are drawn independently, three an image: uint8 [N, 28, 28, 3] of class 100 r + 10 g + b.

    digits: MNIST, or the embedded digits; a split is made of digits of that split only, so that held-out digits stay
    held out: 128,000 / 10,000 / 10,000 images of MNIST's 50,000 / 10,000 / 10,000 digits. The images are a function
    of the digits alone. The name says what they were made of: `stacked-mnist`, or `stacked-mnist5k`.
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
            three = digits.images[drawn[start : start + rows], ..., 0]  # [n, 3, 28, 28]
            yield np.moveaxis(three, 1, 3)

    return Split(request.store(chunks()), (digits.labels[drawn] @ np.array([100, 10, 1])).astype(np.int32))
