"""A language model: it predicts the next character of a text, generates texts, continues them, and rates them."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import keras
import numpy as np
import tensorflow as tf

from gan.errors import InputError, check, check_not_negative, check_sampling
from gan.models import random
from gan.saving import models
from gan.saving.zip_safety import check_model
from gan.text.data.alphabet import END, UNKNOWN
from gan.text.data.corpus import CorpusRecord, TextSplit
from gan.text.generation.prompts import as_prompt
from gan.text.runs.text_run import TextRecord, find_network
from gan.utils.arguments import checked
from gan.utils.types import Tensor

COLDEST = 1e-6
"""Lowest temperature that divides the logits. A lower one takes the most probable character."""

BLOCK = 256
"""Texts that are generated together. Text i is always row i % BLOCK of block i // BLOCK, so no kernel rounds it in
another way when it is generated alone."""

IGNORED = -1
"""Target of a place that does not count: one after the end, or of an unknown character."""

CHARACTERS, LABELS = "characters", "labels"
"""Names of the inputs of the network."""
CHARACTER, CATEGORY, LOGITS = "character_embedding", "category_embedding", "logits"
"""Names of its layers."""

Example: TypeAlias = dict[str, np.ndarray]
"""Inputs of the network by name: characters int32 [N, L], and labels int32 [N] if it has categories."""


def build_language_network(
    alphabet_size: int, num_classes: int, *, width: int = 192, layers: int = 1, dropout: float = 0.5
) -> keras.Model:
    """Builds the network: characters before each place, int32 [B, L] -> logits of the next one, [B, L, V - 1].

    The character before the first place is `END`. Logit 0 is that of the end, logit k of the character k + 1: the
    unknown character, number 1, has none, so it is never generated. The characters are embedded, and layers of GRU
    follow (arXiv:1406.1078). The embedded category is added to the input of each GRU at all places.

    Args:
        alphabet_size: V, see `Alphabet.size`.
        num_classes: number of categories. 0: the network has no labels.
        width: units of the embeddings and of each GRU.
        layers: number of GRUs.
        dropout: share of the units that are dropped before each GRU and before the logits, while training. The
            category is never dropped.
    """
    characters = keras.Input((None,), dtype="int32", name=CHARACTERS)
    inputs = {CHARACTERS: characters}
    x = keras.layers.Embedding(alphabet_size, width, name=CHARACTER)(characters)
    category = None
    if num_classes:
        inputs[LABELS] = keras.Input((), dtype="int32", name=LABELS)
        embedded = keras.layers.Embedding(num_classes, width, name=CATEGORY)(inputs[LABELS])
        category = keras.layers.Reshape((1, width))(embedded)
    for _ in range(layers):
        x = keras.layers.Dropout(dropout)(x)
        x = x if category is None else keras.layers.Add()([x, category])
        x = keras.layers.GRU(width, return_sequences=True)(x)
    x = keras.layers.Dropout(dropout)(x)
    return keras.Model(inputs, keras.layers.Dense(alphabet_size - 1, name=LOGITS)(x), name="language_model")


def nats_per_text(targets: Tensor, logits: Tensor) -> Tensor:
    """Returns the negative log-likelihood of each text in nats: -sum_t log softmax(logits_t)[target_t], [B].

    targets: places of the logits, int32 [B, L]; `IGNORED` does not count. logits: [B, L, V - 1].
    """
    losses = keras.losses.sparse_categorical_crossentropy(
        keras.ops.maximum(targets, 0), logits, from_logits=True, axis=-1
    )
    return keras.ops.sum(losses * keras.ops.cast(targets >= 0, losses.dtype), axis=1)


def example_inputs(numbers: np.ndarray, labels: np.ndarray | None) -> Example:
    """Returns the inputs of encoded texts, int32 [N, L]: the character before each place, and the labels."""
    before = np.pad(numbers[:, :-1], ((0, 0), (1, 0)), constant_values=END)
    return {CHARACTERS: before} if labels is None else {CHARACTERS: before, LABELS: np.asarray(labels, np.int32)}


def example_targets(numbers: np.ndarray) -> np.ndarray:
    """Returns the place of each character's logit, int32 [N, L]: the end counts once, what comes after it does not."""
    targets = np.where(numbers == UNKNOWN, IGNORED, numbers - (numbers > UNKNOWN))
    after_end = np.cumsum(numbers == END, axis=1) > 1
    return np.where(after_end, IGNORED, targets).astype(np.int32)


