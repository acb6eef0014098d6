"""The file of judgements: what is shown to whom, what is kept, and how it behaves when the file is not as expected."""

import multiprocessing
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
from helpers.judgements import (
    CLASSES,
    SEED,
    SHA256,
    audit_plan,
    fill,
    gold_plan,
    judge_in_process,
    judge_some,
    open_store,
    recounted,
    undo_last,
)
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gan.deployment.feedback import database
from gan.deployment.feedback import store as stores
from gan.deployment.feedback.database import StoreError
from gan.deployment.feedback.new_store import create_store
from gan.deployment.feedback.pictures import AuditPlan, StratifiedPlan
from gan.deployment.feedback.showing import Counts, JudgedAlreadyError, NotShownError
from gan.deployment.feedback.store import FeedbackStore
from gan.deployment.feedback.strata import Strata, load_plan, load_strata, save_plan
from gan.deployment.feedback.summary import summarize
from gan.errors import InputError

JUDGES = ("ann", "bob", "cid")
STEPS = st.lists(
    st.tuples(st.sampled_from(JUDGES), st.sampled_from(("next", "right", "wrong", "unsure", "again", "undo", "late"))),
    max_size=60,
)


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""
    now = [1.7e9]

    def read():
        now[0] += 1
        return now[0]

    monkeypatch.setattr(stores.time, "time", read)
    return now


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(  # two pictures of one judge wait
    steps=[("ann", step) for step in ("next", "right", "next", "undo", "next", "right", "next")],
    overlap=0.0,
    stratified=False,
)
@given(steps=STEPS, overlap=st.sampled_from((0.0, 0.5, 1.0)), stratified=st.booleans())
def test_any_order_of_requests_keeps_what_was_acknowledged(steps, overlap, stratified, tmp_path_factory, clock):
    """Nothing is judged twice, no judge is asked twice about what they judged, and counts are those of the rows."""
    folder = tmp_path_factory.mktemp("store")
    mode = "stratified" if stratified else "audit"
    open_pictures, said, seen = {}, {}, {judge: {} for judge in JUDGES}
    with open_store(folder, overlap=overlap) as store:
        plan = StratifiedPlan(store.seed_of(mode), CLASSES, 30, (1, 5), 6) if stratified else audit_plan(store)
        gold = gold_plan(store, 0.3, 20)
        for judge, step in steps:
            shown = open_pictures.get(judge)
            if step == "next":
                following = store.next_picture(judge, mode, plan, gold)
                if following is not None:
                    assert following.token not in said
                    seen[judge][following.token] = (following.picture.kind, following.picture.index)
                open_pictures[judge] = following
            elif step == "late":
                clock[0] += stores.ABANDONED_SECONDS + 1
            elif step == "undo":
                back = undo_last(store, judge, mode)
                if back is not None:
                    del said[back.token]
                    open_pictures[judge] = back
            elif shown is not None and step != "again":
                try:
                    store.judge(shown.token, judge, step, 100, mode)
                    said[shown.token] = step
                    open_pictures[judge] = None
                except (NotShownError, JudgedAlreadyError):
                    pass
            elif step == "again" and shown is not None and shown.token in said:
                assert store.judge(shown.token, judge, said[shown.token], 100, mode).token == shown.token
        with store.snapshot() as connection:
            rows = dict(connection.execute("SELECT token, said FROM showing WHERE judged_at IS NOT NULL"))
            firsts = connection.execute(
                "SELECT count(*), count(DISTINCT picture) FROM showing WHERE kind = 'sample' AND is_first = 1"
            ).fetchone()
        assert rows == said
        assert all(len(pictures) == len(set(pictures.values())) for pictures in seen.values())
        assert firsts[0] == firsts[1]
        for judge in (None, *JUDGES):
            for kind in ("sample", "gold"):
                wanted = {"mode": mode, "kind": kind, **({"judge": judge} if judge else {})}
                assert store.counts(mode, kind=kind, judge=judge, first=False) == Counts(**recounted(store, **wanted))
                assert store.counts(mode, kind=kind, judge=judge) == Counts(**recounted(store, is_first=1, **wanted))
        for label in range(CLASSES):
            wanted = {"mode": mode, "kind": "sample", "is_first": 1, "label": label}
            assert store.counts_of_class(mode, label) == Counts(**recounted(store, **wanted))
        places = store.counts(mode).n
        with store.snapshot() as connection:
            (following,) = connection.execute("SELECT coalesce(sum(next), 0) FROM place").fetchone()
        assert following == places
        assert summarize_counts(store, mode) == store.counts(mode)


