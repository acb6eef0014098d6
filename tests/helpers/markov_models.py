"""A language model whose weights are set by hand, so that it is a Markov language exactly."""

from pathlib import Path

import numpy as np

from gan.text.data.corpus import CorpusRecord
from gan.text.generation.language_model import CATEGORY, CHARACTER, LOGITS, LanguageModel, build_language_network
from gan.text.generation.markov import MarkovLanguage
from gan.text.runs.text_run import NETWORK, TextRecord, TextResult

LARGE = 30.0
"""tanh and sigmoid of it are 1 in float32."""
LEAST = 1e-30
"""Probability in place of 0, whose logarithm is finite."""


def markov_record(*languages: MarkovLanguage) -> CorpusRecord:
    """Returns the record of texts of one language, or of several, each a category."""
    names = tuple(f"language {i}" for i in range(len(languages))) if len(languages) > 1 else ()
    first = languages[0]
    return CorpusRecord(name="markov", class_names=names, letters=first.letters, length=first.length, train=1)


def markov_model(*languages: MarkovLanguage) -> LanguageModel:
    """Returns a model of one language, or of several with the same letters and length, each a category.

    The GRU forgets its state, and becomes 1 in the unit of the last character alone, and of its category alone. The
    logits are then the logarithms of the row of that character. With categories, the units are pairs of both: unit
    (category, character) gets LARGE from each, and a bias of -3 LARGE / 2.
    """
    record = markov_record(*languages)
    numbers, count = record.alphabet.size, max(1, len(record.class_names))
    width = numbers * count
    network = build_language_network(numbers, len(record.class_names), width=width, layers=1, dropout=0.0)
    pairs = np.arange(width)
    network.get_layer(CHARACTER).set_weights([LARGE * (pairs % numbers == np.arange(numbers)[:, None])])
    if record.class_names:
        network.get_layer(CATEGORY).set_weights([LARGE * (pairs // numbers == np.arange(count)[:, None])])
    gru = next(layer for layer in network.layers if hasattr(layer, "cell"))
    kernel, recurrent, bias = (np.zeros(weight.shape) for weight in gru.get_weights())
    bias[0, :width] = -LARGE  # the gate that keeps the old state
    kernel[:, 2 * width :] = np.eye(width)
    bias[0, 2 * width :] = -LARGE / 2 if not record.class_names else -3 * LARGE / 2
    gru.set_weights([kernel, recurrent, bias])
    rows = np.zeros((width, numbers - 1))
    for category, language in enumerate(languages):
        logs = np.log(np.maximum(language.steps, LEAST))
        for number in range(numbers):
            # number 0 is the beginning, 1 the unknown character, k + 1 the letter k
            rows[category * numbers + number] = logs[max(0, number - 1)]
    # a unit is 1 of the pair and -1 of all others: (h + 1) / 2 selects the row
    network.get_layer(LOGITS).set_weights([rows / 2, rows.sum(axis=0) / 2])
    return LanguageModel(network, record)


def save_language_model(model: LanguageModel, folder: Path) -> Path:
    """Writes a finished run folder of a model, as a training does; returns it."""
    folder.mkdir(parents=True)
    model.network.save(folder / NETWORK["model"])
    record = TextRecord(kind="model", config={}, corpus=model.corpus)
    record.finish(folder, TextResult(epochs=1, seconds=0.0, interrupted=False))
    return folder
