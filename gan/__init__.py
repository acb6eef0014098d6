"""Generative adversarial networks in Keras 3 on TensorFlow. Importing this costs nothing; names load what they need."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan.checkpoints import list_checkpoints, load_generator
    from gan.classifier import load_classifier
    from gan.data import Dataset, Split, load_dataset
    from gan.devices import start as start_devices
    from gan.errors import InputError
    from gan.evaluation import evaluate
    from gan.handwriting import read_digit
    from gan.model import GAN
    from gan.networks import build_discriminator, build_generator
    from gan.projection import project
    from gan.runtime import start as start_tensorflow
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
    "read_digit": "gan.handwriting",
    "resume": "gan.training",
    "start_devices": "gan.devices:start",
    "start_tensorflow": "gan.runtime:start",
    "train": "gan.training",
}
"""Public name -> the module that has it, with `:name` where it has another name there."""

_MODULES = {
    "augment": "gan.augment",
    "callbacks": "gan.callbacks",
    "classifier": "gan.classifier",
    "config": "gan.config",
    "evaluation": "gan.evaluation",
    "images": "gan.images",
    "losses": "gan.losses",
    "metrics": "gan.metrics",
    "networks": "gan.networks",
    "optimizers": "gan.optimizers",
    "penalties": "gan.penalties",
    "perturbation": "gan.perturbation",
    "sampling": "gan.sampling",
    "tolerance": "gan.tolerance",
}
"""Public module -> where it is."""

_WITHOUT_KERAS = ("config", "images", "tolerance")

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
    "read_digit",
    "evaluate",
    "start_tensorflow",
    "start_devices",
    "InputError",
    "config",
    "images",
    "losses",
    "penalties",
    "augment",
    "networks",
    "optimizers",
    "callbacks",
    "sampling",
    "metrics",
    "classifier",
    "perturbation",
    "tolerance",
    "evaluation",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME and name not in _MODULES:
        raise AttributeError(f"module 'gan' has no attribute {name!r}")
    if name not in _WITHOUT_KERAS:
        import_module("gan.runtime").check_backend()
    if name in _MODULES:
        return import_module(_MODULES[name])
    module, _, attribute = _HOME[name].partition(":")
    return getattr(import_module(module), attribute or name)


def __dir__() -> list[str]:
    return sorted(__all__)
