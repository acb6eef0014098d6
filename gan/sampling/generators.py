"""What counts as a generator: a network, a GAN, or a place where one is saved."""

import os
from typing import Annotated

import keras

from gan.errors import InputError
from gan.models.gan import GAN
from gan.models.networks.inputs import NetworkInputs
from gan.models.networks.load import load_generator
from gan.saving.zip_safety import ModelFile

GeneratorLike = Annotated[
    keras.Model | str | os.PathLike[str] | ModelFile,
    "a generator, a GAN, a run folder, a .keras file or a pretrained name",
]
"""A generator, a GAN (its averaged generator is meant), or what `load_generator` loads."""


def as_generator(given: GeneratorLike) -> keras.Model:
    """Returns the generator that is given: the network itself, the averaged generator of a GAN, or a loaded one.

    Raises `InputError` for a network that does not take latents, such as a discriminator, and as `load_generator` does.
    """
    if isinstance(given, (str, os.PathLike, ModelFile)):
        return load_generator(given if isinstance(given, ModelFile) else os.fspath(given))
    network = given.generator_ema if isinstance(given, GAN) else given
    inputs = NetworkInputs.of(network)
    if "latents" not in inputs.specs or len(network.outputs) != 1:
        raise InputError(
            "This model is not a generator",
            expected="latents [B, L] in, images [B, H, W, C] out",
            received=f"{network.name}: {inputs} in, {len(network.outputs)} out",
        )
    return network