def summarize_counts(store, mode):
    if mode == "stratified" and load_strata(store) is None:
        return store.counts(mode)
    return summarize(store, mode, 0.02).counts


def test_a_reload_shows_the_same_picture_and_a_judgement_the_next(tmp_path):
    with open_store(tmp_path) as store:
        first = store.next_picture("ann", "audit", audit_plan(store))
        assert store.next_picture("ann", "audit", audit_plan(store)) == first
        store.judge(first.token, "ann", "right", 5, "audit")
        assert store.judge(first.token, "ann", "right", 9, "audit") == first
        with pytest.raises(JudgedAlreadyError):
            store.judge(first.token, "ann", "wrong", 5, "audit")
        assert store.next_picture("ann", "audit", audit_plan(store)).picture.index == 1
        assert store.counts("audit") == Counts(right=1, waiting=1)


def test_only_the_judge_who_was_shown_a_picture_judges_it(tmp_path):
    with open_store(tmp_path) as store:
        shown = store.next_picture("ann", "audit", audit_plan(store))
        for token, judge in ((shown.token, "bob"), ("nothing", "ann")):
            with pytest.raises(NotShownError):
                store.judge(token, judge, "right", 5, "audit")
        with pytest.raises(NotShownError):
            store.judge(shown.token, "ann", "right", 5, "report")
        for said, milliseconds in (("left", 5), ("maybe", 5), ("right", -1), ("right", 1.5)):
            with pytest.raises(InputError):
                store.judge(shown.token, "ann", said, milliseconds, "audit")
        assert store.counts("audit") == Counts(waiting=1)
        for judge in ("", "*", "a b", "x" * 65):
            with pytest.raises(InputError, match="judge"):
                store.next_picture(judge, "audit", audit_plan(store))


def test_a_picture_that_was_left_goes_to_another_judge_and_never_back(tmp_path, clock):
    with open_store(tmp_path, overlap=0.0) as store:
        plan = audit_plan(store)
        left = store.next_picture("ann", "audit", plan)
        assert store.next_picture("bob", "audit", plan).picture.index == 1
        clock[0] += stores.ABANDONED_SECONDS
        taken = store.next_picture("cid", "audit", plan)
        assert (taken.picture, taken.token != left.token) == (left.picture, True)
        clock[0] += stores.ABANDONED_SECONDS
        assert store.next_picture("ann", "audit", plan).picture.index == 1
        assert store.next_picture("dan", "audit", plan).picture.index == 0
        assert store.counts("audit") == Counts(waiting=2)


def test_a_picture_that_all_judges_left_comes_back_when_nothing_else_is_left(tmp_path, clock):
    with open_store(tmp_path, overlap=0.0) as store:
        plan = StratifiedPlan(store.seed_of("stratified"), CLASSES, 50, (), 2)

        def ask(judge):
            return store.next_picture(judge, "stratified", plan)

        left = ask("ann")
        clock[0] += stores.ABANDONED_SECONDS + 1
        taken = ask("bob")
        assert taken.picture == left.picture
        other = ask("ann")
        store.judge(other.token, "ann", "right", 5, "stratified")
        assert ask("ann") is None  # bob has it
        clock[0] += stores.ABANDONED_SECONDS + 1
        again = ask("ann")
        assert again == left
        assert ask("ann") == left
        assert store.counts("stratified") == Counts(right=1, waiting=1)
        assert ask("bob") is None
        store.judge(left.token, "ann", "wrong", 5, "stratified")
        assert store.counts("stratified") == Counts(right=1, wrong=1)
        clock[0] += stores.ABANDONED_SECONDS + 1
        assert ask("bob") is ask("ann") is None
        assert recounted(store, mode="stratified", is_first=1) == {"right": 1, "wrong": 1}


