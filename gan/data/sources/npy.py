"""Loads images from `.npy` files, which hold one array each."""

from pathlib import Path

import numpy as np

from gan.data import storage
from gan.data.dataset import Dataset
from gan.data.request import Request
from gan.data.sources.npz import LAYOUTS, with_channels
from gan.data.split import Split
from gan.data.validation import check_labels, check_layout, check_pixels
from gan.errors import InputError

NPY = ".npy"


def load_array(request: Request) -> Dataset:
    """Loads the images of a `.npy` file, and the arrays beside it that complete one of the `LAYOUTS`.

    So `images.npy` takes its labels from `labels.npy`, and `x_train.npy` from `y_train.npy`, with the test images in
    `x_test.npy` if there are any. An array with another name has no labels. For types and shapes see `load_archive`.

    Raises `InputError` for other arrays and for a damaged file.
    """
    path = Path(request.name).expanduser().absolute()
    if not path.is_file():
        raise InputError("No such array of images", expected=f"an {NPY} file", received=request.name)
    beside = {file.stem: file for file in path.parent.iterdir() if file.suffix.lower() == NPY}
    layout = next((layout for layout in LAYOUTS if layout["train"][0] == path.stem), {"train": (path.stem, "")})
    parts = {}
    for split, (images, labels) in layout.items():
        if images in beside:
            pixels = _images(beside[images], request)
            known = check_labels(_read(beside[labels]), len(pixels), labels) if labels in beside else None
            parts[split] = Split(pixels, known)
    return Dataset.of(str(path), parts)


def _images(file: Path, request: Request) -> np.ndarray:
    array = _read(file)
    check_layout(array.shape, file.stem)
    if request.pixel_range is None or array.dtype.kind not in "fiub":
        array = check_pixels(array, file.stem)
    return request.store(with_channels(storage.in_chunks(array)))


def _read(file: Path) -> np.ndarray:
    """Opens an array without unpickling and without reading all of it."""
    try:
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        objects = "objects" in str(error) or "allow_pickle" in str(error)
        raise InputError(
            f"This {NPY} file cannot be read",
            expected="a file written by numpy.save, of numbers",
            received=f"{file}{': Python objects, which are never unpickled' if objects else ', which is damaged'}",
        ) from error