class LanguageModel:
    """A `TextGenerator` that also continues prompts, and rates texts. Each number is a function of its arguments alone.

    Attributes:
        network: see `build_language_network`.
        corpus: record of the texts that it learned.
        class_names: names of the categories; empty: none can be asked for.

    Raises `InputError` if the network does not fit the texts.
    """

    def __init__(self, network: keras.Model, corpus: CorpusRecord) -> None:
        self.network, self.corpus = network, corpus
        self.class_names = corpus.class_names
        found = {layer.name: layer for layer in network.layers}
        self._grus = [layer for layer in network.layers if isinstance(layer, keras.layers.GRU)]
        expected = {CHARACTER: corpus.alphabet.size, **({CATEGORY: len(self.class_names)} if self.class_names else {})}
        sizes = {name: getattr(found.get(name), "input_dim", None) for name in expected}
        units = getattr(found.get(LOGITS), "units", 0)
        if sizes != expected or units != corpus.alphabet.size - 1 or not self._grus:
            received = f"{sizes}, {units} logits"
            problem = "The network does not fit its texts"
            raise InputError(problem, expected=f"{expected}, {corpus.alphabet.size - 1} logits", received=received)
        self._layers: Mapping[str, keras.Layer] = found
        self._draw_block = tf.function(self._draw, autograph=False)
        self._rate_block = tf.function(self._rate, autograph=False, reduce_retracing=True)

    @checked
    def generate(
        self,
        num: int,
        *,
        seed: int = 0,
        start: int = 0,
        labels: Sequence[int] | None = None,
        temperature: float = 1.0,
        prompt: str = "",
    ) -> list[str]:
        """Returns texts start, ..., start + num - 1 of a seed.

        The next character is drawn from softmax(logits / temperature). A lower temperature gives more typical texts, a
        higher one more varied ones.

        Args:
            num: number of texts.
            seed: whole number, 0 <= seed < 2**32.
            start: index of the first text.
            labels: category of each text. None: index modulo the number of categories.
            temperature: >= 0. Below 1e-6: always the most probable character, so all texts of a category are the same.
            prompt: beginning of all texts, in the form of the texts that the model learned.

        Raises `InputError` for numbers out of range, and for a prompt with characters that the model has not learned or
        without room for one more.
        """
        check_sampling(num=num, seed=seed, start=start, truncation=None)
        check_not_negative("temperature", temperature)
        begun = self.corpus.alphabet.encode([as_prompt(prompt, self.corpus)], self.corpus.length)[0]
        asked = np.arange(start, start + num)
        classes = asked % max(1, len(self.class_names)) if labels is None else self._checked_labels(labels, num)
        texts = []
        for block in range(start // BLOCK, (start + num - 1) // BLOCK + 1):
            first, end = max(start, block * BLOCK), min(start + num, (block + 1) * BLOCK)
            rows = slice(first - block * BLOCK, end - block * BLOCK)
            of_rows = np.zeros(BLOCK, np.int32)
            of_rows[rows] = classes[first - start : end - start]
            drawn = self._draw_block(
                tf.constant(of_rows),
                tf.constant([seed, block], tf.int64),
                tf.constant(begun),
                tf.constant(temperature, tf.float64),
                greedy=temperature < COLDEST,
            )
            texts += self.corpus.alphabet.decode(drawn.numpy()[rows])
        return texts

    @checked
    def log_likelihood(
        self, texts: Sequence[str], labels: Sequence[int] | None = None, *, temperature: float = 1.0
    ) -> np.ndarray:
        """Returns the log-probability of each text, its end included, in nats: float64 [N].

        The probabilities of all texts of at most `corpus.length` characters sum to 1. One of this length has no end;
        a longer one is cut off, so this is the probability of its beginning. A text with an unknown character has the
        probability 0: -inf.

        Args:
            texts: texts as they are, not brought into the form of those that the model learned.
            labels: category of each text; needed if the model has categories.
            temperature: that of `generate`, >= 1e-6.

        Raises `InputError` for missing or unknown labels.
        """
        check(COLDEST <= temperature < math.inf, "temperature", f"a finite number >= {COLDEST}", temperature)
        numbers = self.corpus.alphabet.encode(texts, self.corpus.length)
        nats = self._rated(numbers, labels, temperature)
        return np.where((numbers == UNKNOWN).any(axis=1), -np.inf, nats)

    def measure(self, split: TextSplit) -> dict[str, float]:
        """Returns `nats_per_text`, `bits_per_character` and `perplexity` of a split.

        An end counts as a character. An unknown character is not predicted and does not count.
        """
        numbers = self.corpus.alphabet.encode(split.texts, self.corpus.length)
        nats = -float(self._rated(numbers, None if split.labels is None else split.labels.tolist(), 1.0).sum())
        per_character = nats / max(1, int((example_targets(numbers) != IGNORED).sum()))
        return {
            "nats_per_text": nats / len(split),
            "bits_per_character": per_character / math.log(2),
            "perplexity": math.exp(per_character),
        }

    def _rated(self, numbers: np.ndarray, labels: Sequence[int] | None, temperature: float) -> np.ndarray:
        classes = self._checked_labels(labels, len(numbers))
        inputs = example_inputs(numbers, classes if self.class_names else None)
        targets = example_targets(numbers)
        nats = [
            self._rate_block(
                {name: tf.constant(array[first : first + BLOCK]) for name, array in inputs.items()},
                tf.constant(targets[first : first + BLOCK]),
                tf.constant(temperature, tf.float64),
            ).numpy()
            for first in range(0, len(numbers), BLOCK)
        ]
        return np.concatenate([np.zeros(0), *nats])

    def _checked_labels(self, labels: Sequence[int] | None, num: int) -> np.ndarray:
        if not self.class_names:
            check(labels is None, "labels", "None: this model has no categories", labels)
            return np.zeros(num, np.int32)
        expected = f"{num} categories from 0 to {len(self.class_names) - 1}"
        fits = labels is not None and len(labels) == num and all(0 <= label < len(self.class_names) for label in labels)
        check(fits, "labels", expected, None if labels is None else list(labels)[:10])
        return np.asarray(labels, np.int32)

    def _rate(self, inputs: dict[str, tf.Tensor], targets: tf.Tensor, temperature: tf.Tensor) -> tf.Tensor:
        """Returns the log-probabilities of texts, float64 [B]."""
        logits = tf.cast(self.network(inputs, training=False), tf.float64)
        return -nats_per_text(targets, logits / temperature)

    def _draw(
        self, labels: tf.Tensor, seed_and_block: tf.Tensor, begun: tf.Tensor, temperature: tf.Tensor, *, greedy: bool
    ) -> tf.Tensor:
        """Draws the texts of a block, int32 [BLOCK, L]. They begin with the characters of `begun`, int32 [L]."""
        length = self.corpus.length
        key = random.fold_in(tf.stack([seed_and_block[0], random.SAMPLING]), seed_and_block[1])
        uniforms = tf.cast(tf.transpose(random.uniform((BLOCK, length), key)), tf.float64)
        category = self._layers[CATEGORY](labels) if self.class_names else 0.0

        def continues(place: Tensor, before: Tensor, alive: Tensor, states: Tensor, found: Tensor) -> tf.Tensor:
            return (place < length) & tf.reduce_any(alive)

        def step(place: Tensor, before: Tensor, alive: Tensor, states: Tensor, found: Tensor) -> tuple[Tensor, ...]:
            x = self._layers[CHARACTER](before)
            after = []
            for gru, state in zip(self._grus, states):
                x, (state,) = gru.cell(x + category, [state], training=False)
                after.append(state)
            drawn = draw_places(self._layers[LOGITS](x), uniforms[place], temperature, greedy=greedy)
            numbers = drawn + tf.cast(drawn > 0, tf.int32)
            numbers = tf.where(begun[place] != END, begun[place], numbers) * tf.cast(alive, tf.int32)
            found = tf.tensor_scatter_nd_update(found, [[place]], numbers[None])
            return place + 1, numbers, numbers != END, after, found

        first = (
            tf.constant(0),
            tf.fill([BLOCK], END),
            tf.fill([BLOCK], True),
            [tf.zeros([BLOCK, gru.units]) for gru in self._grus],
            tf.zeros([length, BLOCK], tf.int32),
        )
        return tf.transpose(tf.while_loop(continues, step, first)[-1])


def draw_places(logits: Tensor, uniforms: Tensor, temperature: Tensor, *, greedy: bool = False) -> tf.Tensor:
    """Draws a place of each row of logits [B, V] from softmax(logits / temperature), float64: int32 [B].

    It is the first place whose cumulated probability exceeds the row's number in [0, 1). greedy: the largest logit.
    """
    if greedy:
        return tf.argmax(logits, axis=-1, output_type=tf.int32)
    logits = tf.cast(logits, tf.float64)
    weights = tf.exp((logits - tf.reduce_max(logits, axis=-1, keepdims=True)) / temperature)
    cumulated = tf.cumsum(weights, axis=-1)
    below = cumulated <= uniforms[:, None] * cumulated[:, -1:]
    return tf.reduce_sum(tf.cast(below, tf.int32), axis=-1)


def load_language_model(folder: Path, record: TextRecord) -> LanguageModel:
    """Loads the language model of a run folder, see `text_run.find_run`.

    Raises `InputError` if the network is missing, damaged, not the recorded one, or does not fit the texts.
    """
    file = check_model(find_network(folder, record))
    return LanguageModel(models.load_model(file, expected="a language model"), record.corpus)
