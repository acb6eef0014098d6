"""The network of a recognizer: it finds n-grams anywhere in a text, and adds what each of them says."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

from gan.errors import InputError
from gan.text.data.alphabet import END
from gan.text.data.corpus import Corpus
from gan.text.recognition.recognizer_config import RecognizerConfig

FEATURES, SCORES, LOGITS = "features", "scores", "logits"
"""Names of the layers with the largest values of all windows, of their weights, and of the logits."""
WINDOW = "window"
"""First word of the name of a layer that detects n-grams, such as window_0_3 of member 0 and length 3.

The layer `features` has their channels in the order of the members, then of the lengths.
"""
KNOWN, TABLE = "known_ngrams", "ngram_table"
"""Names of the layer that looks n-grams up, and of the one with the weights of each."""

BOUNDARY = 1
"""Places that are added before a text and after its last place. Their number is that of the end of a text, 0."""
LENGTHS = (1, 2, 3, 4, 5)
"""Lengths of the n-grams with weights of their own."""
FEWEST = 2
"""Training texts in which such an n-gram occurs, at least."""


@dataclass(frozen=True)
class TrainableRecognizer:
    """A network, and the one that trains it: both have the same layers, except for the last ones."""

    network: keras.Model
    """Numbers int32 [B, L] -> logits [B, categories]."""
    trainer: keras.Model
    """Numbers int32 [B, L] -> logits of each member [B, members, categories]."""
    heads: tuple[layers.Dense, ...]
    """Layers of the trainer that compute the logits of the members with windows."""

    def finish(self, shares: Sequence[float]) -> None:
        """Makes the logits of the network a sum: those of each member, times its share. Call it once.

        The mean over the categories is subtracted from all weights. It has no effect on probabilities, and the
        contribution of an n-gram is then relative to the mean category.
        """
        kernels, biases = zip(
            *([weight * share for weight in head.get_weights()] for head, share in zip(self.heads, shares))
        )
        scores = self.network.get_layer(SCORES)
        scores.set_weights([_centered(np.concatenate(kernels)), _centered(sum(biases))])
        table = table_of(self.network)
        if table is not None:
            table.set_weights([_centered(table.get_weights()[0]) * shares[-1]])


def build_recognizer(
    numbers: int,
    length: int,
    num_classes: int,
    config: RecognizerConfig | None = None,
    ngrams: Sequence[int] = (),
) -> TrainableRecognizer:
    """Builds the network of a recognizer and its trainer, of built-in layers.

    Texts are numbers int32 [B, length], see `Alphabet`. One place with the number of the end is added on both sides, so
    that the beginning and the end of a text are part of n-grams. Two kinds of members find n-grams:

    * Windows: convolutions of several lengths with ReLU, over embedded places, keep the largest value over all places.
      These values of all such members are the layer `features` [B, F]. Kim 2014, Convolutional neural networks for
      sentence classification, arXiv:1408.5882.
    * A table: each n-gram of the training texts has a weight for each category. The weights of all n-grams of a text
      are added. It is logistic regression on the numbers of n-grams; for the idea, see Joulin et al. 2016, Bag of
      tricks for efficient text classification, arXiv:1607.01759.

    Args:
        numbers: size of the alphabet.
        length: places of a text.
        num_classes: number of categories.
        config: options. None: their defaults.
        ngrams: codes of the n-grams in the table, see `frequent_ngrams`. Empty: no table.

    Raises `InputError` for a window that is longer than a text with its two boundaries.
    """
    config = config or RecognizerConfig()
    longest = length + 2 * BOUNDARY
    if max(config.windows) > longest:
        raise InputError("Bad `windows`", expected=f"at most {longest} places", received=str(config.windows))
    inputs = keras.Input((length,), dtype="int32", name="numbers")
    places = ops.pad(inputs, ((0, 0), (BOUNDARY, BOUNDARY)))
    members = [_windows(places, numbers, config, number) for number in range(config.members)]
    logits = layers.Dense(num_classes, name=SCORES)(layers.Concatenate(name=FEATURES)(members))
    heads = tuple(layers.Dense(num_classes) for _ in members)
    of_members = [head(layers.Dropout(config.dropout)(member)) for head, member in zip(heads, members)]
    if ngrams:
        weights = _table(places, numbers, num_classes, ngrams)
        logits = layers.Add(name=LOGITS)([logits, ops.sum(weights, axis=1)])
        kept = layers.Dropout(config.dropout, noise_shape=(None, None, 1))(weights)
        of_members.append(ops.sum(kept, axis=1))
    stacked = layers.Concatenate(axis=1)([layers.Reshape((1, num_classes))(each) for each in of_members])
    return TrainableRecognizer(
        keras.Model(inputs, logits, name="recognizer"), keras.Model(inputs, stacked, name="trainer"), heads
    )


def frequent_ngrams(corpus: Corpus, most: int) -> list[int]:
    """Returns the codes of the n-grams of `LENGTHS` that occur in most training texts, at most `most`, sorted."""
    if not most:
        return []
    base = corpus.alphabet.size + 1
    texts = corpus.encode(corpus.train)
    counts: Counter[int] = Counter()
    for text in texts:
        marked = [END, *text[text != END].tolist(), END]
        counts.update({code for size in LENGTHS for code in _codes_of(marked, size, base)})
    empty = set(_codes_of([END], 1, base))
    frequent = sorted((-count, code) for code, count in counts.items() if count >= FEWEST and code not in empty)
    return sorted(code for _, code in frequent[:most])


def windows_of(network: keras.Model) -> list[layers.Conv1D]:
    """Returns the layers that detect n-grams, in the order of their channels in the layer `features`."""
    found = {layer.name: layer for layer in network.layers if isinstance(layer, layers.Conv1D)}
    order = [(tuple(map(int, name.split("_")[1:])), name) for name in found if re.fullmatch(rf"{WINDOW}_\d+_\d+", name)]
    return [found[name] for _, name in sorted(order)]


def table_of(network: keras.Model) -> layers.Embedding | None:
    """Returns the layer with a weight for each n-gram and category. None: the network has no table."""
    return next((layer for layer in network.layers if layer.name == TABLE), None)


def spans_of_table(length: int) -> list[tuple[int, int]]:
    """Returns (first place, the one after the last) of each position of the table's input; -1 is before the text."""
    places = length + 2 * BOUNDARY
    sizes = [size for size in LENGTHS if size <= places]
    return [(place - BOUNDARY, place - BOUNDARY + size) for size in sizes for place in range(places - size + 1)]


