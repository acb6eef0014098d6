"""The form in which a model reads texts: the same in training and afterwards."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Literal

Form = Literal["text", "name"]


_GAPS = re.compile("[\\s\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ufeff\\ud800-\\udfff]+")
"""White space, controls, separators of lines and paragraphs, byte order marks, and halves of characters."""


def clean(text: str) -> str:
    """Returns a text in Unicode form NFC, without control characters, and with single spaces."""
    return _GAPS.sub(" ", unicodedata.normalize("NFC", text)).strip(" ")


def normalize_name(name: str) -> str:
    """Returns a name in lower case, without text in brackets, digits and punctuation."""
    name = re.sub(r"\([^)]*\)|\[[^\]]*\]", " ", unicodedata.normalize("NFC", name).lower())
    name = name.replace("\u0307", "")  # combining dot that `lower` leaves of the Turkish letter I with a dot
    return " ".join("".join(letter if letter.isalpha() else " " for letter in name).split())


NORMALIZE: Mapping[Form, Callable[[str], str]] = {"text": clean, "name": normalize_name}
"""Form -> function that brings a text into it."""
