"""The reader of questions: a network of characters that finds what is asked, and about which name."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gan.text.data.corpus import CorpusRecord
from gan.text.data.normalization import clean
from gan.text.questions.facts import Language
from gan.text.questions.generation import BEGIN, INSIDE, OUTSIDE
from gan.text.questions.wordings import MEANINGS, Meaning
from gan.text.runs.text_run import TextRecord, find_network

if TYPE_CHECKING:
    import keras

LENGTH = 112
"""Places of an encoded question. A longer one is refused."""


ENDS_OF_NAMES = " .,;:?!\uff0c\u3002\uff1f\uff01\uff1a\uff1b"
"""Characters that do not begin or end a name."""


@dataclass(frozen=True)
class Mention:
    """A name in a question, and where it stands."""

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class Understanding:
    """Probability of each thing that a question can ask for, and the names in it."""

    probabilities: dict[Meaning, float]
    mentions: tuple[Mention, ...]

    @property
    def meaning(self) -> Meaning:
        """What it most probably asks for."""
        return max(self.probabilities, key=lambda one: self.probabilities[one])

    @property
    def relation(self) -> Meaning:
        """What it most probably asks for, `other` apart."""
        return max((one for one in MEANINGS if one != "other"), key=lambda one: self.probabilities[one])


def build_reader(
    vocabulary: int, length: int, *, width: int, embedding: int, blocks: int, dropout: float
) -> "keras.Model":
    """Returns a network: numbers of characters [B, length] -> `meaning` [B, 3] and `tags` [B, length, 3], both softmax.

    Residual 1-D convolutions; `meaning` reads their largest values over the
    question, and each tag reads its own place and these largest values. All layers are built into Keras.
    """
    import keras
    from keras import layers

    numbers = keras.Input((length,), dtype="int32", name="numbers")
    features = layers.Embedding(vocabulary, embedding)(numbers)
    features = layers.Conv1D(width, 5, padding="same", activation="relu")(features)
    for _ in range(blocks):
        inner = layers.LayerNormalization()(features)
        inner = layers.Conv1D(width, 5, padding="same", activation="relu")(inner)
        features = layers.Add()([features, layers.Dropout(dropout)(inner)])
    features = layers.LayerNormalization()(features)
    largest = layers.GlobalMaxPooling1D()(features)
    hidden = layers.Dropout(dropout)(layers.Dense(width, activation="relu")(largest))
    meaning = layers.Dense(len(MEANINGS), activation="softmax", name="meaning")(hidden)
    context = layers.RepeatVector(length)(layers.Dense(width // 2, activation="relu")(largest))
    tags = layers.Dense(3, activation="softmax", name="tags")(layers.Concatenate()([features, context]))
    return keras.Model(numbers, {"meaning": meaning, "tags": tags}, name="reader")


def plain(question: str) -> str:
    """Returns a question without emoji, and without invisible characters such as marks of direction."""
    kept = "".join(
        " " if unicodedata.category(c) in ("So", "Sk", "Cf", "Co", "Cn", "Mn", "Me") and not c.isalnum() else c
        for c in unicodedata.normalize("NFC", question)
    )
    return clean(kept)


class Reader:
    """A trained network with its characters."""

    def __init__(self, network: "keras.Model", corpus: CorpusRecord) -> None:
        self.network = network
        self.corpus = corpus

    def read(self, questions: Sequence[str]) -> list[Understanding]:
        """Returns what the questions ask for. They must be `plain` and have at most `LENGTH` characters."""
        if not questions:
            return []
        numbers = self.corpus.alphabet.encode(questions, self.corpus.length)
        found = self.network.predict(numbers, batch_size=256, verbose=0)
        return [
            Understanding(dict(zip(MEANINGS, map(float, meaning))), mentions(question, tags))
            for question, meaning, tags in zip(questions, found["meaning"], found["tags"])
        ]


def mentions(question: str, probabilities: np.ndarray) -> tuple[Mention, ...]:
    """Returns the names in a question, from the probabilities of the tags of its characters [length, 3].

    A name is a run of characters that are more probably part of one than not; its first one, and each that is tagged
    as a beginning, starts a name. A Latin name is extended to whole words.
    """
    tags = probabilities[: len(question)].argmax(axis=1)
    starts = [i for i, tag in enumerate(tags) if tag == BEGIN or (tag == INSIDE and (i == 0 or tags[i - 1] == OUTSIDE))]
    found: list[Mention] = []
    for start in starts:
        end = start + 1
        while end < len(tags) and tags[end] == INSIDE:
            end += 1
        start, end = _whole_words(question, start, end)
        name = question[start:end].strip(ENDS_OF_NAMES)
        if name and (not found or start >= found[-1].end):
            found.append(Mention(name, start, end))
    return tuple(found)


def join_neighbors(question: str, found: Sequence[Mention], farthest: int) -> list[Mention]:
    """Returns all runs of two or more names as one name each, if at most `farthest` characters are between two."""
    joined = []
    for first, one in enumerate(found):
        for second in range(first + 1, len(found)):
            if found[second].start - found[second - 1].end > farthest:
                break
            name = question[one.start : found[second].end].strip(ENDS_OF_NAMES)
            joined.append(Mention(name, one.start, found[second].end))
    return joined


def language_of(question: str) -> Language:
    """Returns the language of a question: Chinese if it has a Chinese character, else English."""
    return "zh" if any("\u4e00" <= letter <= "\u9fff" for letter in question) else "en"


def _whole_words(question: str, start: int, end: int) -> tuple[int, int]:
    """Returns the ends of a name, moved outwards to where its words end. Chinese has no such ends."""
    while start > 0 and is_latin(question[start - 1]) and is_latin(question[start]):
        start -= 1
    while end < len(question) and is_latin(question[end - 1]) and is_latin(question[end]):
        end += 1
    return start, end


def is_latin(letter: str) -> bool:
    """Returns whether a character is a letter of a script that separates words, not a Chinese one."""
    return letter.isalpha() and letter < "\u2e80"


def load_reader(folder: Path, record: TextRecord) -> Reader:
    """Loads the reader of a run. Raises `InputError` unless its network is complete and the recorded one."""
    import keras

    return Reader(keras.saving.load_model(find_network(folder, record), compile=False), record.corpus)
