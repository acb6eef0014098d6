"""Loads saved generators and discriminators, and checks their inputs and outputs."""

from pathlib import Path

import keras

from gan.errors import InputError
from gan.models.networks.inputs import NetworkInputs, format_shape
from gan.models.networks.inspect import check_classes, warn_of_range
from gan.saving import models
from gan.saving.zip_safety import ModelFile


def load_generator(checkpoint: str | Path | ModelFile) -> keras.Model:
    """Loads a generator: latents float32 [B, L](, labels int32 [B]) -> images float32 [B, H, W, C] in [-1, 1].

    The file is loaded in Keras' safe mode, uncompiled.

    Args:
        checkpoint: a run folder, a `.keras` file, a pretrained name (see `list_checkpoints`), a model of the Hugging
            Face Hub as `hf://USER/NAME` (extra `hub`), or the result of `find_generator`.

    Raises `InputError` if the checkpoint does not exist, or the file is not a generator.
    """
    return models.load_model(models.find_generator(checkpoint), expected="a generator", check=_check_generator)


def load_discriminator(checkpoint: str | Path | ModelFile) -> keras.Model:
    """Loads a discriminator: images float32 [B, H, W, C] in [-1, 1](, labels int32 [B]) -> logits float32 [B, 1].

    The file is loaded in Keras' safe mode, uncompiled.

    Args:
        checkpoint: a run folder, a `.keras` file, a pretrained name with a discriminator, or the result of
            `find_discriminator`.

    Raises `InputError` if the checkpoint does not exist, or the file is not a discriminator.
    """
    found = models.find_discriminator(checkpoint)
    return models.load_model(found, expected="a discriminator", check=_check_discriminator)


def _check_generator(model: keras.Model, path: Path) -> None:
    if not (_takes(model, "latents") and [len(output.shape) for output in model.outputs] == [4]):
        raise models.not_a_generator(path, _described(model))
    check_classes("generator", NetworkInputs.of(model))
    warn_of_range(model)


def _check_discriminator(model: keras.Model, path: Path) -> None:
    if not (_takes(model, "images") and [tuple(output.shape[1:]) for output in model.outputs] == [(1,)]):
        expected = "images [B, H, W, C] in, logits [B, 1] out"
        raise InputError(
            "This model is not a discriminator", expected=expected, received=f"{path}: {_described(model)}"
        )


def _described(model: keras.Model) -> str:
    """Returns the shapes of the inputs and outputs, such as "[B, 8] in, [B, 28, 28, 1] out"."""
    inputs, outputs = getattr(model, "inputs", None) or [], getattr(model, "outputs", None) or []
    shapes = [", ".join(format_shape(tensor.shape) for tensor in tensors) for tensors in (inputs, outputs)]
    return f"{shapes[0]} in, {shapes[1]} out" if all(shapes) else "no known inputs"


def _takes(model: keras.Model, name: str) -> bool:
    """Returns whether the inputs of a network are `name` and, optionally, labels."""
    try:
        names = set(NetworkInputs.of(model).specs)
    except InputError:
        return False
    return names - {"labels"} == {name}
