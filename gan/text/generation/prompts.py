"""The beginning of a text, which a language model continues."""

from gan.errors import InputError
from gan.text.data.corpus import CorpusRecord
from gan.text.data.files import check_text
from gan.text.data.normalization import NORMALIZE, clean

MOST_NAMED = 5
"""Unknown characters that the error names."""


def as_prompt(prompt: str, corpus: CorpusRecord) -> str:
    """Returns a prompt in the form of some texts. A space at its end stays, as one: a new word begins.

    "" stays, too: there is nothing to continue.

    Raises `InputError` for a prompt of spaces only, with characters that are not among the letters of the texts, or
    without room for one more character.
    """
    if not prompt:
        return ""
    normalize, known = NORMALIZE[corpus.form], set(corpus.letters)
    cleaned = check_text(prompt)
    unknown = [c for c in dict.fromkeys(cleaned) if c not in known and not _is_known(normalize(c), known)]
    if unknown:
        expected = f"some of the {len(known)} characters that the model has learned"
        raise InputError("Unknown characters in the prompt", expected=expected, received=_named(unknown))
    text = normalize(cleaned)
    if clean(f"{prompt[-1]}.") == "." and " " in known:
        text += " "
    if len(text) >= corpus.length:
        expected = f"at most {corpus.length - 1} characters, so that there is room for one more"
        raise InputError("The prompt is too long", expected=expected, received=f"{len(text):,} characters")
    return text


def _named(unknown: list[str]) -> str:
    more = len(unknown) - MOST_NAMED
    return " ".join(map(ascii, unknown[:MOST_NAMED])) + (f" and {more} more" if more > 0 else "")


def _is_known(text: str, known: set[str]) -> bool:
    return bool(text) and set(text) <= known