def test_a_second_judgement_counts_when_the_first_judge_has_left_and_nobody_else_is_there(tmp_path, clock):
    with open_store(tmp_path, overlap=1.0) as store:
        plan = StratifiedPlan(store.seed_of("stratified"), CLASSES, 50, (), 2)
        left = store.next_picture("ann", "stratified", plan)
        judge_some(store, 2, ("bob",), mode="stratified", plan=plan, said=lambda picture: "wrong")
        assert store.next_picture("bob", "stratified", plan) is None
        assert store.counts("stratified") == Counts(wrong=1, waiting=1)
        clock[0] += stores.ABANDONED_SECONDS + 1
        assert store.next_picture("bob", "stratified", plan) is None
        assert store.counts("stratified") == Counts(wrong=2)
        assert recounted(store, mode="stratified", judge="bob", is_first=1) == {"wrong": 2}
        with store.snapshot() as connection:
            said = connection.execute("SELECT said FROM showing WHERE token = ?", (left.token,)).fetchone()
        assert said == ("left",)


def test_a_late_judgement_is_kept_for_the_agreement_and_counts_by_the_other_judge(tmp_path, clock):
    with open_store(tmp_path, overlap=1.0) as store:
        plan = audit_plan(store)
        left = store.next_picture("ann", "audit", plan)
        clock[0] += stores.ABANDONED_SECONDS
        taken = store.next_picture("bob", "audit", plan)
        assert taken.picture == left.picture
        for _ in range(2):
            assert store.judge(left.token, "ann", "wrong", 5, "audit") == left
        with pytest.raises(JudgedAlreadyError):
            store.judge(left.token, "ann", "right", 5, "audit")
        assert store.counts("audit") == Counts(waiting=1)
        store.judge(taken.token, "bob", "right", 5, "audit")
        assert store.counts("audit") == Counts(right=1)
        assert store.counts("audit", first=False) == Counts(right=1, wrong=1)
        agreement = summarize(store, "audit", 0.02).agreement
        assert (agreement.n, agreement.same) == (1, 0)
        assert store.next_picture("cid", "audit", plan).picture.index == 1  # the first one has its second judge
        assert store.undo("ann", "audit", left.token) == left
        assert store.counts("audit", first=False) == Counts(right=1, waiting=2)
        assert summarize(store, "audit", 0.02).agreement is None


def test_undo_gives_the_judge_the_full_time_again(tmp_path, clock):
    with open_store(tmp_path) as store:
        shown = store.next_picture("ann", "audit", audit_plan(store))
        store.judge(shown.token, "ann", "right", 5, "audit")
        clock[0] += stores.ABANDONED_SECONDS
        assert undo_last(store, "ann") == shown
        assert undo_last(store, "ann") is None
        assert store.next_picture("bob", "audit", audit_plan(store)).picture.index == 1
        store.judge(shown.token, "ann", "wrong", 5, "audit")
        assert store.undo("ann", "audit", shown.token) == store.undo("ann", "audit", shown.token) == shown
        assert store.undo("bob", "audit", shown.token) is None
        assert store.counts("audit") == Counts(waiting=2)


def test_a_second_judge_sees_the_stated_share(tmp_path):
    with open_store(tmp_path, overlap=0.3) as store:
        judge_some(store, 300)
        seconds = store.counts("audit", first=False).n - store.counts("audit").n
        assert abs(seconds / 600 - 0.3 / 1.3) < 0.06
        with store.snapshot() as connection:
            most = connection.execute("SELECT max(n) FROM (SELECT count(*) AS n FROM showing GROUP BY picture)")
            assert most.fetchone() == (2,)


def test_a_finished_plan_ends_for_all_judges_with_its_seconds(tmp_path):
    with open_store(tmp_path, overlap=1.0) as store:
        plan = StratifiedPlan(store.seed_of("stratified"), CLASSES, 50, (4, 9), 8)
        judge_some(store, 40, mode="stratified", plan=plan, gold=gold_plan(store))
        assert store.counts("stratified").judged == plan.size
        assert store.counts("stratified", is_flagged=True).judged == 2
        assert store.counts("stratified", first=False).judged == 2 * plan.size
        assert store.next_picture("ann", "stratified", plan, gold_plan(store)) is None


def test_gold_stops_when_a_judge_has_seen_all_of_it(tmp_path):
    with open_store(tmp_path) as store:
        judge_some(store, 60, gold=gold_plan(store, 0.9, 10))
        for judge in ("ann", "bob"):
            assert store.counts("audit", kind="gold", judge=judge).n == 10


