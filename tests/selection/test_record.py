"""The record of a selection: options that are refused, and records that are damaged or contradict themselves."""

import json

import pytest
from helpers.known_selections import KnownWorkers, costed, decided, known, quiet, record_of, searched

from gan.errors import InputError
from gan.evaluation.metrics import SURE
from gan.selection.decision import (
    fix_order,
)
from gan.selection.record import WITHOUT_LABELS, SelectionOptions, load_selection, save_selection


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tolerance": 0.0}, "Bad `tolerance`"),
        ({"tolerance": 1.5}, "Bad `tolerance`"),
        ({"tolerance": 0.1, "budget": "soon"}, "Bad `--budget`"),
        ({"tolerance": 0.1, "cost": "price"}, "The price of an hour is not known"),
        ({"tolerance": 0.1, "price_per_hour": 2.0}, "A price has no effect"),
        ({"tolerance": 0.1, "look_num": 1}, "Bad `look_num`"),
        ({"tolerance": 0.1, "look_num": 20_000_000}, "Bad `look_num`"),
        ({"tolerance": 0.1, "num": 20_000_000}, "Bad `num`"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(InputError, match=message):
        SelectionOptions(**options)


@pytest.mark.parametrize("content", ["{", "{}", '{"kind": "other", "options": {"tolerance": 0.1}}', "[]"])
def test_damaged_records_are_refused(tmp_path, content):
    (tmp_path / "selection.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError):
        load_selection(tmp_path)
    with pytest.raises(InputError, match="No such selection"):
        load_selection(tmp_path / "nowhere")


def _set(content, path, value):
    *parents, last = path
    for step in parents:
        content = content[step]
    content[last] = value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("candidates",), []),
        (("candidates", 1, "name"), "a"),
        (("candidates", 0, "config"), None),
        (("candidates", 0, "run"), None),
        (("candidates", 0, "run"), "../../outside"),
        (("candidates", 0, "run"), "/outside"),
        (("candidates", 0, "images"), 0),
        (("candidates", 0, "generator"), None),
        (("candidates", 0, "looks"), []),
        (("order",), ["nobody"]),
        (("order",), ["a", "a"]),
        (("order",), None),
        (("chosen",), "nobody"),
        (("chosen",), None),
        (("verdict",), "exceeded"),
        (("num",), None),
        (("rungs_done",), 9),
        (("plan",), None),
        (("plan", "rungs"), []),
        (("plan", "rungs"), [800, 400]),
        (("plan", "left_out"), {"nobody": "x"}),
        (("options", "budget"), None),
    ],
)
def test_records_that_contradict_themselves_are_refused(tmp_path, monkeypatch, path, value):
    workers = KnownWorkers(known)
    record = searched(record_of({"a": 800, "b": 700}), workers, tmp_path)
    record, _, _ = decided(tmp_path, monkeypatch, {"a": 0, "b": 0}, fix_order(costed(record, tmp_path, workers), quiet))
    save_selection(tmp_path, record)
    assert load_selection(tmp_path) == record
    content = json.loads((tmp_path / "selection.json").read_text(encoding="utf-8"))
    _set(content, path, value)
    (tmp_path / "selection.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match=r"selection\.json"):
        load_selection(tmp_path)


def test_the_words_about_errors_without_labels_have_the_threshold():
    assert WITHOUT_LABELS.endswith(f"{SURE:g}")
