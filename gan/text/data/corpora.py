"""Loads texts by name or file."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gan.errors import InputError
from gan.saving.files import as_path
from gan.text.data import files
from gan.text.data.alphabet import Alphabet
from gan.text.data.corpus import Corpus, TextSplit, as_split, split_by_hash
from gan.text.data.names import LANGUAGES, NAMES, load_names
from gan.text.data.normalization import clean

LONGEST = 200
"""Largest number of places of an encoded text of a file."""
FEWEST = 30
"""Fewest texts of a file."""
MOST_CLASSES = 1_000
TEXT, CATEGORY = "text", "category"
"""Names of the columns of a table."""
SPLITS = ("train", "validation", "test")


def load_corpus(name: str | os.PathLike[str] = NAMES, languages: Sequence[str] = LANGUAGES) -> Corpus:
    """Loads texts in three splits.

    Args:
        name: `names` (see `load_names`), or a file in UTF-8. A .csv or .tsv with the columns `text` and `category`, or
            JSON lines (.jsonl) with these keys, has categories. Any other file has texts without categories, one per
            line; a line of more than `LONGEST` characters is cut into pieces at spaces. A repeated text counts once.
            Its hash decides the split, so that it stays the same when texts are added. If a split has none of a
            category, one is moved there.
        languages: languages of `names`.

    Raises `InputError` for a name that is not known, and for a file with too few texts or other content.
    """
    path = as_path(name, "data")
    if os.fspath(name) == NAMES:
        return load_names(languages)
    if tuple(languages) != LANGUAGES:
        raise InputError("Languages without effect", expected=f"them for {NAMES} only", received=f"{name}")
    if not path.is_file():
        expected = f"{NAMES}, or a file: text, .csv, .tsv or .jsonl"
        raise InputError("No such texts", expected=expected, received=str(name))
    is_table = path.suffix.lower() in (*files.TABLES, ".jsonl")
    return _labeled(path) if is_table else _lines(path)


def _lines(path: Path) -> Corpus:
    """Returns the lines of a text file that are not empty, each once. A long one, as in a book, is cut into pieces."""
    lines = map(clean, files.read_text(path).split("\n"))
    texts = list(dict.fromkeys(piece for line in lines for piece in cut(line)))
    _check_number(path, len(texts))
    parts = _split(texts)
    length = _length(texts)
    train, validation, test = (TextSplit(tuple(texts[i] for i in rows)) for rows in parts.values())
    alphabet = Alphabet.of(train.texts)
    return Corpus(name=path.name, train=train, validation=validation, test=test, alphabet=alphabet, length=length)


def cut(line: str) -> list[str]:
    """Returns the pieces of a line, cut at spaces, of at most `LONGEST` characters. Only a longer word is cut inside.

    >>> cut("one line")
    ['one line']
    """
    pieces, start = [], 0
    while len(line) - start > LONGEST:
        space = line.rfind(" ", start + 1, start + LONGEST + 1)
        end = start + LONGEST if space < 0 else space
        pieces.append(line[start:end])
        start = end + (space > 0)
    return [*pieces, line[start:]] if start < len(line) else pieces


def _labeled(path: Path) -> Corpus:
    """Returns the rows of a table with the columns text and category. A text with two categories is an error."""
    category_of: dict[str, str] = {}
    for number, row in files.read_rows(path):
        text, category = (row.get(name) for name in (TEXT, CATEGORY))
        place = f"{path}, line {number}"
        if not isinstance(text, str) or not isinstance(category, str) or not clean(text) or not clean(category):
            received = f"{place}: {', '.join(row) or 'nothing'}"
            raise InputError("Bad row", expected=f"the columns {TEXT} and {CATEGORY}, both filled", received=received)
        known = category_of.setdefault(clean(text), clean(category))
        if known != clean(category):
            received = f"{place}: {known} and {clean(category)}"
            raise InputError("A text with two categories", expected="one category of each text", received=received)
    _check_number(path, len(category_of))
    counts = Counter(category_of.values())
    names = tuple(sorted(counts))
    rare = [name for name in names if counts[name] < 3]
    if rare or not 2 <= len(names) <= MOST_CLASSES:
        few = f", of which {rare[0]!r} has {counts[rare[0]]}" if rare else ""
        expected = f"2 to {MOST_CLASSES:,} categories of at least 3 texts each"
        raise InputError("Bad categories", expected=expected, received=f"{path}: {len(names):,} categories{few}")
    texts = list(category_of)
    numbers = {name: number for number, name in enumerate(names)}
    labels = [numbers[category] for category in category_of.values()]
    train, validation, test = (
        as_split([(texts[i], labels[i]) for i in rows]) for rows in _split(texts, labels).values()
    )
    return Corpus(
        name=path.name,
        train=train,
        validation=validation,
        test=test,
        alphabet=Alphabet.of(train.texts),
        length=_length(texts),
        class_names=names,
    )


def _split(texts: Sequence[str], labels: Sequence[int] | None = None) -> dict[str, list[int]]:
    """Returns the numbers of the texts in each split, 80, 10 and 10 %, sorted. Each category is in each split."""
    rows_of: dict[int, dict[str, list[int]]] = {}
    for i, (text, label) in enumerate(zip(texts, labels or [0] * len(texts))):
        rows = rows_of.setdefault(label, {split: [] for split in SPLITS})
        rows[split_by_hash(text, validation=10, test=10)].append(i)
    for rows in rows_of.values():
        for split in ("validation", "test", "train"):
            if not rows[split]:
                donor = max(rows.values(), key=len)
                rows[split].append(donor.pop(0))
    return {split: sorted(i for rows in rows_of.values() for i in rows[split]) for split in SPLITS}


def _length(texts: Sequence[str]) -> int:
    """Returns the places that hold 99 % of the texts whole, at most `LONGEST`."""
    return min(LONGEST, max(1, int(np.ceil(np.percentile([len(text) for text in texts], 99)))))


def _check_number(path: Path, number: int) -> None:
    if number < FEWEST:
        received = f"{path}: {number}"
        raise InputError("Too few texts", expected=f"at least {FEWEST} different ones", received=received)
