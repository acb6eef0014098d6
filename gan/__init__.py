"""Generative adversarial networks in Keras 3 on TensorFlow. Importing this costs nothing; names load what they need."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan.checkpoints import list_checkpoints, load_generator
    from gan.classifier import load_classifier
    from gan.data import Dataset, Split, load_dataset
    from gan.errors import InputError
    from gan.evaluation import evaluate
    from gan.model import GAN
    from gan.networks import build_discriminator, build_generator
    from gan.projection import project
    from gan.sampling import generate, interpolate, latents
    from gan.training import resume, train

_HOME = {
    "GAN": "gan.model",
    "Dataset": "gan.data",
    "InputError": "gan.errors",
    "Split": "gan.data",
    "build_discriminator": "gan.networks",
    "build_generator": "gan.networks",
    "evaluate": "gan.evaluation",
    "generate": "gan.sampling",
    "interpolate": "gan.sampling",
    "latents": "gan.sampling",
    "list_checkpoints": "gan.checkpoints",
    "load_classifier": "gan.classifier",
    "load_dataset": "gan.data",
    "load_generator": "gan.checkpoints",
    "project": "gan.projection",
    "resume": "gan.training",
    "train": "gan.training",
}

__all__ = [  # noqa: RUF022 - in the order in which one meets them
    "load_dataset",
    "Dataset",
    "Split",
    "build_generator",
    "build_discriminator",
    "GAN",
    "train",
    "resume",
    "load_generator",
    "list_checkpoints",
    "generate",
    "interpolate",
    "latents",
    "project",
    "load_classifier",
    "evaluate",
    "InputError",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        import_module("gan.runtime").check_backend()
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'gan' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
