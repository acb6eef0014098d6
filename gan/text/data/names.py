"""Names of places, languages and currencies in many languages, from the Unicode CLDR. They are in the package Babel."""

import re
from collections import defaultdict
from collections.abc import Sequence

from gan.errors import InputError, check_different, did_you_mean
from gan.text.data.alphabet import Alphabet
from gan.text.data.corpus import Corpus, as_split, split_by_hash
from gan.text.data.normalization import normalize_name
from gan.utils.extras import import_extra

NAMES = "names"
"""Name of this corpus."""

LANGUAGES = ("cs", "de", "en", "es", "fi", "fr", "hu", "it", "nl", "pl", "sv", "tr")
"""Languages written in Latin letters, so that the script does not tell the language."""

KINDS = ("territories", "languages", "currencies")
SHORTEST = 3
"""Fewest characters of a name."""
LONGEST = 32
"""Places of an encoded name. Of the names in `LANGUAGES`, one in a hundred is longer."""


def entry_of(kind: str, code: str) -> str:
    """Returns the entry of a name: a country and its currencies (US: USD, USN), or a language and its dialects."""
    return "language " + re.split("[_-]", code)[0] if kind == "languages" else "country " + code[:2]


def load_names(languages: Sequence[str] = LANGUAGES) -> Corpus:
    """Returns the names that belong to exactly one of some languages. The category of a name is its language.

    A name that several of these languages share has no single right answer, so it is left out. The split assigns whole
    entries, 60 %, 20 % and 20 %: *Germania* and *Germany* are names of the same country, and one in the training
    split would nearly give away the other. A name of entries in two splits is left out.

    Raises `InputError` without Babel, for a language that it does not know, for fewer than two, and for a language that
    shares all its names with the others.
    """
    languages_of, entries_of = collect_names(languages)
    parts: dict[str, list[tuple[str, int]]] = {"train": [], "validation": [], "test": []}
    for name in sorted(languages_of):
        splits = {split_by_hash(entry) for entry in entries_of[name]}
        if len(languages_of[name]) == len(splits) == 1:
            parts[splits.pop()].append((name, languages.index(min(languages_of[name]))))
    for number, language in enumerate(languages):
        lacking = [split for split, pairs in parts.items() if all(label != number for _, label in pairs)]
        if lacking:
            expected = "names of its own in each split"
            raise InputError(
                "Languages too much alike", expected=expected, received=f"{language}: none in {lacking[0]}"
            )
    train, validation, test = map(as_split, parts.values())
    return Corpus(
        name=NAMES,
        train=train,
        validation=validation,
        test=test,
        alphabet=Alphabet.of((*train.texts, *validation.texts, *test.texts)),
        length=LONGEST,
        class_names=tuple(languages),
        form="name",
    )


def shared_names(languages: Sequence[str] = LANGUAGES) -> dict[str, set[str]]:
    """Returns {name: its languages} of the test names that several languages share. `load_names` leaves them out."""
    languages_of, entries_of = collect_names(languages)
    return {
        name: its
        for name, its in sorted(languages_of.items())
        if len(its) > 1 and {split_by_hash(entry) for entry in entries_of[name]} == {"test"}
    }


def collect_names(languages: Sequence[str]) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Returns {name: its languages} and {name: its entries} of all names of some languages.

    Raises `InputError` as `load_names` does.
    """
    babel = import_extra("babel", extra="text")
    check_different("languages", languages)
    known = babel.localedata.locale_identifiers()
    if len(languages) < 2:
        received = ", ".join(languages) or "none"
        raise InputError("Too few languages", expected="at least two, such as fi sv", received=received)
    for language in languages:
        if language not in known:
            expected = f"a language that Babel knows, such as fi or sv{did_you_mean(language, known)}"
            raise InputError("Unknown language", expected=expected, received=language)
    languages_of: dict[str, set[str]] = defaultdict(set)
    entries_of: dict[str, set[str]] = defaultdict(set)
    for language in languages:
        locale = babel.Locale.parse(language)
        for kind in KINDS:
            for code, name in getattr(locale, kind).items():
                plain = normalize_name(name)
                if len(plain) >= SHORTEST:
                    languages_of[plain].add(language)
                    entries_of[plain].add(entry_of(kind, code))
    return languages_of, entries_of