def _windows(places: keras.KerasTensor, numbers: int, config: RecognizerConfig, member: int) -> keras.KerasTensor:
    """Returns the features of a member with windows: [B, windows * filters]."""
    x = layers.Embedding(numbers, config.embedding, name=f"embedding_{member}")(places)
    pooled = []
    for window in sorted(config.windows):
        found = layers.Conv1D(config.filters, window, activation="relu", name=f"{WINDOW}_{member}_{window}")(x)
        pooled.append(layers.GlobalMaxPooling1D(name=f"pool_{member}_{window}")(found))
    return layers.Concatenate(name=f"features_{member}")(pooled)


def _table(places: keras.KerasTensor, numbers: int, num_classes: int, ngrams: Sequence[int]) -> keras.KerasTensor:
    """Returns the weights of all n-grams of a text: [B, n-grams, categories]. Those of an unknown one are 0."""
    wide = ops.cast(places, "int64")
    count = places.shape[1]
    codes = []
    for size in LENGTHS:
        if size <= count:
            code = wide[:, : count - size + 1] * 0
            for shift in range(size):
                code = code * (numbers + 1) + wide[:, shift : count - size + 1 + shift] + 1
            codes.append(code)
    lookup = layers.IntegerLookup(vocabulary=np.array(ngrams, np.int64), name=KNOWN)
    known = lookup(ops.concatenate(codes, axis=1))
    table = layers.Embedding(len(ngrams) + 1, num_classes, embeddings_initializer="zeros", name=TABLE)
    return table(known) * ops.expand_dims(ops.cast(ops.not_equal(known, 0), "float32"), axis=-1)


def _codes_of(marked: Sequence[int], size: int, base: int) -> Iterable[int]:
    """Yields the code of each n-gram of a length: the number whose digits, of a base, are its numbers + 1.

    It is unique, unless it is beyond 64 bits.
    """
    for place in range(len(marked) - size + 1):
        code = 0
        for number in marked[place : place + size]:
            code = code * base + number + 1
        yield (code + 2**63) % 2**64 - 2**63


def _centered(weights: np.ndarray) -> np.ndarray:
    return weights - weights.mean(axis=-1, keepdims=True)
