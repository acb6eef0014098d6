"""Reads facts from a network: number of classes, length of its latents, whether it has batch statistics."""

import keras
from keras import layers

from gan.errors import InputError
from gan.models.networks.conditioning import LABEL_EMBEDDING


def num_classes(network: keras.Model) -> int:
    """How many labels a network distinguishes; 0 when it takes none."""
    for layer in network.layers:
        if layer.name == LABEL_EMBEDDING:
            return layer.units if isinstance(layer, layers.Dense) else layer.input_dim
    return 0


def has_batch_statistics(network: keras.Model) -> bool:
    """Whether one sample's output depends on the others of its batch during training."""
    return any(
        isinstance(layer, layers.BatchNormalization) or (isinstance(layer, keras.Model) and has_batch_statistics(layer))
        for layer in network.layers
    )


def check_pair(generator: keras.Model, discriminator: keras.Model) -> None:
    """Raises `InputError` unless the discriminator takes what the generator makes, and knows as many classes."""
    title = "These networks do not fit each other"
    made, taken = (tuple(tensors[0].shape[1:]) for tensors in (generator.outputs, discriminator.inputs))
    if made != taken:
        raise InputError(title, expected=f"a discriminator of {made} images", received=f"one of {taken}")
    classes, known = num_classes(generator), num_classes(discriminator)
    if classes != known:
        raise InputError(title, expected=f"a discriminator of {classes} classes", received=f"one of {known}")


def latent_dim(generator: keras.Model) -> int:
    """Length of the latent vectors that a generator takes."""
    return int(generator.inputs[0].shape[-1])
