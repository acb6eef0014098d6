"""Judgements out of a store and into another one: nothing is lost, and nothing that does not fit is taken."""

import csv
import json
import re
from dataclasses import replace

import pytest
from helpers.judgements import (
    CLASSES,
    SEED,
    SHA256,
    audit_plan,
    gold_plan,
    judge_some,
    open_store,
    recounted,
    says,
    undo_last,
)
from hypothesis import given
from hypothesis import strategies as st

from gan.deployment.feedback import store as stores
from gan.deployment.feedback.exchange import Imported, export_rows, import_rows, seed_in, write_rejected
from gan.deployment.feedback.pictures import AuditPlan, StratifiedPlan
from gan.deployment.feedback.rows import COLUMNS, format_time, read_rows, read_time, write_rows
from gan.deployment.feedback.showing import Counts
from gan.deployment.feedback.store import MODES
from gan.deployment.feedback.strata import save_plan
from gan.deployment.feedback.summary import summarize
from gan.errors import InputError


def stratified_plan(store):
    plan = StratifiedPlan(store.seed_of("stratified"), CLASSES, 100, (3, 50), 20)
    save_plan(store, plan, SHA256)
    return plan


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """A store with judgements of all modes, undone ones, and pictures that were left or wait."""
    store = open_store(tmp_path, "judged.sqlite", overlap=0.5)
    judge_some(store, 30, ("ann", "bob", "cid"), gold=gold_plan(store))
    undo_last(store, "ann")
    for judge in ("dan", "dee", "don", "dot"):
        store.next_picture(judge, "audit", audit_plan(store))
    monkeypatch.setattr(stores, "ABANDONED_SECONDS", -1.0)
    judge_some(store, 3, ("gil", "hal"))
    monkeypatch.undo()
    judge_some(store, 9, mode="stratified", plan=stratified_plan(store), gold=gold_plan(store, 0.4))
    for judge in ("ann", "eve"):
        page = store.browse(judge, AuditPlan(store.seed_of("report"), CLASSES), 0, 6)
        store.judge(page[4][0].token, judge, "wrong", 5, "report")
    yield store
    store.close()


def empty(tmp_path, name="empty.sqlite", **options):
    store = open_store(tmp_path, name, **{"overlap": 0.5, **options})
    stratified_plan(store)
    return store


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_round_trip_is_the_same_to_the_byte_and_says_the_same(suffix, judged, tmp_path):
    file, again = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    number = export_rows(judged, file)
    assert seed_in(file) == judged.seed
    with empty(tmp_path) as store:
        assert import_rows(store, file, num_classes=CLASSES) == Imported(number, 0)
        assert export_rows(store, again) == number
        assert again.read_bytes() == file.read_bytes()
        for mode in MODES:
            assert summarize(store, mode, 0.02, num_classes=CLASSES) == summarize(
                judged, mode, 0.02, num_classes=CLASSES
            )
        before = export_rows(store, again)
        assert import_rows(store, file, num_classes=CLASSES) == Imported(0, number)
        assert export_rows(store, again) == before
        for judge in ("ann", "bob"):
            known, new = ({(s.picture.kind, s.picture.index) for s in shown_to(one, judge)} for one in (judged, store))
            assert known == new


def shown_to(store, judge):
    """The next pictures of a judge."""
    for _ in range(8):
        shown = store.next_picture(judge, "audit", audit_plan(store), gold_plan(store))
        yield shown
        store.judge(shown.token, judge, says(shown.picture), 5, "audit")


def test_csv_and_json_lines_hold_the_same_rows(judged, tmp_path):
    files = [tmp_path / "a.csv", tmp_path / "a.jsonl"]
    for file in files:
        export_rows(judged, file)
    tables = [[row for _, row in read_rows(file)] for file in files]
    assert tables[0] == tables[1]
    with files[0].open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert tuple(rows[0]) == COLUMNS
    assert {row["verdict"] for row in rows} == {"right", "wrong", "unsure", "left", ""}
    assert {row["mode"] for row in rows} == set(MODES)
    lines = files[1].read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["index"] for line in lines] == [int(row["index"]) for row in rows]


@given(st.floats(0, 2**33 - 1))
def test_times_survive_text(seconds):
    text = format_time(seconds)
    assert abs(read_time(text) - seconds) < 1e-6
    assert format_time(read_time(text)) == text


