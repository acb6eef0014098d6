"""Options of a classifier's training, and its presets."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gan.config.fields import convert_fields
from gan.errors import check_positive, check_seed, check_whole


@dataclass(frozen=True)
class ClassifierConfig:
    """Training options of a classifier. The defaults are the preset `mnist-classifier`, which is used in reports."""

    dataset: str = "mnist"
    """Labeled dataset: mnist5k, or the name of an image dataset in TensorFlow Datasets."""
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

    def __post_init__(self) -> None:
        convert_fields(self)
        for name in ("width", "blocks", "epochs", "batch_size"):
            check_whole(name, getattr(self, name), 1)
        check_positive("learning_rate", self.learning_rate)
        check_seed(self.seed)


CLASSIFIERS: Mapping[str, ClassifierConfig] = MappingProxyType(
    {"mnist-classifier": ClassifierConfig(), "mnist-probe": ClassifierConfig(width=12, blocks=1)}
)
"""Presets by name: `gan train-classifier NAME`. `mnist-probe` is small and fast, for use while a GAN trains."""
