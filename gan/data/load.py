"""Loads a dataset by name, from the first source that recognizes the name."""

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

import tensorflow as tf

from gan.config.data import height_and_width, path_name
from gan.data.dataset import Arrays, Dataset
from gan.data.request import Request
from gan.data.sources.emoji import load_emoji
from gan.data.sources.emoji_set import is_emoji
from gan.data.sources.folder import load_folder, load_labeled
from gan.data.sources.mnist5k import EMBEDDED, load_embedded
from gan.data.sources.npy import NPY, load_array
from gan.data.sources.npz import SUFFIX, load_archive
from gan.data.sources.photos import MORE_PHOTOS, PHOTOS, load_photos
from gan.data.sources.stacked_mnist import STACKED, load_stacked
from gan.data.sources.tfds import UnreachableError, is_catalogued, load_catalogued
from gan.data.sources.zip_folder import ZIP, load_zip
from gan.errors import InputError, check, check_whole
from gan.utils.types import Tensor

MNIST = "mnist"


class Source(NamedTuple):
    """A source of datasets: a function that recognizes names, and a loader."""

    recognizes: Callable[[str], bool]
    load: Callable[[Request], Dataset]


def load_dataset(
    name: str | os.PathLike[str] = MNIST,
    *,
    fallback: str = EMBEDDED,
    image_size: int | str | Sequence[int] | None = None,
    channels: int | None = None,
    background: str | None = None,
    pixel_range: tuple[float, float] | None = None,
    corrupt_share: float = 0.01,
    memory_limit: int | None = None,
) -> Dataset:
    """Loads a dataset with its training, validation and test splits.

    MNIST is split 50,000 / 10,000 / 10,000. If another dataset has no validation split or no test split, a sixth of its
    training images is held out for each missing split. The choice depends on the images alone.

    Args:
        name: a path (`pathlib.Path`), or text that is one of

            * `mnist5k`: 5,000 MNIST digits that come with the package and need no download.
            * Any image dataset of tensorflow-datasets, such as `mnist`, `fashion_mnist`, `kmnist` or `cifar10`. That
              library looks for prepared datasets in the folder of the environment variable TFDS_DATA_DIR.
            * `stacked-mnist`: three digits as RGB, 1,000 classes; see `load_stacked`.
            * `emoji`: drawings of emoji in color, 32 x 32 pixels, one class for each category. `emoji-64` has 64 x 64,
              and so on from 16 to 256. The command `gan data emoji` draws them once; see `load_emoji`.
            * `photos`: crops of two photographs, which need no download, and `photos-6`; see `load_photos`.
            * A folder of images, with a sub-folder for each class or without classes; see `load_folder`. `./mnist` is
              the folder, `mnist` is the dataset. A `.zip` file of such a folder.
            * A `.csv` file that labels images; see `load_labeled`.
            * An `.npz` file with the arrays `images` and `labels`, perhaps also `class_names`; see `load_archive`.
            * An `.npy` file; see `load_array`.
        fallback: dataset to use instead of `mnist`, with a warning, when `mnist` can be neither found nor downloaded:
            `mnist5k` or `none`. The attribute `name` of the result is the name of the loaded dataset.
        image_size: (height, width) of all images, one number for a square, or text such as "96x64". Images are scaled
            until they cover it and cropped to the center. None: keep the size, which must be the same for all images.
        channels: 1 or 3. For 3, grayscale images become RGB. For 1, color becomes luma. None: keep the channels.
        background: color of transparent parts, a name or #rrggbb. None: black, with a warning.
        pixel_range: (low, high), the values in the files that become 0 and 255; values outside are clipped. None: 8 or
            16 bits.
        corrupt_share: largest fraction of unreadable files in a folder, from 0 to 1. They are skipped with a warning.
        memory_limit: memory in bytes for the images of a split. Larger splits are stored in a temporary file (in
            TMPDIR) and read batch by batch. None: a quarter of the machine's memory.

    Raises `InputError` for an unknown name, for a dataset that is not available, and for images that do not meet the
    options.
    """
    name = path_name(name)
    check(bool(name.strip()), "dataset", "a name or a path", name)
    check(isinstance(fallback, str) and fallback in (EMBEDDED, "none"), "fallback", f"{EMBEDDED} or none", fallback)
    if memory_limit is not None:
        check_whole("memory_limit", memory_limit, 0, 2**63 - 1)
    size = height_and_width(image_size)
    request = Request(name, fallback, size, channels, background, pixel_range, corrupt_share, memory_limit)
    # sources that only look at the spelling come first, since the others import tensorflow-datasets
    source = next(source for source in SOURCES if source.recognizes(name))
    return source.load(request)


