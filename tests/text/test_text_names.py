"""Tests of the names of places, languages and currencies: the same split everywhere."""

import os
import subprocess
import sys
from itertools import pairwise

import pytest

from gan.errors import InputError
from gan.text import load_corpus, load_names, shared_names
from gan.text.data.corpus import split_by_hash
from gan.text.data.names import KINDS, LANGUAGES, LONGEST, SHORTEST, collect_names, entry_of
from gan.text.data.normalization import normalize_name

babel = pytest.importorskip("babel")
MEASURED = {
    "2.19.0": {
        "names": (5_311, 1_955, 1_464),
        "sha256": "5cd1e5c293128dd32b0675e6f6ad5c5c15e4fb9591e38a72bfcc459ab88047d1",
        "alphabet": 77,
        "shared": 172,
    }
}
"""Version of Babel -> what its names are."""
SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def names():
    return load_names()


def test_entries_join_a_country_with_its_currencies_and_a_language_with_its_dialects():
    assert entry_of("territories", "US") == entry_of("currencies", "USD") == entry_of("currencies", "USN")
    assert entry_of("languages", "de") == entry_of("languages", "de_AT") == entry_of("languages", "de-CH")
    assert entry_of("languages", "us") != entry_of("territories", "US")


def test_the_names_are_those_of_the_measured_version(names):
    if babel.__version__ not in MEASURED:
        pytest.skip(f"the names of Babel {babel.__version__} were not counted")
    measured = MEASURED[babel.__version__]
    assert tuple(len(getattr(names, split)) for split in SPLITS) == measured["names"]
    assert names.fingerprint == measured["sha256"]
    assert names.alphabet.size == measured["alphabet"]
    assert len(shared_names()) == measured["shared"]


def test_no_entry_is_in_two_splits_and_no_name_has_two_languages(names):
    languages_of, entries_of = collect_names(LANGUAGES)
    seen = set()
    for split in SPLITS:
        part = getattr(names, split)
        assert all(text < following for text, following in pairwise(part.texts))
        for text, label in zip(part.texts, part.labels):
            assert languages_of[text] == {LANGUAGES[label]}
            assert {split_by_hash(entry) for entry in entries_of[text]} == {split}
            assert normalize_name(text) == text
            assert len(text) >= SHORTEST
        assert set(part.labels) == set(range(len(LANGUAGES)))
        assert not seen & set(part.texts)
        seen |= set(part.texts)
    assert not seen & set(shared_names())


def test_names_of_each_kind_are_there(names):
    languages_of, _ = collect_names(("fi", "sv"))
    finnish = babel.Locale.parse("fi")
    for kind in KINDS:
        assert any(normalize_name(name) in languages_of for name in getattr(finnish, kind).values())
    assert "ruotsi" in languages_of


def test_the_corpus_fits_its_description(names):
    assert load_corpus().describe() == load_corpus("names", LANGUAGES).describe() == names.describe()
    assert (names.name, names.form, names.length, names.class_names) == ("names", "name", LONGEST, LANGUAGES)
    longer = sum(len(text) > LONGEST for split in SPLITS for text in getattr(names, split).texts)
    assert longer <= 0.015 * sum(len(getattr(names, split)) for split in SPLITS)
    assert 1 not in names.encode(names.test)  # no unknown character


def test_the_order_of_languages_numbers_them():
    first, second = load_names(("fi", "sv")), load_names(("sv", "fi"))
    assert first.train.texts == second.train.texts
    assert (first.train.labels == 1 - second.train.labels).all()


def test_the_hashes_of_a_process_change_nothing():
    program = "from gan.text import load_names; print(load_names(('fi', 'sv', 'de')).fingerprint)"
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": "1"}, capture_output=True, text=True
    )
    assert done.stdout.strip() == load_names(("fi", "sv", "de")).fingerprint, done.stderr


BAD = {
    (): "at least two",
    ("fi",): "at least two",
    ("fi", "fi"): "unique",
    ("fi", "svv"): "did you mean",
    ("fi", "root"): "Unknown language",
    ("fi", ""): "Unknown language",
    ("en", "en_GB", "fi"): "names of its own in each split. Received: en: none in",
}


@pytest.mark.parametrize("languages", BAD)
def test_bad_languages_are_refused(languages):
    with pytest.raises(InputError, match=BAD[languages]):
        load_names(languages)


def test_without_babel_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "babel", None)
    with pytest.raises(InputError, match=r"gan-reference\[text\]"):
        load_names()
