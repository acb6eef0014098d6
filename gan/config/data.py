"""Options: what a run learns from."""

import re
from dataclasses import dataclass
from typing import Literal, TypedDict

from gan.errors import Options, check, check_share


class Loading(TypedDict):
    """How images are read: options of `load_dataset`."""

    image_size: tuple[int, int] | None
    channels: Literal[1, 3] | None
    corrupt_share: float


@dataclass(frozen=True)
class DataConfig(Options):
    """What the run learns from."""

    dataset: str = "mnist"
    """mnist5k (5,000 digits, always at hand), a set of tensorflow-datasets (mnist, cifar10, ...), stacked-mnist, a
    folder of pictures (its sub-folders are classes) or an .npz file."""
    dataset_fallback: Literal["mnist5k", "none"] = "mnist5k"
    """What takes the place of mnist where it is not prepared and its host does not answer."""
    image_size: str | None = None
    """Size that pictures are brought to, such as 64 or 96x64 (height x width); None: as they are."""
    channels: Literal[1, 3] | None = None
    """Grey or colour; None: as the pictures are."""
    corrupt_share: float = 0.01
    """Share of a folder's files that may be damaged; they are left out."""

    def __post_init__(self) -> None:
        check(bool(self.dataset.strip()), "dataset", "a name", self.dataset)
        check(self.channels in (None, 1, 3), "channels", "1 or 3", self.channels)
        check_share("corrupt_share", self.corrupt_share)
        if self.image_size is not None:
            fits = re.fullmatch(r"[1-9]\d{0,3}(x[1-9]\d{0,3})?", self.image_size)
            check(fits is not None, "image_size", "a side such as 64, or height x width such as 96x64", self.image_size)

    @property
    def height_and_width(self) -> tuple[int, int] | None:
        """The size that pictures are brought to; None: as they are."""
        if self.image_size is None:
            return None
        height, _, width = self.image_size.partition("x")
        return int(height), int(width or height)

    @property
    def loading(self) -> Loading:
        """How images are read: options of `load_dataset`."""
        return {
            "image_size": self.height_and_width,
            "channels": self.channels,
            "corrupt_share": self.corrupt_share,
        }
