"""Tests of JSON lines that name samples which people called wrong."""

import json

import pytest

from gan.errors import InputError
from gan.saving.files import sha256
from gan.saving.rejected import read_rejected

SHA = "ab" * 32


def line(**changes):
    return json.dumps({"generator_sha256": SHA, "seed": 7, "index": 3, "label": 2, **changes})


def written(folder, *lines):
    file = folder / "feedback.jsonl"
    file.write_text("".join(f"{one}\n" for one in lines), encoding="utf-8")
    return file


def test_reads_samples_in_the_order_of_the_lines(tmp_path):
    file = written(tmp_path, line(), line(seed=2**32 - 1, index=2**53, label=0), line(index=2))
    found = read_rejected(file)
    assert (found.generator_sha256, found.sha256) == (SHA, sha256(file))
    assert found.seeds.tolist() == [7, 2**32 - 1, 7]
    assert found.indices.tolist() == [3, 2**53, 2]
    assert found.labels.tolist() == [2, 0, 2]


def test_reads_samples_without_labels(tmp_path):
    assert read_rejected(written(tmp_path, line(label=None), line(label=None, index=0))).labels is None


def test_the_same_latents_with_another_class_are_another_sample(tmp_path):
    assert len(read_rejected(written(tmp_path, line(), line(label=3))).labels) == 2


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "No feedback in this file.*no line"),
        ([line(), "{"], "Damaged .*feedback.jsonl, line 2"),
        ([line(), ""], "Damaged .*line 2"),
        (['{"seed": 1e400}'], "line 1"),
        (["[" * 200 + "]" * 200], "line 1"),
        (["[]"], "line 1"),
        ([line(mood="bad")], "mood.*line 1"),
        ([f'{{"generator_sha256": "{SHA}", "seed": 1, "index": 2}}'], "label.*line 1.*nothing"),
        ([line(), line(index=4, generator_sha256="cd" * 32)], "about several generators.*cdcd.*in line 2"),
        ([line(generator_sha256="short")], "a SHA-256, 64 hexadecimal digits"),
        ([line(), line(index=4, label=None)], "Expected a label, as in line 1.*null in line 2"),
        ([line(label=None), line(index=4)], "Expected no label, as in line 1"),
        ([line(label=-1)], "label.*line 1"),
        ([line(label=2**31)], "label.*line 1.*a whole number from 0 to 2\\^31 - 1"),
        ([line(label=2**63 - 1)], "label.*line 1"),
        ([line(label=2.5)], "label.*line 1"),
        ([line(label=True)], "label.*line 1"),
        ([line(seed=2**32)], "seed.*line 1"),
        ([line(index=-1)], "index.*line 1"),
        ([line(index=2**53 + 1)], "index.*line 1"),
        ([line(), line(index=4), line()], "occurs twice.*seed 7, index 3 in line 1 and line 3"),
    ],
)
def test_refuses_damaged_lines_in_one_line(tmp_path, lines, message):
    with pytest.raises(InputError, match=message) as error:
        read_rejected(written(tmp_path, *lines))
    assert "\n" not in str(error.value)


def test_the_largest_label_is_kept(tmp_path):
    assert read_rejected(written(tmp_path, line(label=2**31 - 1))).labels.tolist() == [2**31 - 1]


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        ([2, 10], 10, "Expected a class from 0 to 9. Received: label 10 in line 2"),
        ([0, 2], 0, "Expected no class: it is unconditional. Received: label 0 in line 1"),
        ([None, None], 3, "Expected a class from 0 to 2. Received: label null in line 1"),
        ([9, 2], 10, None),
        ([None, None], 0, None),
    ],
)
def test_labels_are_classes_of_the_generator(tmp_path, labels, classes, message):
    found = read_rejected(written(tmp_path, *(line(label=one, index=n) for n, one in enumerate(labels))))
    if message is None:
        found.check_labels(classes, "lines.jsonl")
        return
    with pytest.raises(InputError, match=r"A label of lines\.jsonl does not fit the generator") as error:
        found.check_labels(classes, "lines.jsonl")
    assert message in str(error.value)


def test_refuses_bytes_that_are_no_text(tmp_path):
    file = tmp_path / "feedback.jsonl"
    file.write_bytes(line().encode() + b"\n\xff\xfe\n")
    with pytest.raises(InputError, match="line 2"):
        read_rejected(file)


def test_refuses_a_file_that_does_not_exist(tmp_path):
    with pytest.raises(InputError, match="No such feedback"):
        read_rejected(tmp_path / "no.jsonl")
    with pytest.raises(InputError, match="No such feedback"):
        read_rejected(tmp_path)
