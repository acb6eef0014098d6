"""Options of the training data."""

import re
from dataclasses import dataclass
from typing import Literal, TypedDict

from gan.errors import Options, check, check_share


class Loading(TypedDict):
    """Options of `load_dataset` that say how images are read."""

    image_size: tuple[int, int] | None
    channels: Literal[1, 3] | None
    corrupt_share: float


@dataclass(frozen=True)
class DataConfig(Options):
    """Options of the training data."""

    dataset: str = "mnist"
    """TensorFlow Datasets name, image folder or .npz file. Included: mnist5k (5,000 MNIST digits).

    Also `stacked-mnist`: three digits as RGB, 1,000 classes. The sub-folders of an image folder are its classes. An
    `.npz` file holds the arrays `images` and `labels`.
    """
    dataset_fallback: Literal["mnist5k", "none"] = "mnist5k"
    """Dataset to use, with a warning, if mnist is neither on disk nor downloadable. none: report an error."""
    image_size: str | None = None
    """Image size, such as 64 or 96x64 (height x width). Images are scaled, then center-cropped. None: original size."""
    channels: Literal[1, 3] | None = None
    """Image channels: 1 is gray, 3 is RGB. None: as in the dataset."""
    corrupt_share: float = 0.01
    """Largest share of damaged files in an image folder, 0 to 1. Damaged files are skipped."""

    def __post_init__(self) -> None:
        check(bool(self.dataset.strip()), "dataset", "a name", self.dataset)
        check(self.channels in (None, 1, 3), "channels", "1 or 3", self.channels)
        check_share("corrupt_share", self.corrupt_share)
        if self.image_size is not None:
            fits = re.fullmatch(r"[1-9]\d{0,3}(x[1-9]\d{0,3})?", self.image_size)
            check(fits is not None, "image_size", "a side such as 64, or height x width such as 96x64", self.image_size)

    @property
    def height_and_width(self) -> tuple[int, int] | None:
        """Image size as (height, width). None: original size."""
        if self.image_size is None:
            return None
        height, _, width = self.image_size.partition("x")
        return int(height), int(width or height)

    @property
    def loading(self) -> Loading:
        """Options of `load_dataset` that say how images are read."""
        return {
            "image_size": self.height_and_width,
            "channels": self.channels,
            "corrupt_share": self.corrupt_share,
        }
