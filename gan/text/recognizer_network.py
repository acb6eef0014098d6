"""The network of a recognizer: it finds n-grams anywhere in a text, and adds what each of them says."""

import re
from dataclasses import dataclass

import keras
from keras import layers, ops

from gan.errors import InputError
from gan.text.recognizer_config import RecognizerConfig

FEATURES, LOGITS = "features", "logits"
"""Names of the layer before the logits, and of the one that computes them."""
WINDOW = "window"
"""First word of the name of a layer that detects n-grams, such as window_0_3 of member 0 and length 3.

The layer `features` has their channels in the order of the members, then of the lengths."""

BOUNDARY = 1
"""Places that are added before a text and after its last place. Their number is that of the end of a text, 0."""


@dataclass(frozen=True)
class TrainableRecognizer:
    """A network, and the one that trains it: both have the same layers up to the features."""

    network: keras.Model
    """Numbers int32 [B, L] -> logits [B, categories]."""
    trainer: keras.Model
    """Numbers int32 [B, L] -> logits of each member [B, members, categories]."""
    heads: tuple[layers.Dense, ...]
    """Layers of the trainer that compute the logits of a member."""

    def finish(self, *, temperature: float) -> None:
        """Sets the logits of the network: the mean of the members' logits, divided by a temperature.

        The mean over the categories is subtracted from the weights. It has no effect on probabilities, and the
        contribution of an n-gram is then relative to the mean category.
        """
        kernels, biases = zip(*(head.get_weights() for head in self.heads))
        scale = 1.0 / (len(self.heads) * temperature)
        kernel = ops.concatenate(kernels, axis=0) * scale
        bias = sum(biases) * scale
        centered = [kernel - ops.mean(kernel, axis=-1, keepdims=True), bias - ops.mean(bias)]
        self.network.get_layer(LOGITS).set_weights([ops.convert_to_numpy(weight) for weight in centered])


def build_recognizer(
    numbers: int, length: int, num_classes: int, config: RecognizerConfig | None = None
) -> TrainableRecognizer:
    """Builds the network of a recognizer and its trainer, of built-in layers.

    Texts are numbers int32 [B, length], see `Alphabet`. One place with the number of the end is added on both sides, so
    that the beginning and the end of a text are part of n-grams. Each member embeds the places. Its convolutions with
    windows of several lengths and ReLU detect n-grams, and keep the largest value over all places. These values of all
    members are the layer `features` [B, F], and a dense layer computes the `logits` from them. Kim 2014, Convolutional
    neural networks for sentence classification, arXiv:1408.5882.

    Args:
        numbers: size of the alphabet.
        length: places of a text.
        num_classes: number of categories.
        config: options. None: their defaults.

    Raises `InputError` for a window that is longer than a text with its two boundaries.
    """
    config = config or RecognizerConfig()
    longest = length + 2 * BOUNDARY
    if max(config.windows) > longest:
        raise InputError(
            "Bad `windows`", expected=f"at most {longest}, of the longest text", received=str(config.windows)
        )
    inputs = keras.Input((length,), dtype="int32", name="numbers")
    places = ops.pad(inputs, ((0, 0), (BOUNDARY, BOUNDARY)))
    members = [_member(places, numbers, config, number) for number in range(config.members)]
    features = layers.Concatenate(name=FEATURES)(members)
    network = keras.Model(inputs, layers.Dense(num_classes, name=LOGITS)(features), name="recognizer")
    heads = tuple(layers.Dense(num_classes) for _ in members)
    of_members = [head(layers.Dropout(config.dropout)(member)) for head, member in zip(heads, members)]
    stacked = layers.Concatenate(axis=1)([layers.Reshape((1, num_classes))(logits) for logits in of_members])
    return TrainableRecognizer(network, keras.Model(inputs, stacked, name="trainer"), heads)


def windows_of(network: keras.Model) -> list[layers.Conv1D]:
    """Returns the layers that detect n-grams, in the order of their channels in the layer `features`."""
    found = {layer.name: layer for layer in network.layers if isinstance(layer, layers.Conv1D)}
    order = [(tuple(map(int, name.split("_")[1:])), name) for name in found if re.fullmatch(rf"{WINDOW}_\d+_\d+", name)]
    return [found[name] for _, name in sorted(order)]


def _member(places: keras.KerasTensor, numbers: int, config: RecognizerConfig, member: int) -> keras.KerasTensor:
    """Returns the features of a member: [B, windows * filters]."""
    x = layers.Embedding(numbers, config.embedding, name=f"embedding_{member}")(places)
    pooled = []
    for window in sorted(config.windows):
        found = layers.Conv1D(config.filters, window, activation="relu", name=f"{WINDOW}_{member}_{window}")(x)
        pooled.append(layers.GlobalMaxPooling1D(name=f"pool_{member}_{window}")(found))
    return layers.Concatenate(name=f"features_{member}")(pooled)
