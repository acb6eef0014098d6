"""Generators and discriminators as functional Keras models for any image size, one file per architecture.

Generators use only built-in layers. A saved generator therefore loads with plain Keras, in safe mode, without this
package. The same holds for discriminators without spectral normalization and without dropout.
"""

from gan.models.networks.build import DISCRIMINATORS, GENERATORS, build_discriminator, build_generator
from gan.models.networks.conditioning import CONDITIONINGS, LABEL_EMBEDDING
from gan.models.networks.inputs import NetworkInputs
from gan.models.networks.inspect import check_pair, draws_random_numbers, has_batch_statistics
from gan.models.networks.norms import NORMS
from gan.models.networks.sizes import downsamplings, stage_sizes, upsamplings
from gan.models.networks.stages import list_stages, trained_variables

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
    "draws_random_numbers",
    "has_batch_statistics",
    "list_stages",
    "stage_sizes",
    "trained_variables",
    "upsamplings",
]
