"""Options of a classifier's training, and its presets."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Literal

from gan.config.data import DataConfig
from gan.errors import check_positive, check_seed, check_share, check_whole


@dataclass(frozen=True)
class ClassifierConfig(DataConfig):
    """Training options of a classifier. The defaults are the preset `mnist-classifier`, which is used in reports.

    The first ones are those of its data, which must have labels.
    """

    dataset_fallback: Literal["mnist5k", "none"] = "none"
    """Dataset to use, with a warning, if mnist is neither on disk nor downloadable. none: report an error."""
    width: int = 32
    """Filters of the first of three convolutional stages. Each next stage has twice as many."""
    blocks: int = 2
    """Convolutions per stage."""
    epochs: int = 14
    """Passes over the training split."""
    batch_size: int = 128
    """Images per step."""
    learning_rate: float = 2e-3
    """Initial learning rate of Adam. It decays to 1 % along a cosine."""
    seed: int = 0
    """Seed of all random numbers: initial weights, data order, distortions."""
    tolerance: float | None = None
    """Stop when test images confirm that the error rate is at most this, from 0 to 1. None: never.

    An epoch is nominated when the upper bound of its error rate on the validation split is within the tolerance. Test
    images that no earlier confirmation used then confirm it; otherwise the training continues.
    """

    @property
    def data(self) -> DataConfig:
        """Options of the data."""
        return DataConfig(**{option.name: getattr(self, option.name) for option in fields(DataConfig)})

    def __post_init__(self) -> None:
        super().__post_init__()  # converts all fields, and checks the options of the data
        for name in ("width", "blocks", "epochs", "batch_size"):
            check_whole(name, getattr(self, name), 1)
        check_positive("learning_rate", self.learning_rate)
        check_seed(self.seed)
        if self.tolerance is not None:
            check_share("tolerance", self.tolerance)


CLASSIFIERS: Mapping[str, ClassifierConfig] = MappingProxyType(
    {"mnist-classifier": ClassifierConfig(), "mnist-probe": ClassifierConfig(width=12, blocks=1)}
)
"""Presets by name: `gan train-classifier NAME`. `mnist-probe` is small and fast, for use while a GAN trains."""
