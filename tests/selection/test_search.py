"""The search: who continues after a rung, what is repeated after an interruption, and the order of the tests."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from helpers.known_selections import NUM, KnownWorkers, record_of

from gan.errors import InputError
from gan.selection import decision
from gan.selection.decision import check_classifiers, choose, fix_order, plan_test
from gan.selection.looks import SampleLook
from gan.selection.record import SelectionOptions, load_selection, save_selection
from gan.selection.search import plan_search, search, shortfall
from gan.selection.selection import _with_costs
from gan.selection.trial import Look

LENGTHS = {"a": 800, "b": 800, "c": 800, "d": 800, "short": 100}
WRONG = {"a": 10, "b": 20, "c": 30, "d": 40, "short": 45}


def quiet(line):
    pass


def keep(record):
    return record


def searched(record, workers, folder, save=keep):
    if record.plan is None:
        record = replace(record, plan=plan_search(record, None, quiet))
    return search(record, folder, workers, save, quiet)


def known(name, images):
    return WRONG[name]


def test_without_halving_all_are_finished(tmp_path):
    workers = KnownWorkers(known)
    record = searched(record_of(LENGTHS), workers, tmp_path)
    assert all(one.is_finished for one in record.candidates)
    assert sorted(name for name, _ in workers.asked) == sorted(LENGTHS)
    assert [one.looks[-1].wrong for one in record.candidates] == list(WRONG.values())


def test_the_better_half_continues_and_short_runs_are_finished_on_the_way(tmp_path):
    """Rungs 200, 400, 800: `short` ends in the first one; of a, b, c, d two continue, and then one."""
    workers = KnownWorkers(known)
    record = searched(record_of(LENGTHS, budget="2499"), workers, tmp_path)
    looks = {one.name: [look.images for look in one.looks] for one in record.candidates}
    assert looks == {"a": [200, 400, 800], "b": [200, 400], "c": [200], "d": [200], "short": [100]}
    ends = {one.name: one.ended for one in record.candidates}
    assert ends == {
        "a": None,
        "b": "worse half after 400 images",
        "c": "worse half after 200 images",
        "d": "worse half after 200 images",
        "short": None,
    }
    assert record.rungs_done == 3
    assert sum(one.looks[-1].images for one in record.candidates) == 200 + 200 + 400 + 800 + 100


@pytest.mark.parametrize("seed", range(5))
def test_who_continues_does_not_depend_on_who_arrives_first(tmp_path, seed):
    orders = [searched(record_of(LENGTHS, budget="2499"), KnownWorkers(known, seed=s), tmp_path) for s in (seed, 99)]
    assert orders[0] == orders[1]


def test_coverage_counts_while_candidates_are_unfinished(tmp_path):
    """`a` has the fewest errors but half of the coverage of real images: .01 + (.8 - .5) = .31."""
    look = Look(images=1, wrong=10, num=NUM, coverage=0.45, real_coverage=0.9, generator_sha256="")
    assert shortfall(look) == pytest.approx(0.31)
    assert shortfall(replace(look, coverage=0.8)) == 0.01
    workers = KnownWorkers(known, coverage={"a": 0.45})
    record = searched(record_of(LENGTHS, budget="2499"), workers, tmp_path)
    assert [one.name for one in record.candidates if one.is_finished] == ["b", "short"]


def test_a_failure_ends_a_candidate_alone(tmp_path):
    workers = KnownWorkers(lambda name, images: "g_loss became NaN at step 7" if name == "a" else WRONG[name])
    record = searched(record_of(LENGTHS), workers, tmp_path)
    assert record.candidate("a").ended == "failed: g_loss became NaN at step 7"
    assert [one.name for one in record.candidates if one.is_finished] == ["b", "c", "d", "short"]


def interrupted_at(number):
    count = itertools.count()
    return lambda name, images: KeyboardInterrupt() if next(count) == number else WRONG[name]


def test_an_interrupted_search_repeats_no_look(tmp_path):
    """Interrupted at every possible trial, the search ends as without the interruption, with the same trials in all."""
    start = record_of(LENGTHS, budget="2499")
    start = replace(start, plan=plan_search(start, None, quiet))
    whole = KnownWorkers(known)
    expected = searched(start, whole, tmp_path)
    for at in range(len(whole.asked)):
        workers = KnownWorkers(interrupted_at(at))
        with pytest.raises(KeyboardInterrupt):
            searched(start, workers, tmp_path, lambda record: save_selection(tmp_path, record) or record)
        again = KnownWorkers(known, seed=at)
        found = searched(load_selection(tmp_path), again, tmp_path)
        assert found.candidates == expected.candidates
        assert len(workers.asked) - 1 + len(again.asked) == len(whole.asked)


def test_only_finished_candidates_are_costed_and_ordered(tmp_path):
    """`short` is cheapest. `a` has fewer errors. Between them, nobody else is finished."""
    workers = KnownWorkers(known)
    record = searched(record_of(LENGTHS, budget="2499"), workers, tmp_path)
    record = fix_order(_with_costs(record, tmp_path, workers, quiet), quiet)
    assert [run.name for run in workers.timed[0].runs] == ["a", "short"]
    assert record.order == ("a", "short")
    assert record.where == "known"


def test_a_price_is_seconds_times_the_price_of_an_hour(tmp_path):
    workers = KnownWorkers(known)
    record = searched(record_of({"a": 7_200}, cost="price", price_per_hour=3.0), workers, tmp_path)
    assert _with_costs(record, tmp_path, workers, quiet).candidate("a").cost.value == pytest.approx(6.0)


class KnownLook:
    """Looks at generators whose path ends with their name, with known numbers of wrong samples."""

    def __init__(self, wrong):
        self.wrong, self.asked = wrong, []
        self.reference = type("Reference", (), {"features": np.zeros((10, 1)), "real_coverage": 0.9})

    def measure(self, generator, *, num, seed):
        self.asked.append((generator.parent.name, num, seed))
        return self.wrong[generator.parent.name], num, 0.9


def decided(tmp_path, monkeypatch, wrong, record=None):
    workers = KnownWorkers(known)
    if record is None:
        record = searched(record_of({"a": 800, "b": 700, "c": 600}), workers, tmp_path)
        record = fix_order(_with_costs(record, tmp_path, workers, quiet), quiet)
    look = KnownLook(wrong)
    monkeypatch.setattr(SampleLook, "of", lambda *arguments: look)
    data = type("Data", (), {"test": None, "validation": None})
    saved = []
    record = choose(record, tmp_path, data, lambda changed: saved.append(changed) or changed, quiet)
    return record, look, saved


def test_tests_until_one_does_not_pass_and_chooses_the_last_that_did(tmp_path, monkeypatch):
    """Tolerance 5 %, 2,000 samples: 70 wrong pass, 90 do not."""
    record, look, saved = decided(tmp_path, monkeypatch, {"a": 60, "b": 70, "c": 90})
    assert (record.chosen, record.verdict) == ("b", "within")
    assert [name for name, _, _ in look.asked] == ["a", "b", "c"]
    assert len({seed for _, _, seed in look.asked}) == 3
    assert [record.candidate(name).test.passed for name in "abc"] == [True, True, False]
    assert saved[0].candidate("a").outcome is not None
    assert saved[0].verdict is None


def test_a_measured_outcome_is_final(tmp_path, monkeypatch):
    _, _, saved = decided(tmp_path, monkeypatch, {"a": 60, "b": 70, "c": 90})
    record, look, _ = decided(tmp_path, monkeypatch, {"a": 0, "b": 90, "c": 0}, saved[0])
    assert [name for name, _, _ in look.asked] == ["b"]
    assert record.chosen == "a"
    assert record.candidate("a").test.wrong == 60


@pytest.mark.parametrize(("wrong", "verdict"), [(200, "exceeded"), (100, "undecided")])
def test_none_is_chosen_if_the_first_does_not_pass(tmp_path, monkeypatch, wrong, verdict):
    record, look, _ = decided(tmp_path, monkeypatch, {"a": wrong})
    assert (record.chosen, record.verdict, len(look.asked)) == (None, verdict, 1)


def test_nothing_to_test_is_undecided(tmp_path, monkeypatch):
    workers = KnownWorkers(known, coverage={"a": 0.1})
    record = searched(record_of({"a": 800}), workers, tmp_path)
    record = fix_order(_with_costs(record, tmp_path, workers, quiet), quiet)
    assert record.candidate("a").dropped == "coverage"
    record, look, _ = decided(tmp_path, monkeypatch, {}, record)
    assert (record.chosen, record.verdict, look.asked) == (None, "undecided", [])


def test_two_hundred_candidates(tmp_path, monkeypatch):
    """The error falls with the length of the run, so that all finished ones are on the frontier."""
    lengths = {f"c{number:03}": 1_000 + 10 * number for number in range(200)}
    wrong = {name: 60 - number // 4 for number, name in enumerate(lengths)}
    workers = KnownWorkers(lambda name, images: wrong[name])
    record = searched(record_of(lengths), workers, tmp_path)
    record = fix_order(_with_costs(record, tmp_path, workers, quiet), quiet)
    assert len(record.order) == 200
    record, look, _ = decided(tmp_path, monkeypatch, {name: 2 * wrong[name] for name in lengths}, record)
    tested = [name for name, _, _ in look.asked]
    assert tested == list(record.order[: len(tested)])
    assert record.chosen == tested[-2]
    save_selection(tmp_path, record)
    assert load_selection(tmp_path) == record


def test_the_test_is_planned_for_three_quarters_of_the_tolerance():
    assert plan_test(SelectionOptions(tolerance=0.01)) == 15_425
    assert plan_test(SelectionOptions(tolerance=0.01, num=500)) == 500
    with pytest.raises(InputError, match="No confirmation could show that `tolerance` is met"):
        plan_test(SelectionOptions(tolerance=0.01, num=50))
    with pytest.raises(InputError, match="No test could show this tolerance"):
        plan_test(SelectionOptions(tolerance=1e-6))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tolerance": 0.0}, "Bad `tolerance`"),
        ({"tolerance": 1.5}, "Bad `tolerance`"),
        ({"tolerance": 0.1, "budget": "soon"}, "Bad `--budget`"),
        ({"tolerance": 0.1, "cost": "price"}, "The price of an hour is not known"),
        ({"tolerance": 0.1, "price_per_hour": 2.0}, "A price has no effect"),
        ({"tolerance": 0.1, "look_num": 1}, "Bad `look_num`"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(InputError, match=message):
        SelectionOptions(**options)


def test_search_and_test_need_two_classifiers():
    same = SelectionOptions(tolerance=0.1, probe="mnist-classifier")
    with pytest.raises(InputError, match="One classifier for search and test"):
        check_classifiers(same, "mnist")
    with pytest.raises(InputError, match="stacked-mnist"):
        check_classifiers(SelectionOptions(tolerance=0.1), "stacked-mnist")
    check_classifiers(SelectionOptions(tolerance=0.1), "mnist5k")


def test_one_process_works_on_a_selection(tmp_path):
    with decision.locked(tmp_path), pytest.raises(InputError, match="Another process works"), decision.locked(tmp_path):
        pass
    with decision.locked(tmp_path):
        pass


@pytest.mark.parametrize("content", ["{", "{}", '{"kind": "other", "options": {"tolerance": 0.1}}', "[]"])
def test_damaged_records_are_refused(tmp_path, content):
    (tmp_path / "selection.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError):
        load_selection(tmp_path)
    with pytest.raises(InputError, match="No such selection"):
        load_selection(tmp_path / "nowhere")