def test_two_stores_merge_in_any_order(judged, tmp_path):
    """Two servers that started from one file: what both know is there once, and the first judge of a picture counts."""
    start, one, two = (tmp_path / f"{name}.jsonl" for name in ("start", "one", "two"))
    export_rows(judged, start)
    stores_ = [empty(tmp_path, f"{name}.sqlite") for name in ("one", "two")]
    for store, judges, file in zip(stores_, (("ann", "fay"), ("gus",)), (one, two), strict=True):
        import_rows(store, start, num_classes=CLASSES)
        judge_some(store, 12, judges)
        export_rows(store, file)
    expected = stores_[1].counts("audit").n
    found = import_rows(stores_[0], two, num_classes=CLASSES)
    assert found.new > 0
    counts = stores_[0].counts("audit")
    assert counts.n >= expected
    for first in (True, False):
        wanted = {"mode": "audit", "kind": "sample", **({"is_first": 1} if first else {})}
        assert stores_[0].counts("audit", first=first) == Counts(**recounted(stores_[0], **wanted))
    assert import_rows(stores_[0], two, num_classes=CLASSES).new == 0
    for store in stores_:
        store.close()


def test_a_judgement_replaces_a_missing_one(tmp_path):
    early, late = tmp_path / "early.csv", tmp_path / "late.csv"
    with open_store(tmp_path) as store, empty(tmp_path, overlap=0.1) as other:
        shown = store.next_picture("ann", "audit", audit_plan(store))
        export_rows(store, early)
        store.judge(shown.token, "ann", "wrong", 5, "audit")
        export_rows(store, late)
        assert import_rows(other, early, num_classes=CLASSES) == Imported(1, 0)
        assert import_rows(other, late, num_classes=CLASSES) == Imported(1, 0)
        assert import_rows(other, early, num_classes=CLASSES) == Imported(0, 1)
        assert other.counts("audit") == Counts(wrong=1)


def test_an_old_file_does_not_bring_back_what_was_taken_back(tmp_path):
    old = tmp_path / "old.csv"
    with open_store(tmp_path, overlap=0.0) as store:
        judge_some(store, 2, ("ann",), said=lambda picture: "wrong")
        export_rows(store, old)
        shown = undo_last(store, "ann")
        for said, counts in ((None, Counts(wrong=1, waiting=1)), ("right", Counts(wrong=1, right=1))):
            if said:
                store.judge(shown.token, "ann", said, 5, "audit")
            assert import_rows(store, old, num_classes=CLASSES) == Imported(0, 2)
            assert store.counts("audit") == counts


def test_an_old_file_does_not_bring_back_what_was_taken_back_and_left(tmp_path, monkeypatch):
    old = tmp_path / "old.csv"
    with open_store(tmp_path, overlap=0.0) as store:
        judge_some(store, 1, ("ann",), said=lambda picture: "wrong")
        export_rows(store, old)
        undo_last(store, "ann")
        monkeypatch.setattr(stores, "ABANDONED_SECONDS", -1.0)
        judge_some(store, 1, ("bob",), said=lambda picture: "right")
        assert import_rows(store, old, num_classes=CLASSES) == Imported(0, 1)
        assert store.counts("audit", first=False) == Counts(right=1)


def test_gold_that_was_asked_otherwise_is_refused_with_the_difference(judged, tmp_path):
    file = tmp_path / "a.csv"
    export_rows(judged, file)
    rows = [row for _, row in read_rows(file)]
    gold = first_of(rows, kind="gold", truth="right")
    for other in ({"truth": "wrong"}, {"label": (rows[gold].label + 1) % CLASSES}):
        write_rows(file, change(rows, gold, **other))
        with pytest.raises(
            InputError, match=r"Expected label \d and truth \w+, as .*Received: label \d and"
        ) as refused:
            import_rows(judged, file, num_classes=CLASSES)
        expected, received = re.findall(r"label \d and truth \w+", str(refused.value))
        assert expected != received


def change(rows, number, **values):
    return [replace(row, **values) if place == number else row for place, row in enumerate(rows)]


def first_of(rows, **values):
    return next(n for n, row in enumerate(rows) if all(getattr(row, name) == value for name, value in values.items()))


def judged_row(rows):
    return first_of(rows, mode="audit", kind="sample", verdict="right")


def without(rows, holds):
    """Leaves out the first row that holds and is not the last one of its judge in its mode."""
    last = {(row.judge, row.mode): n for n, row in enumerate(rows)}
    number = next(n for n, row in enumerate(rows) if holds(row) and n != last[row.judge, row.mode])
    return rows[:number] + rows[number + 1 :]


