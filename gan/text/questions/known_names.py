"""Tells whether a written name is a known one: as it stands, with a word after it, or with one typo."""

import unicodedata

from gan.text.questions.reader import is_latin

SHORTEST_MISTYPED = 5
"""Characters of a known name from which on one of them may be mistyped."""


def is_known_name(written: str, known: str) -> bool:
    """Returns whether a written name is a known one. Case, accents and the article `the` do not matter.

    It either begins with the known name, which ends there as a word: a reader may have taken a word too many. Or it has
    one typo: their Damerau-Levenshtein distance is 1, with the same first letter, if the known name has five or more.
    So a word before a known name makes another one of it.

    >>> is_known_name("the finland", "Finland"), is_known_name("Filand", "Finland"), is_known_name("Prussia", "Russia")
    (True, True, False)
    """
    one, other = _folded(written), _folded(known)
    if not other:
        return False
    if one.startswith(other):
        rest = one[len(other) :]
        if not (is_latin(rest[:1]) and is_latin(other[-1])):
            return True
    return len(other) >= SHORTEST_MISTYPED and one[:1] == other[0] and has_one_typo(one, other)


def has_one_typo(one: str, other: str) -> bool:
    """Returns whether a text differs by one character: left out, added, replaced, or swapped with the next one.

    >>> has_one_typo("Ghana", "Gahna"), has_one_typo("Ghana", "Ghana"), has_one_typo("Ghana", "Guana")
    (True, False, True)
    """
    if one == other:
        return False
    first = next((place for place, pair in enumerate(zip(one, other)) if pair[0] != pair[1]), min(len(one), len(other)))
    ends = one[first:], other[first:]
    is_swap = ends[0][:2] == ends[1][1::-1] and len(ends[0]) > 1 and ends[0][2:] == ends[1][2:]
    return is_swap or ends[0][1:] == ends[1][1:] or ends[0][1:] == ends[1] or ends[0] == ends[1][1:]


def _folded(name: str) -> str:
    name = name.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    letters = unicodedata.normalize("NFKD", name)
    return "".join(one for one in letters if not unicodedata.combining(one)).casefold().strip().removeprefix("the ")