def test_gold_that_waits_stays_open_when_there_is_no_gold(tmp_path):
    with open_store(tmp_path) as store:
        gold, plan = gold_plan(store, 0.9), audit_plan(store)
        shown = store.next_picture("ann", "audit", plan, gold)
        assert shown.picture.kind == "gold"
        sample = store.next_picture("ann", "audit", plan)
        assert sample.picture == plan.picture(0)
        assert store.next_picture("ann", "audit", plan) == sample
        assert store.counts("audit", kind="gold", first=False) == Counts(waiting=1)
        assert store.next_picture("ann", "audit", plan, gold) == shown
        store.judge(shown.token, "ann", "right", 5, "audit")
        assert store.next_picture("ann", "audit", plan, gold) == sample


def test_a_file_has_a_name_of_its_own(tmp_path):
    """A browser tells files by it, which may share the generator and the seed."""
    with open_store(tmp_path) as store, open_store(tmp_path, "b.sqlite") as other, open_store(tmp_path) as same:
        assert store.id == same.id != other.id
        assert len(store.id) == 16


def test_free_browsing_logs_each_impression_once(tmp_path):
    with open_store(tmp_path) as store:
        plan = AuditPlan(store.seed_of("report"), CLASSES)
        page = store.browse("ann", plan, 0, 5)
        store.judge(page[2][0].token, "ann", "wrong", 5, "report")
        assert [said for _, said in store.browse("ann", plan, 0, 5)] == [None, None, "wrong", None, None]
        store.browse("bob", plan, 3, 5)
        assert store.counts("report", first=False) == Counts(wrong=1, waiting=9)
        assert store.counts("report") == Counts(wrong=1, waiting=7)
        store.undo("ann", "report", page[2][0].token)
        summary = summarize(store, "report", 0.02)
        assert (summary.counts, summary.lower, summary.upper, summary.verdict) == (Counts(waiting=10), 0, 1, None)
        assert store.counts("audit").n == 0


def test_the_plan_of_a_file_is_fixed(tmp_path):
    with open_store(tmp_path) as store:
        seed = store.seed_of("stratified")
        plan = StratifiedPlan(seed, CLASSES, 100, (3, 50), 10)
        assert load_plan(store, CLASSES) is None
        save_plan(store, plan, SHA256)
        save_plan(store, plan, SHA256)
        for other in (
            StratifiedPlan(seed, CLASSES, 101, (3, 50), 10),
            StratifiedPlan(seed, CLASSES, 100, (3, 51), 10),
            StratifiedPlan(seed, CLASSES, 100, (3, 50), 11),
        ):
            with pytest.raises(InputError, match="Another plan"):
                save_plan(store, other, SHA256)
        with pytest.raises(InputError, match="Another plan"):
            save_plan(store, plan, "f" * 64)
        with pytest.raises(InputError, match="seed"):
            save_plan(store, StratifiedPlan(SEED, CLASSES, 100, (3, 50), 10), SHA256)
    with open_store(tmp_path) as store:
        assert load_strata(store) == Strata(100, 2, 10, SHA256)
        assert load_plan(store, CLASSES) == plan


def steps_of(store, action):
    """Number of instructions of SQLite's machine, in hundreds, that an action takes."""
    steps = [0]

    def count():
        steps[0] += 1

    with store.snapshot() as connection:
        connection.set_progress_handler(count, 100)
    action()
    with store.snapshot() as connection:
        connection.set_progress_handler(None, 0)
    return steps[0]


def work(store):
    """Steps of each action on a file of `fill`, for judges who know it and for a new one."""
    plan, gold, shown = audit_plan(store), gold_plan(store), {}
    found = {}
    for judge in ("judge-0", "judge-7", "new"):

        def show(judge=judge):
            shown[judge] = store.next_picture(judge, "audit", plan, gold)

        actions = {
            "next": show,
            "judge": lambda judge=judge: store.judge(shown[judge].token, judge, "wrong", 700, "audit"),
            "undo": lambda judge=judge: store.undo(judge, "audit", shown[judge].token),
            "counts": lambda judge=judge: store.counts("audit", judge=judge),
        }
        found |= {(name, judge): steps_of(store, action) for name, action in actions.items()}
    return {**found, "summary": steps_of(store, lambda: summarize(store, "audit", 0.02, num_classes=CLASSES))}