DatasetLike: TypeAlias = Dataset | str | os.PathLike[str] | Arrays | Tensor
"""What `as_dataset` converts to a dataset."""


def as_dataset(data: DatasetLike) -> Dataset:
    """Returns the dataset that `data` is or holds.

    Args:
        data: a `Dataset`, arrays (images, labels), images alone, a `tf.data.Dataset`, or what `load_dataset` loads.
            Also what `keras.datasets` load: ((images, labels), (test images, test labels)).

    Raises the errors of `Dataset.from_arrays`, `Dataset.from_tf` and `load_dataset`.
    """
    if isinstance(data, Dataset):
        return data
    if isinstance(data, (str, os.PathLike)):
        return load_dataset(data)
    if isinstance(data, tf.data.Dataset):
        return Dataset.from_tf(data)
    if isinstance(data, tuple) and len(data) == 2 and all(isinstance(part, tuple) and len(part) == 2 for part in data):
        return Dataset.from_arrays(*data[0], test=data[1])
    if isinstance(data, (tuple, list)) and len(data) == 2:
        return Dataset.from_arrays(data[0], data[1])
    if hasattr(data, "__array__") or isinstance(data, list):
        return Dataset.from_arrays(data)
    expected = "a Dataset, the name or folder of a dataset, arrays (images, labels), or a tf.data.Dataset"
    raise InputError("Bad `dataset`", expected=expected, received=type(data).__name__)


def _mnist(request: Request) -> Dataset:
    try:
        return load_catalogued(request)
    except UnreachableError as error:
        if request.fallback != EMBEDDED:
            raise
        message = f"MNIST IS NOT AVAILABLE: USING {EMBEDDED} (5,000 DIGITS) INSTEAD. {error}"
        warnings.warn(message, stacklevel=3)
        return load_embedded(replace(request, name=EMBEDDED))


def _stacked(request: Request) -> Dataset:
    digits = _DIGITS[request.name.removeprefix(STACKED)]
    return load_stacked(request, digits(Request(request.name.removeprefix(STACKED), request.fallback)))


_DIGITS: dict[str, Callable[[Request], Dataset]] = {MNIST: _mnist, EMBEDDED: load_embedded}


def _is_spelled_as_path(name: str) -> bool:
    return name.startswith((".", "~", os.sep)) or Path(name).is_absolute()


def _is_path(name: str) -> bool:
    return os.path.exists(name) or os.sep in name  # noqa: PTH110 - Path.exists raises an error for a long name


def _has_suffix(suffix: str, name: str) -> bool:
    return name.lower().endswith(suffix) and not os.path.isdir(name)  # noqa: PTH112 - a folder may be called photos.zip


_FILES: dict[str, Callable[[Request], Dataset]] = {
    SUFFIX: load_archive,
    NPY: load_array,
    ZIP: load_zip,
    ".csv": load_labeled,
}
"""Suffix in lower case -> loader."""

SOURCES = (
    *(Source(digits.__eq__, load) for digits, load in _DIGITS.items()),
    *(Source((STACKED + digits).__eq__, _stacked) for digits in _DIGITS),
    Source(is_emoji, load_emoji),
    *(Source(name.__eq__, load_photos) for name in (PHOTOS, MORE_PHOTOS)),
    *(Source(partial(_has_suffix, suffix), load) for suffix, load in _FILES.items()),
    Source(_is_spelled_as_path, load_folder),
    Source(is_catalogued, load_catalogued),
    Source(_is_path, load_folder),
    Source(lambda name: True, load_catalogued),  # raises an error that lists similar names
)
"""Sources in order. The first one that recognizes a name loads the dataset."""
