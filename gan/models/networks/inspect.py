"""Checks of networks: whether one uses batch statistics, and whether two fit each other."""

import keras
from keras import layers

from gan.errors import InputError
from gan.models.networks.inputs import NetworkInputs


def has_batch_statistics(network: keras.Model) -> bool:
    """Returns whether the output for one sample depends on the other samples of its batch during training."""
    return any(
        isinstance(layer, layers.BatchNormalization) or (isinstance(layer, keras.Model) and has_batch_statistics(layer))
        for layer in network.layers
    )


def check_pair(generator: keras.Model, discriminator: keras.Model) -> None:
    """Raises `InputError` unless generator and discriminator have the same image shape and number of classes."""
    title = "These networks do not fit each other"
    g_inputs, d_inputs = NetworkInputs.of(generator), NetworkInputs.of(discriminator, main="images")
    shape, d_shape = generator.output_shape[1:], d_inputs.image_shape
    if shape != d_shape:
        raise InputError(
            title, expected=f"a discriminator of {shape} images", received=f"a discriminator of {d_shape} images"
        )
    classes, d_classes = g_inputs.num_classes, d_inputs.num_classes
    if classes != d_classes:
        raise InputError(
            title, expected=f"a discriminator of {classes} classes", received=f"a discriminator of {d_classes} classes"
        )
