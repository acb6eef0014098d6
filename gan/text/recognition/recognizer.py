"""Recognizes the category of texts, and the n-grams that decided."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

import keras
import numpy as np
from keras import layers

from gan.errors import InputError, did_you_mean
from gan.saving import models, zip_safety
from gan.text.data.alphabet import END, FIRST
from gan.text.data.corpus import CorpusRecord
from gan.text.data.normalization import NORMALIZE
from gan.text.recognition.recognizer_config import READ
from gan.text.recognition.recognizer_network import (
    BOUNDARY,
    FEATURES,
    KNOWN,
    SCORES,
    spans_of_table,
    table_of,
    windows_of,
)
from gan.text.runs.text_run import find_network, find_run
from gan.utils.arguments import checked

BEGIN_MARK, END_MARK = "^", "$"
"""What stands for the beginning and the end of a text in an n-gram."""

BATCH, EXPLAINED = 500, 32
"""Texts that are computed, and that are explained, at a time."""

PRETRAINED = "names-recognizer"
"""Recognizer of the language of a name."""

UNKNOWN_CHARACTERS = "no known characters"
"""Why a text has no category: the network has seen none of its characters."""

LEAST_KNOWN = 0.5
"""Share of the characters of a text that must be known, without spaces, so that it has a category."""

Contribution: TypeAlias = tuple[int, int, float]
"""First place of an n-gram, the one after its last, and what it adds to a logit."""


class Feature(NamedTuple):
    """An n-gram of a text, and what it adds to the logit of a category."""

    ngram: str
    """Its characters. `^` is the beginning of the text, `$` its end."""
    start: int
    """Index of its first character in the text; -1 for the beginning."""
    contribution: float


@dataclass(frozen=True)
class Recognition:
    """The category of a text."""

    text: str
    """The text in the form that the network reads, cut to its places."""
    category: str | None
    """None: the text has no category, see `reason`."""
    probability: float | None
    """Probability of the category, as the network estimates it."""
    probabilities: Mapping[str, float]
    """Category -> probability, the highest first. Empty without a category."""
    is_cut: bool = False
    """Whether the end of the text was cut off, because it is longer than what the network reads."""
    reason: str | None = None
    """Why there is no category."""


class Recognizer:
    """A network that recognizes the category of a text.

    Args:
        network: numbers int32 [B, L] -> logits [B, categories], see `build_recognizer`.
        corpus: record of the texts that it was trained on.

    Raises `InputError` for a network of another form.
    """

    def __init__(self, network: keras.Model, corpus: CorpusRecord) -> None:
        _check_network(network, corpus)
        self.network = network
        self.corpus = corpus
        self._windows = windows_of(network)
        self._table = table_of(network)
        features = network.get_layer(FEATURES).output
        self._outputs = keras.Model(network.inputs[0], {"features": features, "logits": network.outputs[0]})
        known = [] if self._table is None else [network.get_layer(KNOWN).output]
        self._detectors = keras.Model(network.inputs[0], [*(layer.output for layer in self._windows), *known])

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the categories, in the order of the logits."""
        return self.corpus.class_names

    @checked
    def outputs(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """Returns {`features`: float32 [N, F], `logits`: float32 [N, categories]} of texts."""
        return self.outputs_of_numbers(self._encode([self.read(text)[0] for text in texts]))

    def outputs_of_numbers(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the `outputs` of texts as numbers int32 [N, L], see `Alphabet`."""
        numbers = np.asarray(numbers, np.int32)
        if not len(numbers):
            return {name: np.zeros((0, output.shape[-1]), np.float32) for name, output in self._outputs.output.items()}
        parts = [self._outputs.predict_on_batch(part) for part in _parts(numbers, BATCH)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    @checked
    def recognize(self, texts: Sequence[str], *, unsure: float = 0.0) -> list[Recognition]:
        """Returns the category of each text, with its probability. A text of fewer known than unknown
        characters has none; spaces do not count.

        Args:
            texts: texts in any form.
            unsure: probability below which a text has no category.
        """
        read = [self.read(text) for text in texts]
        numbers = self._encode([text for text, _ in read])
        logits = self.outputs_of_numbers(numbers)["logits"].astype(np.float64)
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
        found = shifted / shifted.sum(axis=1, keepdims=True)
        return [
            self._recognition(text, is_cut, row, probabilities, unsure)
            for (text, is_cut), row, probabilities in zip(read, numbers, found)
        ]

    @checked
    def explain(self, text: str, category: str | None = None) -> list[Feature]:
        """Returns the n-grams of a text and their contributions to the logit of a category, the largest first.

        A channel of a window takes its largest value over all places of the text, and that value times a weight is
        what it adds to the logit: the contribution of the n-gram at that place. An n-gram in the table adds its weight.
        What the same places add in several ways is one contribution. The contributions and `bias` sum to the logit.
        Those of a trained recognizer are relative to the mean over all categories: a positive one speaks for this
        category.

        The n-gram `$` alone is empty places: these channels found nothing in the text.

        Args:
            text: text in any form. `Feature.start` is an index in the form that `read` returns.
            category: name of a category. None: the most probable one.

        Raises `InputError` for a category that is not known.
        """
        label = None if category is None else self.label_of(category)
        return self.explain_all([text], None if label is None else [label])[0]

    def explain_all(self, texts: Sequence[str], labels: Sequence[int] | None = None) -> list[list[Feature]]:
        """Returns what `explain` does for each text. labels: index of the category of each; None: the most probable."""
        texts = [self.read(text)[0] for text in texts]
        numbers = self._encode(texts)
        if labels is None:
            labels = self.outputs_of_numbers(numbers)["logits"].argmax(axis=1).tolist()
        kernel = self.network.get_layer(SCORES).get_weights()[0].astype(np.float64)
        found: list[list[Feature]] = []
        for part in _parts(numbers, EXPLAINED):
            values = _as_list(self._detectors.predict_on_batch(part))
            for row, sequence in enumerate(part):
                label = labels[len(found)]
                contributions = self._of_windows([value[row] for value in values], kernel[:, label])
                if self._table is not None:
                    contributions += self._of_table(values[-1][row], label)
                found.append(_as_features(texts[len(found)], sequence, contributions))
        return found

    def bias(self, category: str) -> float:
        """Returns what the logit of a category is without any n-gram."""
        return float(self.network.get_layer(SCORES).get_weights()[1][self.label_of(category)])

    def label_of(self, category: str) -> int:
        """Returns the index of a category. Raises `InputError` if it is not known."""
        if category not in self.class_names:
            expected = f"one of {list(self.class_names)}{did_you_mean(category, self.class_names)}"
            raise InputError("Unknown category", expected=expected, received=category)
        return self.class_names.index(category)

    def read(self, text: str) -> tuple[str, bool]:
        """Returns (text as the network reads it, whether its end was cut off)."""
        whole = NORMALIZE[self.corpus.form](text[:READ])
        return whole[: self.corpus.length], len(text) > READ or len(whole) > self.corpus.length

    def _encode(self, texts: Sequence[str]) -> np.ndarray:
        """Returns the numbers of texts that `read` returned."""
        return self.corpus.alphabet.encode(texts, self.corpus.length)

    def string_model(self) -> keras.Model:
        """Returns a model of texts [B] -> logits [B, categories], for `gan.perturbation`.

        The texts must be in the form of the corpus already, such as those of a `Corpus`. The layers of the network are
        shared, not copied.
        """
        letters = list(self.corpus.letters)
        numbers = layers.TextVectorization(
            standardize=None, split="character", output_sequence_length=self.corpus.length, vocabulary=letters
        )
        texts = keras.Input((), dtype="string", name="texts")
        return keras.Model(texts, self.network(numbers(texts)), name="string_recognizer")

    def _recognition(
        self, text: str, is_cut: bool, numbers: np.ndarray, probabilities: np.ndarray, unsure: float
    ) -> Recognition:
        if not np.any(numbers >= FIRST):
            return Recognition(text, None, None, {}, is_cut, UNKNOWN_CHARACTERS)
        characters = text.replace(" ", "")
        known = sum(character in self.corpus.letters for character in characters)
        if known < LEAST_KNOWN * len(characters):
            reason = f"only {known} of {len(characters)} characters are known"
            return Recognition(text, None, None, {}, is_cut, reason)
        order = np.argsort(-probabilities, kind="stable")
        ranked = {self.class_names[label]: float(probabilities[label]) for label in order}
        best = self.class_names[order[0]]
        if ranked[best] < unsure:
            return Recognition(text, None, ranked[best], ranked, is_cut, f"not sure: {best} {ranked[best]:.1%}")
        return Recognition(text, best, ranked[best], ranked, is_cut)

    def _of_windows(self, values: Sequence[np.ndarray], weights: np.ndarray) -> list[Contribution]:
        """Returns what each channel of the windows adds. values: float [places, channels] of each window."""
        found: list[Contribution] = []
        first = 0
        for window, value in zip(self._windows, values):
            added = value.max(axis=0).astype(np.float64) * weights[first : first + value.shape[1]]
            first += value.shape[1]
            size = window.kernel_size[0]
            found += [
                (place - BOUNDARY, place - BOUNDARY + size, contribution)
                for place, contribution in zip(value.argmax(axis=0).tolist(), added.tolist())
            ]
        return found

    def _of_table(self, known: np.ndarray, label: int) -> list[Contribution]:
        """Returns what each n-gram in the table adds. known: its row at each position, 0 for an unknown one."""
        assert self._table is not None
        weights = self._table.get_weights()[0][:, label].astype(np.float64)
        spans = spans_of_table(self.corpus.length)
        return [(*spans[position], float(weights[known[position]])) for position in np.flatnonzero(known).tolist()]


def _as_features(text: str, numbers: np.ndarray, contributions: Sequence[Contribution]) -> list[Feature]:
    """Returns the n-grams of a text, the largest contribution first. Contributions of the same places are added."""
    ends = np.flatnonzero(numbers == END)
    end = int(ends[0]) if len(ends) else len(numbers)
    totals: dict[tuple[int, int], float] = {}
    for start, stop, contribution in contributions:
        if contribution:
            span = _span(start, stop, end)
            totals[span] = totals.get(span, 0.0) + contribution
    found = [Feature(_ngram(text, start, stop), start, total) for (start, stop), total in totals.items()]
    return sorted(found, key=lambda feature: -feature.contribution)


def _span(start: int, stop: int, end: int) -> tuple[int, int]:
    """Returns the places of an n-gram without what follows the first place after the text, at `end`."""
    return (end, end + 1) if start >= end else (start, min(stop, end + 1))


def _ngram(text: str, start: int, stop: int) -> str:
    """Returns the characters from `start` to `stop`, with marks for places outside the text."""
    before = BEGIN_MARK if start < 0 else ""
    return before + text[max(0, start) : stop] + (END_MARK if stop > len(text) else "")


@checked
def load_recognizer(run: str | Path = PRETRAINED) -> Recognizer:
    """Loads a recognizer: its run folder, or a pretrained name.

    Raises `InputError` if it does not exist, is damaged, or is a text model of another kind.
    """
    folder, record = find_run(run, "recognizer")
    file = zip_safety.check_model(find_network(folder, record))
    return Recognizer(models.load_model(file, expected="a recognizer"), record.corpus)


def _check_network(network: keras.Model, corpus: CorpusRecord) -> None:
    """Raises `InputError` unless a network has the form of `build_recognizer`, for the texts of a record."""
    shapes = [tuple(tensor.shape) for tensor in (*network.inputs, *network.outputs)]
    expected = [(None, corpus.length), (None, len(corpus.class_names))]
    names = {layer.name for layer in network.layers}
    if shapes != expected or not {FEATURES, SCORES} <= names or not windows_of(network):
        received = f"shapes {shapes}, layers {sorted(names)[:5]}"
        raise InputError("Not a recognizer", expected=f"shapes {expected}, with n-grams", received=received)
    channels = sum(layer.filters for layer in windows_of(network))
    weights = network.get_layer(SCORES).get_weights()[0].shape
    if weights != (channels, len(corpus.class_names)):
        received = f"{channels} channels, weights {weights}"
        raise InputError("Not a recognizer", expected="one weight of each channel and category", received=received)


def _parts(numbers: np.ndarray, size: int) -> Iterator[np.ndarray]:
    return (numbers[first : first + size] for first in range(0, len(numbers), size))


def _as_list(values: np.ndarray | list[np.ndarray]) -> list[np.ndarray]:
    """Returns the outputs of a model as a list. Keras returns a single output by itself."""
    return values if isinstance(values, list) else [values]
