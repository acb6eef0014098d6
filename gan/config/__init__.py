"""Options of training runs and classifiers, as frozen dataclasses, and the presets. Imports no TensorFlow."""

from gan.config.batch_scale import BatchScale
from gan.config.classifier import CLASSIFIERS, ClassifierConfig
from gan.config.data import DataConfig, ReadingOptions
from gan.config.model import Arch, Augmentation, Conditioning, ModelConfig, Norm
from gan.config.optimization import Loss, OptimizationConfig, PenaltyName
from gan.config.presets import PRESETS
from gan.config.stopping import StoppingConfig
from gan.config.train import Jit, Precision, TrainConfig, config_from_dict

__all__ = [
    "CLASSIFIERS",
    "PRESETS",
    "Arch",
    "Augmentation",
    "BatchScale",
    "ClassifierConfig",
    "Conditioning",
    "DataConfig",
    "Jit",
    "Loss",
    "ModelConfig",
    "Norm",
    "OptimizationConfig",
    "PenaltyName",
    "Precision",
    "ReadingOptions",
    "StoppingConfig",
    "TrainConfig",
    "config_from_dict",
]
