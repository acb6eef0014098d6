"""Tests of corpora: splits of a user's file, what a run records of them, and when they are refused."""

import csv
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan.errors import InputError, as_json, convert
from gan.text import Alphabet, Corpus, TextSplit, load_corpus
from gan.text.data.corpora import LONGEST, _split
from gan.text.data.corpus import CorpusRecord, split_by_hash

SPLITS = ("train", "validation", "test")


def write_table(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "category"), *rows])
    return path


def refused(*arguments):
    with pytest.raises(InputError) as error:
        load_corpus(*arguments)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def test_the_split_of_a_text_never_changes():
    """The golden values are those of the first release."""
    keys = ["country FI", "country DE", "language sv", "", "\u00e9"]
    assert [split_by_hash(key) for key in keys] == ["validation", "train", "train", "train", "train"]
    shares = Counter(split_by_hash(str(number), validation=10, test=10) for number in range(10_000))
    assert {split: round(shares[split] / 10_000, 1) for split in SPLITS} == {
        "train": 0.8,
        "validation": 0.1,
        "test": 0.1,
    }


def test_lines_of_a_file_become_texts_once_each(tmp_path):
    lines = [f"line {number}" for number in range(100)]
    (tmp_path / "a.txt").write_bytes("\r\n".join(["", *lines, "  line  7 ", " "]).encode())
    corpus = load_corpus(tmp_path / "a.txt")
    parts = [getattr(corpus, split) for split in SPLITS]
    assert sorted(text for part in parts for text in part.texts) == sorted(lines)
    for split, part in zip(SPLITS, parts):
        assert all(split_by_hash(text, validation=10, test=10) == split for text in part.texts)
        assert part.labels is None
    assert (corpus.name, corpus.num_classes, corpus.length, corpus.form) == ("a.txt", 0, 7, "text")
    assert set(corpus.alphabet.letters) == set("".join(corpus.train.texts))
    encoded = corpus.encode(corpus.train)
    assert encoded.shape == (len(corpus.train), 7)
    assert corpus.alphabet.decode(encoded) == list(corpus.train.texts)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_each_end_of_lines_is_read(tmp_path, end):
    (tmp_path / "a.txt").write_bytes(end.join(f"line {number}" for number in range(40)).encode())
    corpus = load_corpus(str(tmp_path / "a.txt"))
    assert sum(len(getattr(corpus, split)) for split in SPLITS) == 40


@pytest.mark.parametrize("seed", range(30))
def test_thirty_lines_are_enough(tmp_path, seed):
    """Of such files, the hashes alone would leave a split empty in 8 %."""
    (tmp_path / "a.txt").write_text("\n".join(f"{seed} {number}" for number in range(30)), encoding="utf-8")
    corpus = load_corpus(tmp_path / "a.txt")
    assert all(len(getattr(corpus, split)) for split in SPLITS)


@given(
    texts=st.lists(st.text("abc\u00e9", min_size=1), min_size=3, max_size=60, unique=True),
    labels=st.lists(st.integers(0, 3), min_size=60, max_size=60),
)
def test_each_category_of_three_texts_is_in_each_split(texts, labels):
    labels = labels[: len(texts)]
    parts = _split(texts, labels)
    assert sorted(i for rows in parts.values() for i in rows) == list(range(len(texts)))
    assert all(rows == sorted(rows) for rows in parts.values())
    for label, count in Counter(labels).items():
        held = {split: [i for i in rows if labels[i] == label] for split, rows in parts.items()}
        assert count < 3 or all(held.values())
        own = Counter(split_by_hash(text, validation=10, test=10) for text, of in zip(texts, labels) if of == label)
        if len(own) == 3:
            assert {split: len(rows) for split, rows in held.items()} == own  # nothing is moved without need


def test_many_texts_of_many_categories_are_split():
    """A split that looks through all texts for each category would take hours here."""
    number = 50_000
    parts = _split([str(i) for i in range(number)], [i % 1_000 for i in range(number)])
    assert sum(map(len, parts.values())) == number
    assert all({i % 1_000 for i in rows} == set(range(1_000)) for rows in parts.values())


def test_a_table_has_categories_in_their_order(tmp_path):
    rows = [(f"text {number}", ("zebra", "ape", "\u00e9lan")[number % 3]) for number in range(60)]
    corpus = load_corpus(write_table(tmp_path / "a.csv", [*rows, rows[0]]))
    assert corpus.class_names == ("ape", "zebra", "\u00e9lan")
    category = dict(rows)
    for split in SPLITS:
        part = getattr(corpus, split)
        assert [corpus.class_names[label] for label in part.labels] == [category[text] for text in part.texts]
        assert set(part.labels) == {0, 1, 2}
    (tmp_path / "a.tsv").write_text("\n".join("\t".join(row) for row in [("text", "category"), *rows]), "utf-8")
    assert load_corpus(tmp_path / "a.tsv").fingerprint == corpus.fingerprint


