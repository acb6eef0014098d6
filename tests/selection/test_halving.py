"""Budgets and rungs of successive halving."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan.errors import InputError
from gan.selection.halving import Budget, Pace, interval_images, plan_halving, read_budget, rung_of

LENGTHS = {"a": 800, "b": 800, "c": 800, "d": 800, "short": 100}


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("600s", Budget(600.0, True)),
        ("10min", Budget(600.0, True)),
        ("0.5h", Budget(1800.0, True)),
        ("2e6", Budget(2e6)),
        ("2,000,000", Budget(2e6)),
        ("3000 images", Budget(3000.0)),
    ],
)
def test_reads_budgets(text, budget):
    assert read_budget(text) == budget


@pytest.mark.parametrize("text", ["", "s", "10 parsecs", "-5", "1e", "nan"])
def test_other_texts_are_no_budgets(text):
    with pytest.raises(InputError, match="Bad `--budget`"):
        read_budget(text)


def test_a_large_budget_trains_all_to_their_end():
    plan = plan_halving(LENGTHS, 3_300)
    assert (plan.rungs, plan.cost, plan.left_out) == ((800,), 3_300, {})


def test_a_smaller_one_halves():
    """400 images each and 100: 1,700. Two of four continue for 400 more: 2,500. One image less: two halvings.

    200 images each and 100: 900. Two of four continue for 200: 1,300. One of two for 400: 1,700.
    """
    assert (plan_halving(LENGTHS, 2_500).rungs, plan_halving(LENGTHS, 2_500).cost) == ((400, 800), 2_500)
    plan = plan_halving(LENGTHS, 2_499)
    assert (plan.rungs, plan.cost) == ((200, 400, 800), 1_700)


def test_the_dearest_are_left_out_if_halving_is_not_enough():
    plan = plan_halving({"short": 100, "long": 10_000}, 300)
    assert plan.rungs == (100,)
    assert plan.left_out == {"long": "too long for the budget: 10,000 images"}


def test_a_budget_below_the_cheapest_candidate_is_refused():
    with pytest.raises(InputError, match=r"100 images or more, the cost of short.*99 images"):
        plan_halving(LENGTHS, 99)
    with pytest.raises(InputError, match=r"12 s or more, the cost of a.*11 s"):
        plan_halving({"a": 100}, 11, {"a": Pace(image=0.1, start=2.0)})


def test_seconds_count_the_start_of_each_rung():
    """Two candidates of 100 s of steps and 10 s to start: 220 s. Halved: 2 (10 + 50) + 10 + 50 = 180 s."""
    paces = dict.fromkeys("ab", Pace(image=0.1, start=10.0))
    lengths = dict.fromkeys("ab", 1_000)
    assert plan_halving(lengths, 220, paces).cost == pytest.approx(220)
    assert plan_halving(lengths, 219, paces).cost == pytest.approx(180)


@given(
    lengths=st.lists(st.integers(1, 10**6), min_size=1, max_size=30),
    share=st.floats(1e-3, 2.0),
)
def test_no_order_of_the_candidates_costs_more_than_the_plan(lengths, share):
    named = {f"c{number}": length for number, length in enumerate(lengths)}
    budget = max(min(lengths), share * sum(lengths))
    plan = plan_halving(named, budget)
    assert plan.cost <= budget
    assert sorted(plan.rungs) == list(plan.rungs)
    for reverse in (False, True):
        left = {name: length for name, length in named.items() if name not in plan.left_out}
        assert plan.rungs[-1] == max(left.values())
        spent, before, unfinished = 0, 0, sorted(left, key=left.get, reverse=reverse)
        for rung in plan.rungs:
            spent += sum(min(rung, left[name]) - before for name in unfinished)
            unfinished = [name for name in unfinished if left[name] > rung]
            unfinished = unfinished[: math.ceil(len(unfinished) / 2)]
            before = rung
        assert spent <= plan.cost + 1e-6


def test_two_hundred_candidates_have_at_most_eight_halvings():
    plan = plan_halving({f"c{number:03}": 100_000 for number in range(200)}, 2e6)
    assert (len(plan.rungs), plan.rungs[-1], plan.left_out) == (7, 100_000, {})


def test_rungs_end_at_whole_intervals():
    plan = plan_halving({"a": 130_000, "b": 27_000, "c": 600_000}, 500_000)
    assert plan.left_out == {"c": "too long for the budget: 600,000 images"}
    assert (plan.rungs, plan.parts) == ((130_000,), 8)
    assert interval_images(plan, 64) == 253 * 64  # 16,250 images at most
    assert rung_of(plan, 0, length=130_000, per_step=64).is_last


@given(
    longest=st.integers(1_000, 10**6),
    halvings=st.integers(0, 5),
    per_step=st.sampled_from([32, 64, 250]),
    share=st.floats(0.01, 1.0),
)
def test_no_rung_is_earlier_than_the_one_before_or_beyond_the_plan_until_the_run_ends(
    longest, halvings, per_step, share
):
    named = {f"c{number}": longest for number in range(2**halvings)}
    plan = plan_halving(named, 2 * longest * (halvings + 1) if halvings else longest)
    length = per_step * max(1, round(share * longest / per_step))
    rungs = [rung_of(plan, number, length=length, per_step=per_step) for number in range(len(plan.rungs))]
    ends = [rung for rung in rungs if not rung.is_last]
    assert rungs[-1].is_last
    assert [rung.images for rung in ends] == sorted(rung.images for rung in ends)
    assert all(rung.images == rung.intervals * interval_images(plan, per_step) < length for rung in ends)
    assert all(rung.images == length for rung in rungs[len(ends) :])
    if plan.rungs[0] // plan.parts >= per_step:
        assert all(rung.images <= longest for rung, longest in zip(ends, plan.rungs))
