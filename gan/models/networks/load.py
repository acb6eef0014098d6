"""Loads saved generators and discriminators, and checks that they are such."""

from pathlib import Path

import keras

from gan.errors import InputError
from gan.models.networks.inputs import NetworkInputs
from gan.saving import models
from gan.saving.zip_safety import ModelFile


def load_generator(checkpoint: str | Path | ModelFile) -> keras.Model:
    """Loads a generator: latents float32 [B, L](, labels int32 [B]) -> images float32 [B, H, W, C] in [-1, 1].

    Args:
        checkpoint: a run folder, a `.keras` file, or the name of a pretrained one (see `list_checkpoints`); or what
            `find_generator` found.

    Loads in Keras' safe mode. Raises `InputError` for a path that does not exist, or a file that is no generator.
    """
    return models.load_model(models.find_generator(checkpoint), expected="a generator", check=_check_generator)


def load_discriminator(checkpoint: str | Path | ModelFile) -> keras.Model:
    """Loads a discriminator: images float32 [B, H, W, C] in [-1, 1](, labels int32 [B]) -> logits float32 [B, 1].

    Args:
        checkpoint: a run folder, a `.keras` file, or the name of a pretrained one that has a discriminator; or what
            `find_discriminator` found.

    Loads in Keras' safe mode. Raises `InputError` for a path that does not exist, or a file that is no discriminator.
    """
    found = models.find_discriminator(checkpoint)
    return models.load_model(found, expected="a discriminator", check=_check_discriminator)


def _check_generator(model: keras.Model, path: Path) -> None:
    if not (_takes(model, "latents") and [len(output.shape) for output in model.outputs] == [4]):
        raise models.no_generator(path)


def _check_discriminator(model: keras.Model, path: Path) -> None:
    if not (_takes(model, "images") and [tuple(output.shape[1:]) for output in model.outputs] == [(1,)]):
        expected = "images [B, H, W, C] in, logits [B, 1] out"
        raise InputError("This model is no discriminator", expected=expected, received=str(path))


def _takes(model: keras.Model, name: str) -> bool:
    """Whether a network takes what is called `name`, and nothing else but labels."""
    try:
        names = set(NetworkInputs.of(model).specs)
    except InputError:
        return False
    return names - {"labels"} == {name}
