"""Texts in three splits, with or without categories."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from gan.errors import InputError, Positive, Whole, check, check_different
from gan.text.data.alphabet import Alphabet
from gan.text.data.normalization import NORMALIZE, Form

LONGEST = 10_000
"""Largest number of places of an encoded text."""


@dataclass(frozen=True)
class TextSplit:
    """Texts, and their categories: int32 [N], or None."""

    texts: tuple[str, ...]
    labels: np.ndarray | None = None

    def __post_init__(self) -> None:
        fits = self.labels is None or self.labels.shape == (len(self.texts),)
        check(fits, "labels", f"one for each of {len(self.texts)} texts", getattr(self.labels, "shape", None))

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, kw_only=True)
class CorpusRecord:
    """What a run records of its texts. `letters` and `length` are all that a saved network needs of them."""

    name: str
    class_names: tuple[str, ...] = ()
    letters: str
    length: Positive
    """Places of an encoded text."""
    form: Form = "text"
    """Form of the texts."""
    train: Positive
    validation: Whole = 0
    test: Whole = 0
    train_sha256: str | None = None
    """SHA-256 of the training texts and their categories."""

    def __post_init__(self) -> None:
        check(self.length <= LONGEST, "length", f"at most {LONGEST:,} places", self.length)
        check_different("class_names", self.class_names)
        Alphabet(self.letters)

    @property
    def alphabet(self) -> Alphabet:
        """The characters of the texts."""
        return Alphabet(self.letters)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Returns the numbers of texts of a user, brought into the form of the corpus: int32 [N, length]."""
        return self.alphabet.encode([NORMALIZE[self.form](text) for text in texts], self.length)


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Texts in three splits. Train on `train`, choose on `validation`, report on `test`, once.

    Attributes:
        name: name by which `load_corpus` finds it.
        train, validation, test: the splits.
        class_names: names of the categories; empty without categories.
        alphabet: the known characters. Those of a file are the ones of its training texts.
        length: places of an encoded text. The rest of a longer one is cut off.
        form: form of the texts, see `normalization`.

    Raises `InputError` for an empty split, and for labels that do not fit the names of the categories.
    """

    name: str
    train: TextSplit
    validation: TextSplit
    test: TextSplit
    alphabet: Alphabet
    length: int
    class_names: tuple[str, ...] = ()
    form: Form = "text"

    def __post_init__(self) -> None:
        empty = [name for name in ("train", "validation", "test") if not len(getattr(self, name))]
        if empty:
            raise InputError("A split is empty", expected="texts in each split", received=f"none in {', '.join(empty)}")
        for name in ("train", "validation", "test"):
            labels = getattr(self, name).labels
            fits = labels is None or 0 <= labels.min() <= labels.max() < self.num_classes
            check(fits, f"{name}.labels", f"numbers of {self.num_classes} categories", labels)

    @property
    def num_classes(self) -> int:
        """Number of categories; 0 without categories."""
        return len(self.class_names)

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal SHA-256 of the training texts and their categories, in their order."""
        return _sha256(self.train)

    def describe(self) -> CorpusRecord:
        """Returns what a run records of the texts."""
        return CorpusRecord(
            name=self.name,
            class_names=self.class_names,
            letters=self.alphabet.letters,
            length=self.length,
            form=self.form,
            train=len(self.train),
            validation=len(self.validation),
            test=len(self.test),
            train_sha256=self.fingerprint,
        )

    def encode(self, split: TextSplit) -> np.ndarray:
        """Returns the numbers of the texts of a split: int32 [N, length]."""
        return self.alphabet.encode(split.texts, self.length)

    def check_same(self, recorded: CorpusRecord) -> None:
        """Raises `InputError` unless these are the texts of a record: a run resumes on its own texts only."""
        ours = self.describe()
        changed = [field.name for field in fields(ours) if getattr(ours, field.name) != getattr(recorded, field.name)]
        if changed:
            raise InputError(
                "The texts have changed",
                expected=f"{recorded.train:,} training texts of SHA-256 {recorded.train_sha256}",
                received=f"{ours.train:,} of SHA-256 {ours.train_sha256}, with another {', '.join(changed)}",
            )


def split_by_hash(key: str, *, validation: int = 20, test: int = 20) -> str:
    """Returns the split of a key: train, validation or test. The shares are percentages. It never changes."""
    number = int(hashlib.sha256(f"tolerance {key}".encode()).hexdigest(), 16) % 100
    first = 100 - validation - test
    return "train" if number < first else "validation" if number < first + validation else "test"


def as_split(pairs: Sequence[tuple[str, int]]) -> TextSplit:
    """Returns a split of pairs (text, category)."""
    return TextSplit(tuple(text for text, _ in pairs), np.array([label for _, label in pairs], np.int32))


def _sha256(split: TextSplit) -> str:
    digest = hashlib.sha256("\n".join(split.texts).encode())
    if split.labels is not None:
        digest.update(split.labels.astype("<i4").tobytes())
    return digest.hexdigest()