MISSING = "Rows are missing.*all positions of the judge"
FAR = 10**9
FORGED = {
    "another generator": (lambda rows: change(rows, 4, generator_sha256="f" * 64), "line 6 .*generator_sha256"),
    "another seed": (lambda rows: change(rows, 4, seed=99), r"line 6 .*seed: 3, that of audit in .* with --seed 3"),
    "another class": (
        lambda rows: change(rows, (n := judged_row(rows)), label=(rows[n].label + 1) % CLASSES),
        "label: .* as the plan asks",
    ),
    "a gap": (lambda rows: [row for row in rows if (row.mode, row.index) != ("audit", 7) or row.kind == "gold"],
              "Pictures are missing.*first missing index is 7"),
    "less gold": (lambda rows: without(rows, lambda r: r.kind == "gold" and r.mode == "audit"), MISSING),
    "a second judgement": (lambda rows: without(rows, lambda r: not r.first and r.verdict == "wrong"), MISSING),
    "gold of a plan": (lambda rows: without(rows, lambda r: r.kind == "gold" and r.mode == "stratified"), MISSING),
    "a position far away": (lambda rows: change(rows, judged_row(rows), position=2**31 - 1), MISSING),
    "an index far away": (
        lambda rows: [*rows, replace(rows[judged_row(rows)], index=FAR, label=AuditPlan(SEED, 10).picture(FAR).label)],
        "Pictures are missing",
    ),
    "not in the plan": (lambda rows: change(rows, first_of(rows, mode="stratified", kind="sample"), index=10_001),
                        "one of the plan"),
    "gold of a class that does not exist": (lambda rows: change(rows, first_of(rows, kind="gold"), label=CLASSES),
                                            "label: below 10"),
    "another judgement by the same judge": (
        lambda rows: [*rows, replace(rows[judged_row(rows)], verdict="wrong")],
        "which this judge has said",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FORGED)
def test_rows_that_the_store_would_not_have_are_refused_as_a_whole(kind, judged, tmp_path):
    forge, message = FORGED[kind]
    file = tmp_path / "a.csv"
    export_rows(judged, file)
    rows = forge([row for _, row in read_rows(file)])
    write_rows(file, rows)
    with empty(tmp_path) as store:
        judge_some(store, 2, ("zoe",))
        with pytest.raises(InputError, match=message) as refused:
            import_rows(store, file, num_classes=CLASSES)
        assert "\n" not in str(refused.value)
        assert store.counts("audit", first=False) == Counts(**recounted(store, mode="audit", kind="sample"))
        assert store.counts("audit", first=False).n == 2
        assert store.next_picture("zoe", "audit", audit_plan(store)).picture.index == 2


def test_stratified_rows_need_a_plan(judged, tmp_path):
    file = tmp_path / "a.csv"
    export_rows(judged, file)
    with open_store(tmp_path) as store, pytest.raises(InputError, match="a plan of the mode stratified"):
        import_rows(store, file, num_classes=CLASSES)


GOOD = {
    "generator_sha256": SHA256, "mode": "audit", "kind": "sample", "seed": 3, "index": 0, "label": 5, "truth": None,
    "judge": "ann", "verdict": "right", "milliseconds": 12, "time": "2026-11-27T13:24:05.123456Z", "position": 0,
    "first": True,
}  # fmt: skip
IMPOSSIBLE = [
    {"generator_sha256": "short"}, {"mode": "exam"}, {"kind": "silver"}, {"seed": -1}, {"seed": 2**32}, {"seed": 1.5},
    {"seed": True}, {"index": -1}, {"index": "0"}, {"index": 2**60}, {"label": -1}, {"label": "five"},
    {"truth": "right"}, {"judge": ""}, {"judge": "*"}, {"judge": "a\nb"}, {"judge": None}, {"verdict": "maybe"},
    {"verdict": None}, {"milliseconds": None}, {"milliseconds": -5}, {"milliseconds": 1e9}, {"time": "yesterday"},
    {"time": "2026-13-27T13:24:05.123456Z"}, {"time": "2026-11-27T13:24:05.123456"},
    {"time": "1960-01-01T00:00:00.000000Z"},
    {"position": -1}, {"first": "yes"}, {"first": 1}, {"verdict": "left", "milliseconds": None},
    {"kind": "gold"}, {"kind": "gold", "truth": "right", "mode": "report"},
    {"kind": "gold", "truth": "right", "label": None}, {"kind": "gold", "truth": "right", "first": False},
]  # fmt: skip


def as_csv(values):
    fields = (
        "" if value is None else str(value).lower() if isinstance(value, bool) else str(value) for value in values
    )
    return ",".join(COLUMNS) + "\n" + ",".join(f'"{field}"' for field in fields) + "\n"


@pytest.mark.parametrize("bad", [None, *IMPOSSIBLE], ids=str)
def test_impossible_values_are_refused_in_both_formats(bad, tmp_path):
    values = {**GOOD, **(bad or {})}
    for name, text in (("a.jsonl", json.dumps(values) + "\n"), ("a.csv", as_csv(values.values()))):
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        if bad is None:
            assert [line for line, _ in read_rows(file)] == [1 if name == "a.jsonl" else 2]
        elif name == "a.jsonl" or bad != {"index": "0"}:  # CSV has no types
            with pytest.raises(InputError, match="Bad line") as refused:
                list(read_rows(file))
            assert "\n" not in str(refused.value)


TEXTS = {
    "a.csv": [
        "", "a,b\n", ",".join(COLUMNS[:-1]) + "\n", ",".join((*COLUMNS, "mood")) + "\n", "\0\n",
        ",".join((*COLUMNS, "mode")) + "\n", as_csv(GOOD.values()) + "x,y\n", as_csv(GOOD.values()) + '"\n',
    ],
    "a.jsonl": [
        "[]\n", "{}\n", "nonsense\n", json.dumps({**GOOD, "mood": 1}) + "\n", "null\n", "[" * 10_000 + "\n", "\n",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in TEXTS.items() for text in texts])
def test_other_texts_are_refused_with_the_line(name, text, tmp_path):
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"Bad line \d+ of ") as refused:
        list(read_rows(file))
    assert "\n" not in str(refused.value)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    for name, message in (("none.csv", "No such file"), ("a.xlsx", "Unknown format"), ("bytes.csv", "UTF-8")):
        with pytest.raises(InputError, match=message):
            list(read_rows(tmp_path / name))
    with open_store(tmp_path) as store:
        for name in ("a.xlsx", "none/a.csv/x"):
            with pytest.raises(InputError, match="Unknown format"):
                export_rows(store, tmp_path / name)
        with pytest.raises(InputError, match="Unknown format"):
            write_rejected(store, tmp_path / "a.csv")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("texts")


