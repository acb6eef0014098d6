"""Budgets and rungs of successive halving."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan.errors import InputError
from gan.selection.halving import (
    COMPARABLE,
    INTERVALS,
    Budget,
    HalvingPlan,
    Pace,
    Rung,
    interval_images,
    plan_halving,
    read_budget,
    rung_of,
)

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
        ("1,000.5e3", Budget(1_000_500.0)),
        (".5h", Budget(1800.0, True)),
    ],
)
def test_reads_budgets(text, budget):
    assert read_budget(text) == budget


@pytest.mark.parametrize("text", ["", "s", "10 parsecs", "-5", "1e", "nan", "1,5h", "1,50", ",5", "e5", "."])
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


def test_two_hundred_candidates_have_at_most_eight_halvings():
    plan = plan_halving({f"c{number:03}": 100_000 for number in range(200)}, 2e6)
    assert (len(plan.rungs), plan.rungs[-1], plan.left_out) == (7, 100_000, {})


def test_an_interval_is_an_eighth_of_each_run():
    plan = plan_halving({"a": 130_000, "b": 27_000, "c": 600_000}, 500_000)
    assert plan.left_out == {"c": "too long for the budget: 600,000 images"}
    assert plan.rungs == (130_000,)
    intervals = {length: interval_images(plan, length=length, per_step=64) for length in (27_000, 130_000)}
    assert intervals == {27_000: 42 * 64, 130_000: 203 * 64}  # of 421 steps and of 2,031
    assert rung_of(plan, 0, length=27_000, per_step=64) == Rung(27_000, 11, is_last=True)


def test_a_run_that_is_not_longer_than_a_rung_is_finished_there():
    """Steps of 1,152 images: 59,904 are 52 steps, and 96 images below the rung."""
    plan = HalvingPlan((60_000, 120_000), {}, 0.0)
    assert rung_of(plan, 0, length=59_904, per_step=1_152).is_last
    assert not rung_of(plan, 0, length=60_288, per_step=64).is_last


def test_candidates_with_large_steps_are_compared_at_about_as_many_images():
    """At a rung of 3,906, 2 steps of 1,536 would be 3,072 images: less than 7/8 of the 3,904 of 61 steps of 64."""
    lengths = {f"c{number:03}": 1_000_000 for number in range(200)}
    assert plan_halving(lengths, 6e6, per_step=dict.fromkeys(lengths, 64)).rungs[0] == 3_906
    per_step = {name: (64, 1_536)[number % 2] for number, name in enumerate(lengths)}
    assert plan_halving(lengths, 6e6, per_step=per_step).rungs[0] == 7_812  # with fewer candidates
    plan = plan_halving(lengths, 8e6, per_step=per_step)
    assert (plan.rungs[0], plan.left_out) == (7_812, {})
    ends = {rung_of(plan, 0, length=1_000_000, per_step=each).images for each in (64, 1_536)}
    assert ends == {7_808, 7_680}


@given(
    runs=st.lists(st.tuples(st.integers(1, 2_000), st.sampled_from([1, 64, 250, 320, 6_144])), min_size=1, max_size=12),
    share=st.floats(1e-3, 1.2),
    random=st.randoms(use_true_random=False),
)
def test_what_is_trained_costs_no_more_than_the_budget_and_is_comparable(runs, share, random):
    """Whoever continues. The images are those of `rung_of`, which the trials train."""
    lengths = {f"c{number}": steps * each for number, (steps, each) in enumerate(runs)}
    per_step = {f"c{number}": each for number, (_, each) in enumerate(runs)}
    budget = max(min(lengths.values()), share * sum(lengths.values()))
    plan = plan_halving(lengths, budget, per_step=per_step)
    assert plan.cost <= budget
    longest_first = sorted(lengths, key=lengths.get, reverse=True)
    for order in (longest_first, longest_first[::-1], random.sample(longest_first, len(lengths))):
        unfinished = [name for name in order if name not in plan.left_out]
        seen = dict.fromkeys(unfinished, 0)
        for number in range(len(plan.rungs)):
            rungs = {name: rung_of(plan, number, length=lengths[name], per_step=per_step[name]) for name in unfinished}
            assert all(rung.is_last == (lengths[name] <= plan.rungs[number]) for name, rung in rungs.items())
            seen |= {name: rung.images for name, rung in rungs.items()}
            unfinished = [name for name in unfinished if not rungs[name].is_last]
            if unfinished:
                images = [seen[name] for name in unfinished]
                assert min(images) >= max(1, COMPARABLE * max(images))
            for name in unfinished:
                each = interval_images(plan, length=lengths[name], per_step=per_step[name])
                assert rungs[name].images == rungs[name].intervals * each
                assert each % per_step[name] == 0
                assert lengths[name] / each >= min(INTERVALS, lengths[name] / per_step[name])
            unfinished = unfinished[: math.ceil(len(unfinished) / 2)]
        assert not unfinished
        assert sum(seen.values()) <= plan.cost
