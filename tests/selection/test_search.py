"""The search: who continues after a rung, what is repeated after an interruption, and what a failure ends."""

import itertools
from dataclasses import replace

import pytest
from helpers.known_selections import (
    LENGTHS,
    NUM,
    WRONG,
    KnownWorkers,
    costed,
    known,
    quiet,
    record_of,
    searched,
)

from gan.errors import TrainingError
from gan.selection.decision import (
    fix_order,
)
from gan.selection.record import load_selection, save_selection
from gan.selection.search import plan_search, shortfall
from gan.selection.trial import Look
from gan.utils.json_process import ProcessFailure


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
    start = record_of(LENGTHS, budget="2499")
    orders = [searched(start, KnownWorkers(known, seed=s), tmp_path) for s in (seed, 99)]
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


class NoCosts(KnownWorkers):
    def measure_costs(self, task):
        raise ProcessFailure("the process ended (signal 9)")


def test_costs_that_cannot_be_measured_are_a_training_error_in_one_line(tmp_path):
    record = searched(record_of({"a": 800}), NoCosts(known), tmp_path)
    with pytest.raises(TrainingError, match=r"The costs could not be measured: the process ended \(signal 9\)"):
        costed(record, tmp_path, NoCosts(known))
    with pytest.raises(TrainingError, match="could not be measured"):
        plan_search(record_of({"a": 800}, budget="60s"), NoCosts(known), quiet)


def test_a_candidate_that_cannot_be_timed_is_left_out_as_failed(tmp_path):
    def fail_one(task):
        found = KnownWorkers(known).measure_costs(task)
        return replace(found, costs={"b": found.costs["b"]}, failures={"a": "no memory"})

    workers = KnownWorkers(known)
    workers.measure_costs = fail_one
    plan = plan_search(record_of({"a": 800, "b": 800}, budget="1h"), workers, quiet)
    assert plan.left_out == {"a": "failed: no memory"}


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
    record = fix_order(costed(record, tmp_path, workers), quiet)
    assert [run.name for run in workers.timed[0].runs] == ["a", "short"]
    assert record.order == ("a", "short")
    assert record.where == "known"


def test_a_price_is_seconds_times_the_price_of_an_hour(tmp_path):
    workers = KnownWorkers(known)
    record = searched(record_of({"a": 7_200}, cost="price", price_per_hour=3.0), workers, tmp_path)
    assert costed(record, tmp_path, workers).candidate("a").cost.value == pytest.approx(6.0)
