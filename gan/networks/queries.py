"""What a network, also one from a bare file, tells of itself."""

import keras
from keras import layers

from gan.networks.conditioning import LABEL_EMBEDDING


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
