"""Tests of alphabets, and of the form in which a model reads texts."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan.errors import InputError
from gan.text import Alphabet, normalize_name
from gan.text.data.alphabet import END, FIRST, REPLACEMENT, UNKNOWN
from gan.text.data.normalization import NORMALIZE, clean

ANY = st.text(st.characters(exclude_categories=[]), max_size=30)
"""Texts of all characters, halves of characters and controls included."""


def test_numbers_are_the_places_in_the_alphabet():
    letters = Alphabet("abc")
    assert letters.size == 5
    np.testing.assert_array_equal(letters.encode(["cab", "", "az"], 4), [[4, 2, 3, 0], [0, 0, 0, 0], [2, 1, 0, 0]])
    assert letters.encode(["abc"], 2).tolist() == [[2, 3]]
    assert letters.encode([], 3).shape == (0, 3)
    assert letters.encode(["a"], 3).dtype == np.int32
    assert (END, UNKNOWN, FIRST) == (0, 1, 2)


def test_decoding_ends_at_the_first_end():
    assert Alphabet("ab").decode(np.array([[2, 0, 3], [3, 1, 2], [0, 0, 0]])) == ["a", f"b{REPLACEMENT}a", ""]
    assert Alphabet("ab").decode(np.zeros((0, 5))) == []


@pytest.mark.parametrize("numbers", [[[4]], [[-1]], [[2, 99]]])
def test_numbers_of_another_alphabet_are_refused(numbers):
    with pytest.raises(InputError, match="whole numbers below 4"):
        Alphabet("ab").decode(np.array(numbers))


@pytest.mark.parametrize("letters", ["", "aba"])
def test_an_alphabet_has_different_letters(letters):
    with pytest.raises(InputError, match="letters"):
        Alphabet(letters)


@pytest.mark.parametrize("length", [0, -1, 1.5])
def test_a_length_is_a_whole_number(length):
    with pytest.raises(InputError, match="length"):
        Alphabet("a").encode(["a"], length)


def test_rare_characters_are_left_out():
    assert Alphabet.of(["abba", "cab"]).letters == "abc"
    assert Alphabet.of(["abba", "cab"], least=2).letters == "ab"
    assert Alphabet.of(iter(["ba"])) == Alphabet("ab")
    with pytest.raises(InputError, match="No characters"):
        Alphabet.of(["", ""])


@given(st.lists(ANY, min_size=1, max_size=5).filter(any), st.integers(1, 40))
def test_known_texts_come_back_as_far_as_they_fit(texts, length):
    letters = Alphabet.of(texts)
    assert letters.letters == "".join(sorted(set("".join(texts))))
    assert letters.decode(letters.encode(texts, length)) == [text[:length] for text in texts]


CLEANED = {
    "  two\t words\r\n": "two words",
    "e\u0301": "\u00e9",
    "a\x00b\x1fc\x85d\u2028e\u2029f": "a b c d e f",
    "\ufeffmark": "mark",
    "half \ud83d of a smile": "half of a smile",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\u05e9\u05dc\u05d5\u05dd": "\u05e9\u05dc\u05d5\u05dd",
    "\u00a0\u3000": "",
}
"""Text -> the same after `clean`. A family of joined emoji and a word from right to left stay as they are."""


@pytest.mark.parametrize("text", CLEANED)
def test_texts_are_cleaned(text):
    assert clean(text) == CLEANED[text]


@given(ANY)
def test_a_cleaned_text_can_be_written_in_one_line_and_stays_the_same(text):
    cleaned = clean(text)
    assert clean(cleaned) == cleaned == " ".join(cleaned.split())
    assert cleaned.encode().decode() == cleaned
    assert not {unicodedata.category(character) for character in cleaned} & {"Cc", "Cs", "Zl", "Zp"}
    assert all(unicodedata.is_normalized("NFC", word) for word in cleaned.split(" "))


NAMES = {
    "S\u00e3o Tom\u00e9 & Pr\u00edncipe": "s\u00e3o tom\u00e9 pr\u00edncipe",
    "Sa\u0303o": "s\u00e3o",
    "Hongkong (S\u00e4rf\u00f6rv.) [Kina]": "hongkong",
    "\u0130stanbul": "istanbul",
    "US-Dollar 1998\u20132002": "us dollar",
    "(\u2026)": "",
}


@pytest.mark.parametrize("name", NAMES)
def test_names_are_normalized(name):
    assert normalize_name(name) == NORMALIZE["name"](name) == NAMES[name]


@given(ANY)
def test_a_normalized_name_has_letters_and_single_spaces(name):
    plain = normalize_name(name)
    assert all(word.isalpha() for word in plain.split(" ") if plain)
    assert normalize_name(plain) == plain
