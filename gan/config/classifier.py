"""Options of classifiers, and their recipes."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gan.errors import check_positive, check_seed, check_whole


@dataclass(frozen=True)
class ClassifierConfig:
    """Training of a classifier. The defaults are the preset `mnist-classifier`, which reports."""

    dataset: str = "mnist"
    """mnist5k or an image set of tensorflow-datasets with labels."""
    width: int = 32
    """Filters of the first of three stages; each next has twice as many."""
    blocks: int = 2
    """Convolutions in a stage."""
    epochs: int = 14
    """Passes over the training images."""
    batch_size: int = 128
    """Images in a step."""
    learning_rate: float = 2e-3
    """Adam's learning rate at the start of a cosine decay."""
    seed: int = 0
    """Seed of every random number."""

    def __post_init__(self) -> None:
        for name in ("width", "blocks", "epochs", "batch_size"):
            check_whole(name, getattr(self, name), 1)
        check_positive("learning_rate", self.learning_rate)
        check_seed(self.seed)


CLASSIFIERS: Mapping[str, ClassifierConfig] = MappingProxyType(
    {"mnist-classifier": ClassifierConfig(), "mnist-probe": ClassifierConfig(width=12, blocks=1)}
)
"""Recipes by name: `gan train-classifier NAME`. The probe is the small fast one, for selection during training."""