@given(st.text(), st.sampled_from((".csv", ".jsonl")))
def test_any_text_is_rows_or_one_line(folder, text, suffix):
    """No other error than `InputError`, whatever the file holds."""
    file = folder / f"a{suffix}"
    file.write_bytes(text.encode(errors="surrogatepass"))
    if suffix == ".jsonl" and not text:
        assert list(read_rows(file)) == []
        return
    with pytest.raises(InputError) as refused:
        list(read_rows(file))
    assert "\n" not in str(refused.value)


def test_rejected_samples_are_those_that_more_judges_call_wrong_than_right(tmp_path):
    file = tmp_path / "rejected.jsonl"
    with open_store(tmp_path, overlap=1.0) as store:
        split = {"ann": {1, 2, 3}, "bob": {2, 5}}
        for judge in ("ann", "bob"):
            judge_some(store, 10, (judge,), said=lambda p, judge=judge: "wrong" if p.index in split[judge] else "right")
        page = store.browse("ann", AuditPlan(store.seed_of("report"), CLASSES), 0, 3)
        store.judge(page[1][0].token, "ann", "wrong", 5, "report")
        wrong = {}
        with store.snapshot() as connection:
            for index, said in connection.execute("SELECT picture, said FROM showing WHERE mode = 'audit'"):
                wrong[index] = wrong.get(index, 0) + (1 if said == "wrong" else -1)
        expected = {(store.seed, index) for index, more in wrong.items() if more > 0}
        expected.add((store.seed_of("report"), 1))
        assert write_rejected(store, file) == len(expected)
        assert (store.seed, 2) in expected
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert {(line["seed"], line["index"]) for line in lines} == expected
    assert all(list(line) == ["generator_sha256", "seed", "index", "label"] for line in lines)
    assert all(line["label"] == AuditPlan(line["seed"], CLASSES).picture(line["index"]).label for line in lines)
