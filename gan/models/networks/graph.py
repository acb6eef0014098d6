"""The graph of a network: what reads its labels, and which activation makes its output."""

from collections.abc import Iterator

import keras
from keras import layers

from gan.models.networks.conditioning import LABEL_EMBEDDING
from gan.utils.types import Tensor

_SHAPE_ONLY = (layers.Reshape, layers.Flatten, layers.Identity, layers.Permute, layers.Dropout)
"""Layers that keep the range of their input."""


def classes_of_labels(network: keras.Model, labels: Tensor) -> int:
    """Returns the number of classes of a network whose symbolic input `labels` holds class numbers; 0: unknown.

    The layer `label_embedding` tells it. Without this layer, it is the smallest number that an embedding, a one-hot
    encoding or a `CategoryEncoding` of the labels can encode.
    """
    for layer in network.layers:
        if layer.name == LABEL_EMBEDDING:
            return layer.units if isinstance(layer, layers.Dense) else layer.input_dim
    return min((size for _, size in encodings(network, labels)), default=0)


def label_embedding(network: keras.Model, labels: Tensor) -> layers.Embedding | None:
    """Returns the only embedding of the labels that is a layer of the network itself, or None."""
    found = [layer for layer, _ in encodings(network, labels)]
    direct = len(found) == 1 and isinstance(found[0], layers.Embedding) and found[0] in network.layers
    return found[0] if direct else None


def encodings(network: keras.Model, tensor: Tensor) -> Iterator[tuple[keras.Operation, int]]:
    """Yields (operation, number of classes) for each embedding or one-hot encoding of a symbolic input.

    Operations between the input and the encoding, such as casts and reshapes, must have no other input.
    """
    for operation, inputs, outputs in calls(network):
        places = [place for place, value in enumerate(inputs) if value is tensor]
        if not places:
            continue
        if isinstance(operation, layers.Embedding):
            yield operation, operation.input_dim
        elif isinstance(operation, layers.CategoryEncoding):
            yield operation, operation.num_tokens
        elif type(operation).__name__ == "OneHot":  # of `keras.ops.one_hot`
            yield operation, operation.num_classes
        elif isinstance(operation, keras.Model) and getattr(operation, "inputs", None):
            yield from (found for place in places for found in encodings(operation, operation.inputs[place]))
        elif len(inputs) == 1:
            yield from (found for output in outputs for found in encodings(network, output))


def last_activation(network: keras.Model) -> tuple[str, str] | None:
    """Returns (name of the layer, name of its activation) that makes the output of a network; None: not known.

    Layers after it that only change the shape do not count.
    """
    output = network.outputs[0]
    while True:
        makers = [call for call in calls(network) if any(made is output for made in call[2])]
        if not makers:
            return None
        operation, inputs, _ = makers[0]
        if isinstance(operation, keras.Model) and getattr(operation, "outputs", None):
            return last_activation(operation)
        activation = getattr(operation, "activation", None)
        name = getattr(activation, "__name__", None) or type(operation).__name__.lower()
        passes = isinstance(operation, _SHAPE_ONLY) or (name == "linear" and not operation.weights)
        if len(inputs) != 1 or not passes:
            return operation.name, name
        output = inputs[0]


def calls(network: keras.Model) -> Iterator[tuple[keras.Operation, list[Tensor], list[Tensor]]]:
    """Yields (operation, input tensors, output tensors) for each call of a layer or function in a network."""
    for operation in getattr(network, "operations", network.layers):
        # `_inbound_nodes` is private in Keras, which has no public way to read the graph of a network.
        for node in operation._inbound_nodes:
            yield operation, list(node.input_tensors), list(node.outputs)