TABLES = {
    "header": ("a,b\nx,y\n", "line 2: a, b"),
    "empty cell": ("text,category\nx,\n", "both filled"),
    "white space": ("text,category\n \u00a0,y\n", "both filled"),
    "contradiction": ("text,category\nx,y\n x ,z\n", "line 3: y and z"),
    "unquoted": ("text,category\nHello, world,y\n", "line 2: 3"),
    "nothing": ("", "Too few texts"),
    "header only": ("text,category\n", "Too few texts"),
    "one category": ("text,category\n" + "".join(f"{i},a\n" for i in range(40)), "1 categories"),
    "a rare one": ("text,category\n" + "".join(f"{i},{'b' if i < 2 else i % 2}\n" for i in range(40)), "'b' has 2"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_without_texts_of_categories_is_refused(tmp_path, name):
    content, reason = TABLES[name]
    (tmp_path / "a.csv").write_text(content, encoding="utf-8")
    assert reason in refused(tmp_path / "a.csv")


def test_other_values_than_texts_are_refused(tmp_path):
    for value in ("7", "null", "true", '["a"]', '{"a": 1}'):
        (tmp_path / "a.jsonl").write_text(f'{{"text": {value}, "category": "a"}}\n', encoding="utf-8")
        assert "both filled" in refused(tmp_path / "a.jsonl")


def test_what_is_no_corpus_is_refused(tmp_path):
    (tmp_path / "short.txt").write_text("\n".join("abc" * 100), encoding="utf-8")
    assert "Too few texts" in refused(tmp_path / "short.txt")
    (tmp_path / "photo.png").write_bytes(b"\x89PNG")
    assert "Not text in UTF-8" in refused(tmp_path / "photo.png")
    for name in ("name", "missing.csv", tmp_path):
        assert "No such texts. Expected names, or a file" in refused(name)
    for name in (3, None, "", "a\0"):
        assert "data" in refused(name)
    (tmp_path / "a.txt").write_text("\n".join(map(str, range(40))), encoding="utf-8")
    assert "Languages without effect" in refused(tmp_path / "a.txt", ("fi", "sv"))


def test_long_texts_are_cut_off(tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(f"{number}" + "x" * 5_000 for number in range(40)), encoding="utf-8")
    corpus = load_corpus(tmp_path / "a.txt")
    assert corpus.length == LONGEST
    assert corpus.encode(corpus.test).shape[1] == LONGEST


@pytest.fixture
def corpus():
    parts = [TextSplit(("ab", "ba"), np.array([0, 1], np.int32)), TextSplit(("a",), np.array([1], np.int32))]
    return Corpus(
        name="tiny", train=parts[0], validation=parts[1], test=parts[1], alphabet=Alphabet("ab"), length=3,
        class_names=("x", "y"),
    )  # fmt: skip


def test_a_record_has_all_that_a_network_needs(corpus):
    record = corpus.describe()
    assert convert(as_json(record), CorpusRecord, "text.json") == record
    assert (record.train, record.validation, record.test, record.alphabet) == (2, 1, 1, corpus.alphabet)
    np.testing.assert_array_equal(record.encode([" b\u0000a ", "c"]), [[3, 1, 2], [1, 0, 0]])
    assert replace(record, form="name").encode(["B!A"]).tolist() == record.encode(["b a"]).tolist()
    corpus.check_same(record)


@pytest.mark.parametrize(
    "change", [{"length": 0}, {"length": 10**9}, {"letters": ""}, {"letters": "aa"}, {"class_names": ["x", "x"]},
               {"train": 0}, {"form": "poem"}, {"letters": None}],
)  # fmt: skip
def test_a_damaged_record_is_refused(corpus, change):
    with pytest.raises(InputError):
        convert({**as_json(corpus.describe()), **change}, CorpusRecord, "text.json")


def test_other_texts_are_told_apart(corpus):
    swapped = replace(corpus, train=TextSplit(("ba", "ab"), corpus.train.labels))
    labels = replace(corpus, train=TextSplit(corpus.train.texts, np.array([1, 0], np.int32)))
    plain = replace(corpus, train=TextSplit(corpus.train.texts))
    assert len({one.fingerprint for one in (corpus, swapped, labels, plain)}) == 4
    with pytest.raises(InputError, match="with another train_sha256"):
        swapped.check_same(corpus.describe())
    with pytest.raises(InputError, match="with another letters, length"):
        replace(corpus, alphabet=Alphabet("abc"), length=4).check_same(corpus.describe())


def test_parts_that_do_not_fit_are_refused(corpus):
    with pytest.raises(InputError, match=r"A split is empty.* none in test"):
        replace(corpus, test=TextSplit(()))
    with pytest.raises(InputError, match="labels"):
        TextSplit(("a", "b"), np.array([0], np.int32))
    for class_names in ((), ("x",)):
        with pytest.raises(InputError, match=r"train\.labels"):
            replace(corpus, class_names=class_names)
