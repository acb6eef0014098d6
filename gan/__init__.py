"""Generative adversarial networks in Keras 3 on TensorFlow.

Importing this package is fast: a name imports its module on first use. If the first such name comes before TensorFlow
and Keras, TensorFlow starts without messages.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan import config, deployment, evaluation, sampling, selection, text, tolerance
    from gan.data import images
    from gan.data.dataset import Dataset
    from gan.data.handwriting import read_digit
    from gan.data.load import load_dataset
    from gan.data.split import Split
    from gan.distributed.devices import start as start_devices
    from gan.errors import InputError
    from gan.evaluation import classifier, metrics
    from gan.evaluation import robustness as perturbation
    from gan.evaluation.classifier.extractor import load_classifier
    from gan.evaluation.evaluation import evaluate
    from gan.evaluation.projection import project
    from gan.models import augment, extra_fakes, losses, networks, optimizers, penalties
    from gan.models.gan import GAN
    from gan.models.networks.build import build_discriminator, build_generator
    from gan.models.networks.load import load_discriminator, load_generator
    from gan.sampling.interpolation import interpolate
    from gan.sampling.samples import generate, latents
    from gan.saving.engines.find import load_exported
    from gan.saving.models import list_checkpoints
    from gan.training import callbacks
    from gan.training.monitoring import Probe
    from gan.training.train import resume, train
    from gan.utils.tensorflow import start as start_tensorflow

_HOMES = {
    "GAN": "gan.models.gan",
    "Dataset": "gan.data.dataset",
    "InputError": "gan.errors",
    "Probe": "gan.training.monitoring",
    "Split": "gan.data.split",
    "build_discriminator": "gan.models.networks.build",
    "build_generator": "gan.models.networks.build",
    "evaluate": "gan.evaluation.evaluation",
    "generate": "gan.sampling.samples",
    "interpolate": "gan.sampling.interpolation",
    "latents": "gan.sampling.samples",
    "list_checkpoints": "gan.saving.models",
    "load_classifier": "gan.evaluation.classifier.extractor",
    "load_dataset": "gan.data.load",
    "load_discriminator": "gan.models.networks.load",
    "load_exported": "gan.saving.engines.find",
    "load_generator": "gan.models.networks.load",
    "project": "gan.evaluation.projection",
    "read_digit": "gan.data.handwriting",
    "resume": "gan.training.train",
    "start_devices": "gan.distributed.devices:start",
    "start_tensorflow": "gan.utils.tensorflow:start",
    "train": "gan.training.train",
}
"""Public name -> module that defines it, with `:name` if the name differs there."""

_MODULES = {
    "augment": "gan.models.augment",
    "callbacks": "gan.training.callbacks",
    "classifier": "gan.evaluation.classifier",
    "config": "gan.config",
    "evaluation": "gan.evaluation",
    "extra_fakes": "gan.models.extra_fakes",
    "images": "gan.data.images",
    "losses": "gan.models.losses",
    "metrics": "gan.evaluation.metrics",
    "networks": "gan.models.networks",
    "optimizers": "gan.models.optimizers",
    "penalties": "gan.models.penalties",
    "deployment": "gan.deployment",
    "perturbation": "gan.evaluation.robustness",
    "sampling": "gan.sampling",
    "selection": "gan.selection",
    "text": "gan.text",
    "tolerance": "gan.tolerance",
}
"""Public module -> internal module."""

_WITHOUT_KERAS = ("config", "images", "tolerance")
"""Modules that import neither TensorFlow nor Keras."""

_REGISTERED_ELSEWHERE = ("gan.evaluation.metrics",)
"""Modules with registered Keras classes that `gan.models.gan` does not import. A saved `GAN` may refer to them."""

__all__ = [  # noqa: RUF022 - in the order of first use
    "load_dataset",
    "Dataset",
    "Split",
    "build_generator",
    "build_discriminator",
    "GAN",
    "train",
    "resume",
    "Probe",
    "load_generator",
    "load_discriminator",
    "load_exported",
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
    "networks",
    "losses",
    "penalties",
    "extra_fakes",
    "augment",
    "optimizers",
    "callbacks",
    "sampling",
    "metrics",
    "classifier",
    "evaluation",
    "perturbation",
    "selection",
    "text",
    "deployment",
    "tolerance",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES and name not in _MODULES:
        raise AttributeError(f"module 'gan' has no attribute {name!r}")
    if name in _WITHOUT_KERAS:
        return import_module(_MODULES[name])
    tensorflow = import_module("gan.utils.tensorflow")
    tensorflow.check_backend()
    with tensorflow.quiet_import():
        if name in _MODULES:
            return import_module(_MODULES[name])
        if name == "GAN":
            for module in _REGISTERED_ELSEWHERE:
                import_module(module)
        module, _, attribute = _HOMES[name].partition(":")
        return getattr(import_module(module), attribute or name)


def __dir__() -> list[str]:
    return sorted(__all__)
