"""Tests of reading what users give: files, standard input, tables and JSON lines, bad ones above all."""

import io
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan.errors import InputError
from gan.text.data import files
from gan.text.data.files import check_text, decode_text, read_rows, read_text


def refused(function, *arguments):
    """The message of an `InputError`, which has one line."""
    with pytest.raises(InputError) as error:
        function(*arguments)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def test_text_is_read_without_mark_and_with_the_same_ends_of_lines(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffone\r\ntwo\rthree\n\u00e9 \U0001f600".encode())
    assert read_text(path) == read_text(str(path)) == "one\ntwo\nthree\n\u00e9 \U0001f600"
    link = tmp_path / "link"
    link.symlink_to(path)
    assert read_text(link) == read_text(path)
    (tmp_path / "empty").touch()
    assert read_text(tmp_path / "empty") == ""


NO_TEXT = {
    b"\xff\xfea\x00": "byte 0",  # UTF-16
    b"abc \xe9": "byte 4",  # Latin-1
    b"\x89PNG\r\n\x1a\n": "byte 0",
    b"a\x00b": "a binary file",
    b"\xed\xa0\x80": "byte 0",  # half a character
}


@pytest.mark.parametrize("content", NO_TEXT)
def test_other_bytes_are_refused(content, tmp_path):
    (tmp_path / "file").write_bytes(content)
    message = refused(read_text, tmp_path / "file")
    assert NO_TEXT[content] in message
    assert "file" in message


@given(st.binary(max_size=40))
def test_bytes_are_text_or_refused(content):
    try:
        text = decode_text(content, "these bytes")
    except InputError as error:
        text = None
        message = str(error)
    if text is None:
        assert "these bytes" in message
    else:
        assert text.encode() in content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def test_what_is_not_a_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "broken").symlink_to(tmp_path / "missing")
    for name in ("", "pipe", "broken", "missing", "missing/a.txt"):
        assert "No such text" in refused(read_text, tmp_path / name)
    for path in ("a\0b", "a" * 5000, "", tmp_path / "loop"):
        assert refused(read_text, path)


def test_a_large_file_is_refused_without_reading_all_of_it(tmp_path, monkeypatch):
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(10**12)
    monkeypatch.setattr(files, "LARGEST", 1000)
    assert "at most 1,000 bytes" in refused(read_text, tmp_path / "sparse")
    (tmp_path / "fits").write_text("a" * 1000, encoding="ascii")
    assert len(read_text(tmp_path / "fits")) == 1000
    assert "1,001 bytes" in refused(check_text, "a" * 1001)


class Input:
    def __init__(self, content):
        self.buffer = content


def test_a_hyphen_is_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Input(io.BytesIO("caf\u00e9\r\n".encode())))
    assert read_text("-") == "caf\u00e9\n"
    monkeypatch.setattr(sys, "stdin", Input(io.BytesIO(b"\xff")))
    assert "standard input, byte 0" in refused(read_text, "-")
    monkeypatch.setattr(sys, "stdin", None)
    assert "standard input: it is closed" in refused(read_text, "-")
    monkeypatch.setattr(sys, "stdin", Input(Folder()))
    assert "Is a directory" in refused(read_text, "-")


class Folder:
    def read(self, size):
        raise IsADirectoryError(21, "Is a directory")


def test_a_file_that_cannot_be_read_is_refused(tmp_path, monkeypatch):
    (tmp_path / "a").touch()

    def denied(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "open", denied)
    assert "Permission denied" in refused(read_text, tmp_path / "a")


def test_a_text_of_a_user_is_cleaned_or_refused():
    assert check_text("  caf\u0065\u0301 \n") == "caf\u00e9"
    for text in ("", " \n", "\x00\x1f", "\ufeff"):
        assert "The text is empty" in refused(check_text, text)
    assert "character 3" in refused(check_text, "abc\udcff")  # as the command line passes the byte 0xFF


TABLES = {
    ".csv": 'text,category\n"a, b",x\n\n"two\nlines",y\n"say ""hi""",z\n',
    ".CSV": 'category,text\nx,"a, b"\r\ny,"two\nlines"\r\nz,"say ""hi"""',
    ".tsv": 'text\tcategory\na, b\tx\n"two\nlines"\ty\n"say ""hi"""\tz\n',
    ".jsonl": '{"text": "a, b", "category": "x"}\n \n{"text": "two\\nlines", "category": "y"}\r\n'
    '{"category": "z", "text": "say \\"hi\\""}',
}


@pytest.mark.parametrize("suffix", TABLES)
def test_tables_are_read_row_by_row(suffix, tmp_path):
    path = tmp_path / f"table{suffix}"
    path.write_bytes(b"\xef\xbb\xbf" + TABLES[suffix].encode())
    rows = list(read_rows(path))
    wanted = {"a, b": "x", "two\nlines": "y", 'say "hi"': "z"}
    assert [row for _, row in rows] == [{"text": text, "category": category} for text, category in wanted.items()]
    numbers = [number for number, _ in rows]
    assert numbers == sorted(set(numbers))


DAMAGED = {
    "longer.csv": ("text,category\na,x\nHello, world,y\n", "line 3: 3"),
    "shorter.csv": ("text,category\na\n", "line 2: 1"),
    "twice.csv": ("text,text,category\na,b,c\n", "different names of columns"),
    "open.csv": ('text,category\na,"x\nb,y\n', "line 3: unexpected end of data"),
    "after.csv": ('text,category\n"a"b,x\n', "line 2"),
    "field.csv": (f"text,category\n{'a' * 140_000},x\n", "field larger than field limit (131072)"),
    "half.jsonl": ('{"text": "a"}\n{"text": ', "line 2"),
    "list.jsonl": ("[1, 2]\n", "line 1: list"),
    "number.jsonl": ("\n\n7\n", "line 3: int"),
    "pretty.jsonl": ('{\n "text": "a"\n}\n', "line 1"),
    "twice.jsonl": ('{"text": "a", "text": "b"}\n', "a name occurs twice"),
    "nan.jsonl": ('{"text": "a", "score": NaN}\n', "line 1: Out of range float"),
    "infinity.jsonl": ('{"score": 1e999}\n', "line 1: Out of range float"),
    "surrogate.jsonl": ('{"text": "\\ud83d"}\n', "surrogates not allowed"),
    "deep.jsonl": ('{"text": ' + "[" * 100_000 + "]" * 100_000 + "}\n", "line 1"),
    "digits.jsonl": ('{"text": ' + "9" * 5_000 + "}\n", "line 1"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_table_is_refused_with_the_line(name, tmp_path):
    content, reason = DAMAGED[name]
    (tmp_path / name).write_text(content, encoding="utf-8")
    message = refused(lambda: list(read_rows(tmp_path / name)))
    assert reason in message
    assert name in message


@given(content=st.text(st.sampled_from('ab",\n\r\t{}[]:1'), max_size=40), suffix=st.sampled_from([".csv", ".jsonl"]))
def test_any_text_is_a_table_or_refused(tmp_path_factory, content, suffix):
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_text(content, encoding="utf-8", newline="")
    rows, message = [], ""
    try:
        rows += [row for _, row in read_rows(path)]
    except InputError as error:
        message = str(error)
    assert len(message.splitlines()) <= 1
    assert len({tuple(row) for row in rows}) <= 1 or suffix == ".jsonl"
