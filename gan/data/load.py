"""load_dataset: a data set by its name, from the first source that knows it."""

import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from gan.data.dataset import Dataset
from gan.data.request import Request
from gan.data.sources.folder import load_folder
from gan.data.sources.mnist5k import EMBEDDED, load_embedded
from gan.data.sources.npz import SUFFIX, load_archive
from gan.data.sources.stacked_mnist import STACKED, load_stacked
from gan.data.sources.tfds import UnreachableError, is_catalogued, load_catalogued
from gan.errors import check

MNIST = "mnist"


class Source(NamedTuple):
    """Where data sets come from: which names it knows, and how it loads one."""

    recognises: Callable[[str], bool]
    load: Callable[[Request], Dataset]


def load_dataset(
    name: str = MNIST,
    *,
    fallback: str = EMBEDDED,
    image_size: tuple[int, int] | None = None,
    channels: int | None = None,
    corrupt_share: float = 0.01,
    memory_limit: int | None = None,
) -> Dataset:
    """Loads a data set, with its splits.

    MNIST is split 50,000 / 10,000 / 10,000 into train, validation and test; where another set has no validation or no
    test split, a sixth of its training images is held out likewise. Which ones depends on the images alone.

    Args:
        name: one of

            * `mnist5k`: 5,000 MNIST digits that are always at hand;
            * any image set of tensorflow-datasets, such as `mnist`, `fashion_mnist`, `kmnist`, `cifar10`. That library
              looks for prepared sets in the folder that the environment variable TFDS_DATA_DIR names;
            * `stacked-mnist`: three digits as RGB, 1,000 classes; see `load_stacked`;
            * a folder of pictures, each sub-folder a class, or none; see `load_folder`. `./mnist` is the folder where
              `mnist` is the set of that name;
            * an `.npz` file of arrays `images` and `labels`; see `load_archive`.
        fallback: what takes the place of `mnist`, with a warning, when it can neither be found nor downloaded:
            `mnist5k`, or `none`. The name of what was loaded is in `.name`.
        image_size: (height, width) that all images are brought to: scaled until they cover it, their middle is cut
            out. None: as they are, if they are of one size.
        channels: 1 or 3. Greyscale images become RGB; coloured ones are refused where 1 is asked for. None: as they
            are.
        corrupt_share: share of the files of a folder that may be damaged. They are left out, with a warning.
        memory_limit: bytes that the images of a split may take of the memory. Larger ones are kept in a temporary file
            (in TMPDIR), and read from there batch by batch. None: a quarter of the machine's memory.

    Raises `InputError` for an unknown name, a set that cannot be had, and images that cannot be what is asked for.
    """
    check(fallback in (EMBEDDED, "none"), "fallback", f"{EMBEDDED} or none", fallback)
    request = Request(name, fallback, image_size, channels, corrupt_share, memory_limit)
    # who knows it by its spelling comes first: asking for the names of tensorflow-datasets imports that library
    source = next(source for source in SOURCES if source.recognises(name))
    return source.load(request)


def _mnist(request: Request) -> Dataset:
    try:
        return load_catalogued(request)
    except UnreachableError as error:
        if request.fallback != EMBEDDED:
            raise
        message = f"MNIST IS NOT AT HAND: USING {EMBEDDED} (5,000 DIGITS) IN ITS PLACE. {error}"
        warnings.warn(message, stacklevel=3)
        return load_embedded(replace(request, name=EMBEDDED))


def _stacked(request: Request) -> Dataset:
    digits = _DIGITS[request.name.removeprefix(STACKED)]
    return load_stacked(request, digits(Request(request.name.removeprefix(STACKED), request.fallback)))


_DIGITS: dict[str, Callable[[Request], Dataset]] = {MNIST: _mnist, EMBEDDED: load_embedded}


def _is_spelled_as_path(name: str) -> bool:
    return name.startswith((".", "~", os.sep)) or Path(name).is_absolute()


def _is_path(name: str) -> bool:
    return Path(name).is_dir() or os.sep in name


SOURCES = (
    *(Source(digits.__eq__, load) for digits, load in _DIGITS.items()),
    *(Source((STACKED + digits).__eq__, _stacked) for digits in _DIGITS),
    Source(lambda name: name.lower().endswith(SUFFIX), load_archive),
    Source(_is_spelled_as_path, load_folder),
    Source(is_catalogued, load_catalogued),
    Source(_is_path, load_folder),
    Source(lambda name: True, load_catalogued),  # which says what there is
)
"""The first that recognises a name loads it."""