@pytest.mark.parametrize("num", [6_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_no_action_searches_all_judgements(num, tmp_path):
    """The number of instructions of SQLite hardly grows with the file."""
    with open_store(tmp_path, "small.sqlite") as small, open_store(tmp_path, "large.sqlite") as large:
        fill(small, 1_000)
        fill(large, num)
        before, after = work(small), work(large)
    assert all(after[action] <= 2 * before[action] + 20 for action in before), (before, after)


def test_no_query_scans_the_showings(tmp_path):
    queries = []
    with open_store(tmp_path, overlap=1.0) as store:
        fill(store, 2_000)
        with store.snapshot() as connection:
            connection.set_trace_callback(queries.append)
        work(store)
        with store.snapshot() as connection:
            connection.set_trace_callback(None)
            plans = [
                (query, row[3])
                for query in set(queries)
                if query.lstrip().startswith(("SELECT", "UPDATE", "INSERT INTO pair"))
                for row in connection.execute(f"EXPLAIN QUERY PLAN {query}")
            ]
    assert len(plans) > 20
    scans = [(query, plan) for query, plan in plans if "SCAN showing" in plan or "SCAN mine" in plan]
    assert not scans
    assert any("SEARCH showing USING INDEX showing_second" in plan for _, plan in plans)


def test_threads_of_one_store_show_each_picture_once(tmp_path):
    with open_store(tmp_path, overlap=0.0) as store:
        threads = [threading.Thread(target=judge_some, args=(store, 40, (f"judge-{number}",))) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.counts("audit").judged == 160
        with store.snapshot() as connection:
            assert connection.execute("SELECT count(DISTINCT picture) FROM showing").fetchone() == (160,)


def test_two_processes_share_a_file_and_may_create_it_together(tmp_path):
    context = multiprocessing.get_context("forkserver")
    start = context.Barrier(2)
    processes = [context.Process(target=judge_in_process, args=(tmp_path, judge, start)) for judge in ("ann", "bob")]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    with open_store(tmp_path) as store:
        assert store.counts("audit") == Counts(**recounted(store))
        assert store.counts("audit").judged == 120
        with store.snapshot() as connection:
            assert connection.execute("SELECT count(DISTINCT picture) FROM showing").fetchone() == (120,)


def foreign(path):
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE about (name TEXT, value TEXT)")
        other.execute("INSERT INTO about VALUES ('program', 'an address book')")
    other.close()


def truncated(path):
    with open_store(path.parent, path.name) as store:
        fill(store, 500)
    path.write_bytes(path.read_bytes()[:-5_000])


def overwritten(path):
    with open_store(path.parent, path.name) as store:
        fill(store, 500)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4_096] = b"\xff" * 4_096
    path.write_bytes(content)


def newer(path):
    with open_store(path.parent, path.name) as store, store.transaction() as connection:
        connection.execute("UPDATE about SET value = '2' WHERE name = 'format'")


def emptied(path):
    with open_store(path.parent, path.name) as store:
        fill(store, 5)
    path.write_bytes(b"")


def without_tables(path):
    with sqlite3.connect(path) as other:
        other.execute("VACUUM")
    other.close()


BAD = {
    "another program": (foreign, "another program"),
    "no tables": (without_tables, "another program"),
    "no database": (
        lambda path: path.write_bytes(b"judge,verdict\nann,right\n" * 100),
        "cannot be used. Expected a SQLite file of gan feedback. Received",
    ),
    "truncated": (truncated, "not damaged. Received|A damaged file"),
    "overwritten": (overwritten, "not damaged. Received|A damaged file"),
    "emptied": (emptied, "An empty file of judgements"),
    "newer": (newer, "another version"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_cannot_be_used_is_refused_and_stays_as_it_is(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(database, "WAIT_SECONDS", 0.1)
    make, message = BAD[kind]
    path = tmp_path / "feedback.sqlite"
    make(path)
    before = path.read_bytes()

    def use():
        with open_store(tmp_path) as store:
            store.check()

    with pytest.raises(StoreError, match=message) as refused:
        use()
    assert "\n" not in str(refused.value)
    assert "locked" not in str(refused.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("side", ["-wal", "-shm", "-journal"])
def test_remains_of_a_file_that_is_gone_are_not_destroyed(side, tmp_path):
    path = tmp_path / "feedback.sqlite"
    remains = path.with_name(path.name + side)
    remains.write_bytes(b"the last judgements")
    for create in (open_store, lambda folder: create_store(folder / path.name, SHA256).__enter__()):
        with pytest.raises(InputError, match=f"Remains of another.*{remains.name}"):
            create(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [remains.name]
    assert remains.read_bytes() == b"the last judgements"


def test_a_new_file_appears_with_what_it_is_made_for_or_not_at_all(tmp_path):
    path = tmp_path / "feedback.sqlite"
    with pytest.raises(ZeroDivisionError), create_store(path, SHA256, seed=SEED):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())
    with create_store(path, SHA256, seed=SEED, overlap=0.3) as store:
        judge_some(store, 3)
        assert (store.path, path.exists()) == (path, False)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    with open_store(tmp_path, seed=None) as store:
        assert (store.counts("audit", first=False).judged, store.seed, store.overlap) == (6, SEED, 0.3)
    before = path.read_bytes()
    with pytest.raises(InputError, match="exists already"), create_store(path, SHA256):
        pass
    assert path.read_bytes() == before


def test_a_file_that_another_process_has_just_made_is_awaited(tmp_path, monkeypatch):
    path, made = tmp_path / "feedback.sqlite", tmp_path / "made.sqlite"
    open_store(tmp_path, made.name).close()
    path.touch()
    monkeypatch.setattr(database.time, "sleep", lambda _: path.write_bytes(made.read_bytes()))
    with open_store(tmp_path) as store, open_store(tmp_path, made.name) as other:
        assert store.id == other.id


def test_a_file_of_another_generator_seed_or_overlap_is_refused(tmp_path):
    open_store(tmp_path).close()
    with pytest.raises(InputError, match=r"another generator.*--store"):
        FeedbackStore(tmp_path / "feedback.sqlite", "f" * 64)
    with pytest.raises(InputError, match="Another seed"):
        open_store(tmp_path, seed=SEED + 1)
    with pytest.raises(InputError, match="Another overlap"):
        open_store(tmp_path, overlap=0.9)
    with pytest.raises(InputError, match="No such file"):
        open_store(tmp_path, "none.sqlite", create=False)
    with pytest.raises(InputError, match="No such folder"):
        open_store(tmp_path / "none")
    with pytest.raises(InputError, match="which is a folder"):
        open_store(tmp_path.parent, tmp_path.name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["feedback.sqlite"]


def test_a_locked_file_is_refused_after_a_bounded_wait_and_works_afterwards(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "WAIT_SECONDS", 0.2)
    with open_store(tmp_path) as store, open_store(tmp_path) as other:
        shown = store.next_picture("ann", "audit", audit_plan(store))
        with other.transaction(), pytest.raises(StoreError, match="Expected a file that no other program has locked"):
            store.judge(shown.token, "ann", "right", 5, "audit")
        assert store.counts("audit") == Counts(waiting=1)
        store.judge(shown.token, "ann", "right", 5, "audit")
        assert store.counts("audit") == Counts(right=1)


READ_ONLY = """
import os, sys
from gan.deployment.feedback.store import FeedbackStore
if os.geteuid() == 0:  # who may write everywhere
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
FeedbackStore(sys.argv[1], sys.argv[2])
"""


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_read_only_file_or_folder_is_refused(what, tmp_path):
    folder = tmp_path
    if os.geteuid() == 0:
        folder = type(tmp_path)(f"/var/tmp/gan-{os.getpid()}-{time.monotonic_ns()}")  # the user must reach it
        folder.mkdir()
    try:
        judge_some(store := open_store(folder), 3)
        store.close()
        path = folder / "feedback.sqlite"
        path.chmod(0o444)
        folder.chmod(0o777 if what == "file" else 0o555)
        before = path.read_bytes()
        done = subprocess.run([sys.executable, "-c", READ_ONLY, path, SHA256], capture_output=True, text=True)
        assert done.returncode == 1
        assert "StoreError: The file of judgements cannot be used" in done.stderr.splitlines()[-1]
        assert path.read_bytes() == before
    finally:
        folder.chmod(0o755)
        if folder != tmp_path:
            shutil.rmtree(folder)
