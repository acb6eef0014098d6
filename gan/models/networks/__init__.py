"""Generators and discriminators as functional Keras models of any size: a file per architecture, and what they share.

Generators consist of built-in layers only, so a saved one loads with plain Keras, in safe mode, where this package is
not installed. So do discriminators, unless they are spectrally normalised or have dropout.
"""

from gan.models.networks.build import DISCRIMINATORS, GENERATORS, build_discriminator, build_generator
from gan.models.networks.conditioning import CONDITIONINGS, LABEL_EMBEDDING
from gan.models.networks.inputs import NetworkInputs
from gan.models.networks.inspect import check_pair, has_batch_statistics
from gan.models.networks.norms import NORMS
from gan.models.networks.sizes import downsamplings, stage_sizes, upsamplings

__all__ = [
    "CONDITIONINGS",
    "DISCRIMINATORS",
    "GENERATORS",
    "LABEL_EMBEDDING",
    "NORMS",
    "NetworkInputs",
    "build_discriminator",
    "build_generator",
    "check_pair",
    "downsamplings",
    "has_batch_statistics",
    "stage_sizes",
    "upsamplings",
]
