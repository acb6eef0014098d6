"""Wordings of questions: hand-written, in three splits that share no pattern of content words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from gan.text.data.files import read_rows
from gan.text.questions.facts import Language

Split = Literal["train", "validation", "test"]
Meaning = Literal["currency", "language", "other"]
MEANINGS: tuple[Meaning, ...] = ("currency", "language", "other")
"""What a question can ask for, in the order of the network's outputs. `other`: something else than the facts tell."""

PLACE = "{}"
"""Stands for the name in a wording."""
PARTS = ("place", "noun", "context", "prefix", "suffix")
"""Keys of the lines that are no whole wordings, in the files of wordings."""
WORD = "[]"
"""Stands for any noun of `Wordings.nouns`, in a wording for training with the meaning `other`."""


@dataclass(frozen=True)
class Wording:
    """A question with `PLACE` in place of the name; small talk has no name."""

    language: Language
    meaning: Meaning
    text: str


@dataclass(frozen=True)
class Wordings:
    """The wordings of a split.

    Attributes:
        questions: what is asked.
        places: (language, name) of places and other things that are not territories of the CLDR.
        nouns: (language, noun) to fill `WORD` with.
        contexts: wordings that begin a question with its name; a core ends it, without a name.
        cores: what is asked.
        prefixes: polite words before a question.
        suffixes: polite words after it.
    """

    questions: tuple[Wording, ...]
    places: tuple[tuple[Language, str], ...]
    nouns: tuple[tuple[Language, str], ...]
    contexts: tuple[tuple[Language, str], ...] = ()
    cores: tuple[Wording, ...] = ()
    prefixes: tuple[tuple[Language, str], ...] = ()
    suffixes: tuple[tuple[Language, str], ...] = ()

    def compose(self) -> Iterator[Wording]:
        """Yields each context with each core."""
        for language, context in self.contexts:
            for core in self.cores:
                if core.language == language:
                    space = " " if language == "en" else ""
                    yield Wording(language, core.meaning, f"{context}{space}{core.text}")

    def of(self, language: Language, meaning: Meaning) -> list[str]:
        """Returns the texts in a language with a meaning."""
        return [one.text for one in self.questions if (one.language, one.meaning) == (language, meaning)]

    def places_in(self, language: Language) -> list[str]:
        """Returns the places in a language."""
        return [name for its, name in self.places if its == language]

    def polite(self, language: Language, *, before: bool) -> list[str]:
        """Returns the polite words of a language, before a question or after it."""
        return [text for its, text in (self.prefixes if before else self.suffixes) if its == language]

    def nouns_in(self, language: Language) -> list[str]:
        """Returns the nouns in a language."""
        return [noun for its, noun in self.nouns if its == language]


@cache
def load_wordings(split: Split) -> Wordings:
    """Returns the wordings of a split, from a file of this package."""
    whole: dict[str, list[Wording]] = {"text": [], "core": []}
    parts: dict[str, list[tuple[Language, str]]] = {name: [] for name in PARTS}
    for _, row in read_rows(Path(__file__).parent / f"wordings_{split}.jsonl"):
        language: Language = "zh" if row["language"] == "zh" else "en"
        name = next(name for name in (*whole, *parts) if name in row)
        if name in whole:
            meaning = next(one for one in MEANINGS if one == row["relation"])
            whole[name].append(Wording(language, meaning, str(row[name])))
        else:
            parts[name].append((language, str(row[name])))
    places, nouns, contexts, prefixes, suffixes = map(tuple, parts.values())
    return Wordings(tuple(whole["text"]), places, nouns, contexts, tuple(whole["core"]), prefixes, suffixes)


_STOP_WORDS = frozenset(
    word
    for line in (
        "a an the of in is are was were be been being do does did have has had i you he she it we they me my your",
        "their his her its to for on at by with from as and or if then than that this these those there here what",
        "which who whom whose when where why how can could would should will shall may might must not no so please",
        "tell give say one am into about s t",
    )
    for word in line.split()
)
"""English words that carry no content of a question."""
_FUNCTION_CHARACTERS = frozenset("的是在用吗呢什么哪种个些了我你他她它们请问一下有那里这到去吧啊和与会能要以为人")
"""Chinese characters that carry no content of a question."""


def content_words(text: str, language: str) -> list[str]:
    """Returns the words of a text that carry content, in lower case; in Chinese, its characters.

    >>> content_words("What is the currency of {}?", "en")
    ['currency']
    """
    if language == "zh":
        return [letter for letter in text.lower() if letter.isalnum() and letter not in _FUNCTION_CHARACTERS]
    return [word for word in re.findall(r"[^\W_]+", text.lower()) if word not in _STOP_WORDS]


def content_pattern(wording: Wording) -> frozenset[str]:
    """Returns the set of content words of a wording, whatever their order. No two splits share one.

    It is empty for a wording without content words, such as `Who am I?`.
    """
    return frozenset(content_words(wording.text.replace(PLACE, " "), wording.language))
