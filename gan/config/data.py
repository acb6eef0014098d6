"""Options of the training data."""

import operator
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from numbers import Integral
from pathlib import Path
from typing import Any, Literal, SupportsIndex, TypeAlias, TypedDict

from PIL import ImageColor

from gan.config.fields import convert_fields
from gan.errors import Options, check, check_share, is_number

LARGEST_SIDE = 4_096
"""Largest height and width of an image, in pixels."""


GivenOptions: TypeAlias = dict[str, Any]
"""Options by name, each of its own type, as `dataclasses.replace` takes them."""


class Loading(TypedDict):
    """Options of `load_dataset` that say how images are read."""

    image_size: tuple[int, int] | None
    channels: Literal[1, 3] | None
    background: str | None
    pixel_range: tuple[float, float] | None
    corrupt_share: float


@dataclass(frozen=True)
class DataConfig(Options):
    """Options of the training data."""

    dataset: str = "mnist"
    """TensorFlow Datasets name, folder, .zip, .csv, .npz or .npy. Included: mnist5k (5,000 MNIST digits).

    Also `stacked-mnist`: three digits as RGB, 1,000 classes. The sub-folders of an image folder are its classes. An
    `.npz` file holds the arrays `images` and `labels`.
    """
    dataset_fallback: Literal["mnist5k", "none"] = "mnist5k"
    """Dataset to use, with a warning, if mnist is neither on disk nor downloadable. none: report an error."""
    image_size: str | None = None
    """Image size, such as 64 or 96x64 (height x width). Images are scaled, then center-cropped. None: original size.

    In Python also 64 or (96, 64).
    """
    channels: Literal[1, 3] | None = None
    """Image channels: 1 converts color to gray, 3 converts gray to RGB. None: as in the dataset."""
    background: str | None = None
    """Color of transparent parts, such as white or #ff8000. None: black, with a warning."""
    pixel_range: tuple[float, float] | None = None
    """Values of the files that become black and white, such as 0 4095 for 12 bits. None: 8 or 16 bits."""
    corrupt_share: float = 0.01
    """Largest share of unreadable files in an image folder, 0 to 1. They are skipped."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "dataset", path_name(self.dataset))
        object.__setattr__(self, "image_size", _written(height_and_width(self.image_size)))
        convert_fields(self)
        check(bool(self.dataset.strip()), "dataset", "a name", self.dataset)
        check(_is_text(self.dataset), "dataset", "a name without halves of characters", self.dataset)
        check_background(self.background)
        check_pixel_range(self.pixel_range)
        check_share("corrupt_share", self.corrupt_share)

    @property
    def height_and_width(self) -> tuple[int, int] | None:
        """Image size as (height, width). None: original size."""
        return height_and_width(self.image_size)

    @property
    def loading(self) -> Loading:
        """Options of `load_dataset` that say how images are read."""
        return {
            "image_size": self.height_and_width,
            "channels": self.channels,
            "background": self.background,
            "pixel_range": self.pixel_range,
            "corrupt_share": self.corrupt_share,
        }


@dataclass(frozen=True)
class ReadingOptions(Options):
    """How a command reads the images of a data set beside a generator. None: as in the training of the generator."""

    image_size: str | None = None
    """Image size, such as 64 or 96x64 (height x width). None: as in the training."""
    channels: Literal[1, 3] | None = None
    """Image channels: 1 converts color to gray, 3 converts gray to RGB. None: as in the training."""
    background: str | None = None
    """Color of transparent parts, such as white or #ff8000. None: as in the training."""
    pixel_range: tuple[float, float] | None = None
    """Values of the files that become black and white, such as 0 4095 for 12 bits. None: as in the training."""
    corrupt_share: float | None = None
    """Largest share of unreadable files in an image folder, 0 to 1. None: as in the training."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "image_size", _written(height_and_width(self.image_size)))
        convert_fields(self)
        self.over(DataConfig())  # checks the values

    @property
    def given(self) -> GivenOptions:
        """The options that are not None."""
        return {part.name: getattr(self, part.name) for part in fields(self) if getattr(self, part.name) is not None}

    def over(self, data: DataConfig | None, dataset: str | None = None) -> DataConfig:
        """Returns the options of a training with these in their place, and the name of the data set.

        data: None: the options of the training are not known. dataset: None: that of the training. The result has no
        fallback: what a command compares with is what was asked for.
        """
        data = data or DataConfig()
        return replace(data, dataset=dataset or data.dataset, dataset_fallback="none", **self.given)


def _is_text(name: str) -> bool:
    """Returns whether a name has no lone surrogates, except for bytes of a file name that is not UTF-8."""
    try:
        name.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def path_name(dataset: str | os.PathLike[str]) -> str:
    """Returns the name of a dataset. A path (`pathlib.Path`) stays a path: `Path("mnist")` becomes `./mnist`."""
    if not isinstance(dataset, os.PathLike):
        check(isinstance(dataset, str), "dataset", "a name or a path", dataset)
        return dataset
    name = os.fspath(dataset)
    check(isinstance(name, str), "dataset", "a name or a path", dataset)
    return name if Path(name).is_absolute() or name.startswith((".", "~")) else f".{os.sep}{name}"


def height_and_width(size: int | str | Sequence[int] | None) -> tuple[int, int] | None:
    """Returns (height, width) in pixels from 64, "64", "96x64" (height x width), (96, 64), or None.

    Raises `InputError` for other values.
    """
    expected = f"a side such as 64, or height x width such as 96x64 or (96, 64), each from 1 to {LARGEST_SIDE}"
    if size is None:
        return None
    sides: Sequence[SupportsIndex]
    if isinstance(size, str):
        found = re.fullmatch(r"\s*([1-9][0-9]{0,3})(?:\s*[xX\u00d7]\s*([1-9][0-9]{0,3}))?\s*", size)
        check(found is not None, "image_size", expected, size)
        sides = (int(found[1]), int(found[2] or found[1])) if found else ()
    elif isinstance(size, Sequence) or getattr(size, "ndim", 0) == 1:
        sides = list(size)  # type: ignore[arg-type]
    else:
        sides = (size, size)
    check(len(sides) == 2 and all(map(_is_side, sides)), "image_size", expected, size)
    height, width = map(operator.index, sides)
    return height, width


def _is_side(side: object) -> bool:
    return isinstance(side, Integral) and not isinstance(side, bool) and 1 <= int(side) <= LARGEST_SIDE


def _written(size: tuple[int, int] | None) -> str | None:
    if size is None:
        return None
    return str(size[0]) if size[0] == size[1] else f"{size[0]}x{size[1]}"


def check_background(color: str | None) -> None:
    """Raises `InputError` unless `color` is None or an opaque color that Pillow knows."""
    expected = "a color such as black, white or #ff8000"
    try:
        known = color is None or (isinstance(color, str) and len(ImageColor.getrgb(color)) == 3)
    except ValueError:
        known = False
    check(known, "background", expected, color)


def check_pixel_range(limits: Sequence[float] | None) -> None:
    """Raises `InputError` unless `limits` is None or two finite numbers (low, high) with low < high."""
    if limits is not None:
        fits = isinstance(limits, (tuple, list)) and len(limits) == 2 and all(map(is_number, limits))
        fits = fits and -1e300 < limits[0] < limits[1] < 1e300
        check(fits, "pixel_range", "two numbers, the lower first, such as 0 4095", limits)
