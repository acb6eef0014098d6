"""Reads facts from networks: whether one has batch statistics, and whether two fit each other."""

import keras
from keras import layers

from gan.errors import InputError
from gan.models.networks.inputs import NetworkInputs


def has_batch_statistics(network: keras.Model) -> bool:
    """Whether one sample's output depends on the others of its batch during training."""
    return any(
        isinstance(layer, layers.BatchNormalization) or (isinstance(layer, keras.Model) and has_batch_statistics(layer))
        for layer in network.layers
    )


def check_pair(generator: keras.Model, discriminator: keras.Model) -> None:
    """Raises `InputError` unless the discriminator takes what the generator makes, and knows as many classes."""
    title = "These networks do not fit each other"
    of_generator, of_discriminator = NetworkInputs.of(generator), NetworkInputs.of(discriminator, main="images")
    made, taken = generator.output_shape[1:], of_discriminator.image_shape
    if made != taken:
        raise InputError(title, expected=f"a discriminator of {made} images", received=f"one of {taken}")
    classes, known = of_generator.num_classes, of_discriminator.num_classes
    if classes != known:
        raise InputError(title, expected=f"a discriminator of {classes} classes", received=f"one of {known}")
