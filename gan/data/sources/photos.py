"""Loads `photos`: crops of photographs that come with Python packages. It needs no download."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from gan.data import images
from gan.data.dataset import Dataset
from gan.data.request import Request
from gan.data.split import Split
from gan.errors import InputError
from gan.utils.extras import import_extra

PHOTOS = "photos"
MORE_PHOTOS = "photos-6"

SIZE = (32, 32)
"""Height and width of a crop, unless another size is asked for."""

BANDS = {"train": (0.0, 0.70), "validation": (0.70, 0.85), "test": (0.85, 1.0)}
"""Split -> its part of the width of each photograph, from the left."""

ROWS, COLUMNS = 40, {"train": 40, "validation": 8, "test": 8}
"""Crops of a photograph: in each column, and columns of each split."""

_BUNDLED = {"astronaut": "astronaut.png", "cat": "chelsea.png", "coffee": "coffee.png", "rocket": "rocket.jpg"}
"""Photograph -> its file in scikit-image, which has it without a download."""


def load_photos(request: Request) -> Dataset:
    """Loads crops of photographs: uint8 [N, H, W, 3] in their own resolution, one class for each photograph.

    `photos` has the two photographs of scikit-learn: a temple in China by danielbuechele, and a flower by vultilion,
    both CC BY 2.0. `photos-6` also has four that come with scikit-image: astronaut, cat, coffee and rocket, all free of
    rights. The crops are 32 x 32, or of the requested size.

    Training crops come from the left 70 % of a photograph, validation crops from the next 15 %, test crops from the
    rest, so no pixel is in two splits. Neighbors of one split overlap. Each photograph gives 1,600 / 320 / 320 crops,
    on a regular grid; fewer if a part of it is hardly larger than a crop. A crop that equals another, such as a part of
    an even sky, is left out.

    Raises `InputError` for crops that do not fit into each part, and if scikit-image is not installed.
    """
    photographs = _PHOTOGRAPHS[request.name]()
    height, width = request.image_size or SIZE
    most_height = min(pixels.shape[0] for pixels in photographs.values())
    most_width = min(last - first for pixels in photographs.values() for first, last in _columns(pixels).values())
    if height > most_height or width > most_width:
        expected = f"at most {most_height}x{most_width} pixels, so that a crop fits into the part of each split"
        raise InputError("Bad `image_size`", expected=expected, received=f"{height}x{width}")
    seen = set[bytes]()
    parts = {}
    for split in BANDS:
        labels: list[int] = []

        def crops(split: str = split, labels: list[int] = labels) -> Iterator[np.ndarray]:
            for label, pixels in enumerate(photographs.values()):
                first, last = _columns(pixels)[split]
                for crop in _crops(pixels[:, first:last], (height, width), COLUMNS[split]):
                    if crop.tobytes() not in seen:
                        seen.add(crop.tobytes())
                        labels.append(label)
                        yield crop[None]

        parts[split] = Split(request.store(crops()), np.array(labels, np.int32))
    return Dataset.of(request.name, parts, tuple(photographs))


def _columns(pixels: np.ndarray) -> dict[str, tuple[int, int]]:
    """Returns split -> (first column, column after the last) of a photograph [H, W, 3]."""
    return {
        split: (round(start * pixels.shape[1]), round(end * pixels.shape[1])) for split, (start, end) in BANDS.items()
    }


def _crops(pixels: np.ndarray, size: tuple[int, int], columns: int) -> Iterator[np.ndarray]:
    """Yields crops [h, w, 3] on a regular grid, row by row."""
    for top in _places(pixels.shape[0] - size[0], ROWS):
        for left in _places(pixels.shape[1] - size[1], columns):
            yield pixels[top : top + size[0], left : left + size[1]]


def _places(room: int, count: int) -> np.ndarray:
    """Returns `count` whole numbers from 0 to `room`, evenly spaced; fewer if there are not as many."""
    return np.unique(np.linspace(0, room, count).round().astype(int))


def _of_scikit_learn() -> dict[str, np.ndarray]:
    from sklearn.datasets import load_sample_images

    found = load_sample_images()
    return {Path(name).stem: np.asarray(pixels) for name, pixels in zip(found.filenames, found.images)}


def _with_scikit_image() -> dict[str, np.ndarray]:
    place = import_extra("skimage", extra="photographs").__file__
    assert place is not None
    more = {
        name: np.asarray(images.decode_image(Path(place).parent / "data" / file).convert("RGB"))
        for name, file in _BUNDLED.items()
    }
    return _of_scikit_learn() | more


_PHOTOGRAPHS: dict[str, Callable[[], dict[str, np.ndarray]]] = {
    PHOTOS: _of_scikit_learn,
    MORE_PHOTOS: _with_scikit_image,
}
"""Name of a dataset -> function that returns its photographs by name."""
