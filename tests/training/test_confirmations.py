"""Tests of when a model is confirmed, on how many outcomes, and with which share of the error."""

import copy
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gan.errors import InputError
from gan.tolerance import ErrorRate, confirmation_size, fewest_outcomes, most_wrong, next_confidence, verdict
from gan.training.callbacks import Attempt, Confirmations, Outcomes
from gan.training.callbacks.confirmations import (
    EXPECTED_SHARE,
    FINAL_NUM,
    FINAL_POWER,
    FINAL_SHARE,
    LEAST_NUM,
    LEAST_POWER,
    MAX_NUM,
    POWER,
    SPENT_SHARE,
    WAIT,
    as_outcomes,
    as_texts,
    describe,
    numbers,
)

NAN, INF = math.nan, math.inf


def make_plans(tolerance=0.02, **options):
    return Confirmations(tolerance, **{"target": tolerance, **options})


def add(plans, attempt, wrong, *, total=None, value=0.02, interval=1, unmet=(), seconds=0.0):
    outcomes = Outcomes(wrong, total or attempt.num, unmet)
    return plans.add(attempt, outcomes, value=value, interval=interval, seconds=seconds)


def size_of(scaled, *, tolerance=0.02, confidence=0.95, power=POWER):
    """Returns the size of a confirmation whose expected upper bound is `scaled`."""
    return confirmation_size(EXPECTED_SHARE * scaled, tolerance, confidence, power)


# --- the first confirmation


def test_only_a_value_that_reaches_the_target_nominates():
    for value in (0.0201, 1.0, INF, NAN):
        assert make_plans().plan(value) is None
    for value in (0.02, 0.01, 0.0, -INF):
        assert make_plans().plan(value) is not None
    assert make_plans(target=0.03).plan(0.025) is not None


def test_the_first_confirmation_expects_a_share_of_the_value():
    attempt = make_plans().plan(0.02)
    assert (attempt, attempt.confidence, attempt.is_last, attempt.seconds) == (1, 0.95, False, 0.0)
    assert attempt.num == size_of(0.02) == 2_094
    assert attempt.most_wrong == most_wrong(2_094, 0.02)
    assert make_plans().plan(0.01).num == size_of(0.01) == 588
    assert make_plans(target=0.05).plan(0.05).num == 2_094  # not more than the tolerance is expected


def test_sizes_have_a_minimum_and_a_maximum():
    assert make_plans().plan(0.0).num == LEAST_NUM > fewest_outcomes(0.02)
    assert make_plans(min_num=1).plan(0.0).num == fewest_outcomes(0.02)
    assert make_plans(min_num=5_000).plan(0.02).num == 5_000
    assert make_plans(max_num=1_500).plan(0.02).num == 1_500  # power of 60 %
    least = size_of(0.02, power=LEAST_POWER)
    assert make_plans(max_num=least).plan(0.02).num == least
    assert make_plans(max_num=least - 1).plan(0.02) is None  # hardly any power: only the end decides


def test_each_uses_a_part_of_the_budget_and_what_does_not_fit_is_postponed():
    plans = make_plans(budget=20_000)
    first = plans.plan(0.02)
    assert first.num == SPENT_SHARE * 20_000
    add(plans, first, 150, total=6_100)  # another number than asked for
    second = plans.plan(0.01, interval=2)
    assert second.num == int(SPENT_SHARE * 13_900)
    add(plans, second, 417, value=0.01)  # ten times the value
    plans.budget = 6_100 + 4_170 + 1_200
    third = plans.plan(0.0015, interval=3)
    assert size_of(0.015, confidence=0.9875, power=LEAST_POWER) < third.num == 1_200
    assert size_of(0.015, confidence=0.9875) > 1_200
    assert make_plans(budget=0).plan(0.0) is None
    assert make_plans(budget=1_176).plan(0.02) is None
    assert make_plans(budget=1_177).plan(0.02).num == 1_177
    overspent = make_plans(budget=3_000)
    add(overspent, overspent.plan(0.02), 60, total=5_000)
    assert overspent.plan(0.0, interval=2) is None


def test_the_last_confirmation_of_an_earlier_length_is_not_part_of_the_budget():
    plans = make_plans(budget=3_000)
    last = plans.plan_last(0.02)
    assert last.num > 3_000
    add(plans, last, last.num // 40)  # 2.5 %: exceeded
    assert 0.9 * size_of(0.0125, confidence=0.975) < plans.plan(0.01, interval=2).num <= 3_000


# --- after a refusal


def test_after_a_refusal_the_value_times_the_last_ratio_must_be_within_the_tolerance():
    plans = make_plans()
    add(plans, plans.plan(0.02), 84, value=0.02, interval=3)  # 4.01 % of 2,094: twice the value
    ratio = 84 / 2_094 / 0.02
    limit = 0.02 / ratio
    assert plans.plan(1.001 * limit, interval=4) is None
    attempt = plans.plan(0.999 * limit, interval=4)
    assert (attempt, attempt.confidence) == (2, 0.975)
    assert attempt.num == size_of(0.999 * limit * ratio, confidence=0.975)
    assert plans.plan(0.0, interval=4) is not None
    assert plans.plan(NAN, interval=4) is None
    assert plans.plan(INF, interval=4) is None


def test_a_ratio_below_one_nominates_values_above_the_target():
    plans = make_plans()
    done = add(plans, plans.plan(0.02), 35, value=0.02)  # 1.67 %
    assert done.verdict == "undecided"
    assert plans.plan(0.0235, interval=2) is not None
    assert plans.plan(0.0245, interval=2) is None


def test_the_ratio_is_that_of_the_last_confirmation():
    plans = make_plans()
    add(plans, plans.plan(0.02), 84, value=0.02)
    add(plans, plans.plan(0.005, interval=2), 45, total=3_000, value=0.005, interval=2)  # three times the value
    assert plans.plan(0.0068, interval=3) is None
    assert plans.plan(0.0066, interval=3) is not None


@pytest.mark.parametrize(("wrong", "value"), [(0, 0.015), (5, -INF), (5, 0.0)])
def test_without_a_ratio_only_the_target_nominates(wrong, value):
    """No error was found, but a condition was not met; or the monitor was not a positive number."""
    plans = make_plans()
    done = add(plans, plans.plan(value), wrong, value=value, unmet=("coverage",))
    assert done.verdict == "undecided"
    for bad in (0.9, 0.0201, INF, NAN):
        assert plans.plan(bad, interval=2, intervals=20) is None
        assert plans.plan(bad, interval=20, intervals=20) is None
    assert plans.plan(0.015, interval=6, intervals=20) is not None


def test_after_a_share_of_the_run_the_target_nominates_again():
    plans = make_plans()
    add(plans, plans.plan(0.02), 300, value=0.02, interval=3)  # seven times the value
    due = 3 + WAIT * 20
    assert due == 7
    assert plans.plan(0.015, interval=6, intervals=20) is None
    assert plans.plan(0.015, interval=7, intervals=20).num == size_of(0.02, confidence=0.975)
    assert plans.plan(0.021, interval=7, intervals=20) is None
    assert plans.plan(NAN, interval=7, intervals=20) is None
    assert plans.plan(0.015, interval=6) is None  # the length is not known: 20 intervals are assumed
    assert plans.plan(0.015, interval=7) is not None


def test_sizes_grow_after_an_undecided_confirmation_only():
    plans = make_plans()
    add(plans, plans.plan(0.02), 40, total=9_000, value=0.02)
    assert plans.done[-1].verdict == "within"
    assert plans.plan(0.01, interval=2).num < 9_000
    plans = make_plans()
    assert add(plans, plans.plan(0.02), 170, total=9_000, value=0.02).verdict == "undecided"
    assert plans.plan(0.01, interval=2).num == 9_001
    plans = make_plans()
    assert add(plans, plans.plan(0.02), 300, total=9_000, value=0.02).verdict == "exceeded"
    assert plans.plan(0.01, interval=2).num < 9_000
    plans = make_plans()
    done = add(plans, plans.plan(0.02), 40, total=9_000, value=0.02, unmet=("coverage",))
    assert done.verdict == "undecided"  # but not for the number of outcomes
    assert plans.plan(0.01, interval=2) is None  # a condition needs time
    assert plans.plan(0.01, interval=5).num < 9_000
    plans = make_plans(max_num=9_000)
    add(plans, plans.plan(0.02), 170, total=9_000, value=0.02)
    assert plans.plan(0.01, interval=2).num == 9_000
    plans = make_plans(budget=17_000)
    add(plans, plans.plan(0.02), 170, total=9_000, value=0.02)
    assert plans.plan(0.01, interval=2) is None  # a larger one does not fit
    assert plans.plan_last(0.01).num > 9_000


def test_attempts_know_the_duration_of_earlier_ones():
    plans = make_plans()
    add(plans, plans.plan(0.02), 84, seconds=1.5)
    add(plans, plans.plan(0.005, interval=2), 50, seconds=0.25)
    assert plans.plan_last(0.02).seconds == 1.75


# --- the last confirmation


def test_the_last_confirmation_is_large_if_the_tolerance_is_near():
    plans = make_plans(0.006)
    attempt = plans.plan_last(0.006)
    assert (attempt, attempt.is_last, attempt.confidence) == (1, True, 0.95)
    assert attempt.num == confirmation_size(FINAL_SHARE * 0.006, 0.006, 0.95, FINAL_POWER) == 48_785
    assert plans.plan_last(NAN).num == FINAL_NUM
    assert make_plans(0.02).plan_last(0.02).num == 14_448
    assert make_plans(0.02, max_num=5_000).plan_last(0.02).num == 5_000
    assert make_plans(0.1).plan_last(0.1).num == FINAL_NUM
    add(plans, plans.plan(0.006), 500, value=0.006)
    assert plans.done[-1].verdict == "exceeded"
    far = plans.plan_last(0.006)
    assert (far, far.num) == (2, FINAL_NUM)
    assert far.confidence == pytest.approx(0.96)


def test_the_last_confirmation_is_larger_than_an_undecided_one():
    plans = make_plans(0.1)
    add(plans, plans.plan(0.1), 1_180, total=12_000, value=0.1)
    assert plans.done[-1].verdict == "undecided"
    assert plans.plan_last(0.1).num == 12_001


# --- higher values are better


def test_a_higher_value_nominates_if_higher_is_better():
    plans = make_plans(target=0.9, sign=-1)
    for value in (0.89, -INF, NAN):
        assert plans.plan(value) is None
    assert plans.plan(0.9).num == plans.plan(INF).num == size_of(0.02)
    add(plans, plans.plan(0.95), 84, value=0.95)
    assert plans.plan(0.95, interval=2, intervals=10) is None
    assert plans.plan(0.96, interval=2, intervals=10).num == size_of(0.02, confidence=0.975)
    assert plans.plan(0.91, interval=3, intervals=10) is not None  # after a share of the run
    assert plans.plan(0.91, interval=3) is None
    assert plans.plan(NAN, interval=9, intervals=10) is None


def test_a_value_below_the_target_does_not_nominate_although_it_is_better_than_the_last_one():
    """The last confirmation of an earlier length may be that of a model below the target."""
    plans = make_plans(target=0.9, sign=-1)
    add(plans, plans.plan_last(0.5), 5_000, value=0.5)
    assert plans.plan(0.6, interval=2) is None
    assert plans.plan(0.9, interval=2) is not None
    plans = make_plans(target=0.9, sign=-1)
    add(plans, plans.plan(INF), 84, value=INF)
    assert plans.done[-1].value is None
    assert plans.plan(0.6, interval=2) is None
    assert plans.plan(0.9, interval=2) is not None


# --- all plans

VALUES = st.floats() | st.floats(0, 0.05)


@given(
    tolerance=st.floats(0.001, 1),
    target=st.floats(allow_nan=False) | st.floats(0, 0.05),
    sign=st.sampled_from([1, -1]),
    budget=st.none() | st.integers(0, 200_000),
    values=st.lists(st.tuples(VALUES, st.floats(0, 1), st.booleans(), st.booleans()), max_size=30),
    intervals=st.none() | st.just(30),
    min_num=st.integers(1, 5_000),
)
def test_any_sequence_of_values_and_results_gives_valid_plans(
    tolerance, target, sign, budget, values, intervals, min_num
):
    plans = Confirmations(tolerance, target=target, sign=sign, budget=budget, min_num=min_num)
    for interval, (value, rate, is_met, is_last) in enumerate(values, 1):
        attempt = plans.plan_last(value) if is_last else plans.plan(value, interval=interval, intervals=intervals)
        if attempt is None:
            continue
        spent = sum(one.num for one in plans.done if not one.is_last)
        assert attempt == len(plans.done) + 1
        assert attempt.confidence == next_confidence(plans.done, is_last=is_last)
        assert attempt.most_wrong == most_wrong(attempt.num, tolerance, attempt.confidence)
        assert attempt.is_last == is_last
        assert min_num <= attempt.num <= MAX_NUM
        if not is_last:
            assert not math.isnan(value)
            assert attempt.most_wrong >= 0
            assert budget is None or attempt.num + spent <= budget
        unmet = () if is_met else ("no",)
        done = add(plans, attempt, round(rate * attempt.num), value=value, interval=interval, unmet=unmet)
        assert done is plans.done[-1]
        assert done.verdict != "within" or is_met
    assert sum(1 - one.confidence for one in plans.done) / 2 <= 0.05 + 1e-9


def test_a_result_becomes_a_confirmation_with_its_verdict():
    plans = make_plans()
    done = add(plans, plans.plan(0.02), 20, value=0.015, interval=4, seconds=1.5)
    assert (done.attempt, done.interval, done.value, done.wrong, done.num) == (1, 4, 0.015, 20, 2_094)
    assert (done.confidence, done.verdict, done.unmet, done.seconds, done.is_last) == (0.95, "within", (), 1.5, False)
    assert type(done.attempt) is int
    last = add(plans, plans.plan_last(INF), 20, value=INF, unmet=["coverage"])
    assert (last.attempt, last.value, last.verdict, last.unmet) == (2, None, "undecided", ("coverage",))
    assert last.is_last
    exceeded = add(plans, plans.plan_last(NAN), 9_000, value=NAN, unmet=["coverage"])
    assert (exceeded.value, exceeded.verdict) == (None, "exceeded")


def test_the_verdict_uses_the_confidence_of_its_attempt():
    plans = make_plans()
    add(plans, plans.plan(0.02), 84)
    attempt = plans.plan(0.005, interval=2)
    wrong = most_wrong(2_000, 0.02, 0.95)
    assert wrong > most_wrong(2_000, 0.02, 0.975)
    assert add(plans, attempt, wrong, total=2_000).verdict == "undecided"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"tolerance": 1.5}, "Bad `tolerance`"),
        ({"tolerance": NAN}, "Bad `tolerance`"),
        ({"target": NAN}, "Bad `target`"),
        ({"target": None}, "Bad `target`"),
        ({"budget": -1}, "Bad `budget`"),
        ({"budget": 0.5}, "Bad `budget`"),
        ({"min_num": 0}, "Bad `min_num`"),
        ({"min_num": 500, "max_num": 499}, "Bad `max_num`"),
    ],
)
def test_rejects_bad_options(options, problem):
    with pytest.raises(InputError, match=problem):
        Confirmations(**{"tolerance": 0.02, "target": 0.02, **options})


def test_rejects_a_tolerance_that_no_confirmation_could_show_and_names_the_number_that_could():
    with pytest.raises(InputError, match=r"0\.021 or more with max_num=188, or 189\. Received: tolerance=0\.02"):
        make_plans(min_num=1, max_num=188)
    make_plans(min_num=1, max_num=189)
    with pytest.raises(InputError, match=r"No confirmation could .* 3\.9e-05 or more with max_num=100000\. Received"):
        make_plans(0.0)


# --- attempts


def test_an_attempt_is_its_number_and_serves_as_a_seed():
    attempt = Attempt(3, num=500, confidence=0.95, most_wrong=4, is_last=True, seconds=2.5)
    assert attempt == 3
    assert isinstance(attempt, int)
    assert f"{attempt}, {attempt + 1}, {attempt:03d}" == "3, 4, 003"
    assert np.random.default_rng(attempt).integers(10**9) == np.random.default_rng(3).integers(10**9)
    assert np.random.default_rng([7, attempt]).integers(10**9) == np.random.default_rng([7, 3]).integers(10**9)
    assert {3: "found"}[attempt] == "found"


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_of_an_attempt_has_its_attributes(copied):
    """A function may hand its attempt to another process."""
    attempt = copied(Attempt(3, num=500, confidence=0.95, most_wrong=4, is_last=True, used=7, seconds=2.5))
    assert type(attempt) is Attempt
    assert (attempt, vars(attempt)) == (
        3,
        {"num": 500, "confidence": 0.95, "most_wrong": 4, "is_last": True, "used": 7, "seconds": 2.5, "tolerance": 1.0},
    )


# --- what a function returned


@pytest.mark.parametrize(
    "found",
    [
        (3, 10),
        [3, 10],
        (np.int64(3), np.int32(10)),
        np.array([3, 10]),
        (np.sum([True] * 3), np.size(np.zeros(10))),
        (3, 10, ()),
        Outcomes(3, 10),
        (one for one in (3, 10)),
    ],
    ids=["tuple", "list", "NumPy", "array", "sums", "no conditions", "Outcomes", "generator"],
)
def test_counts_are_accepted_as_whole_numbers_of_python_and_numpy(found):
    outcomes = as_outcomes(found)
    assert outcomes == Outcomes(3, 10, ())
    assert (type(outcomes.wrong), type(outcomes.total)) == (int, int)


def test_zero_and_all_wrong_are_counts_too():
    assert as_outcomes((0, 1)) == Outcomes(0, 1)
    assert as_outcomes((1, 1)) == Outcomes(1, 1)


def test_conditions_are_texts():
    assert as_outcomes((1, 2, ["a", "b"])).unmet == ("a", "b")
    assert as_outcomes(Outcomes(1, 2, "coverage is low")).unmet == ("coverage is low",)
    assert as_outcomes((1, 2, None)).unmet == ()
    assert as_texts([]) == as_texts(None) == ()
    for found in (True, False, 0.7, object(), {"coverage"}):
        with pytest.raises(InputError, match="a list of texts, those that are not met"):
            as_texts(found)


NONSENSE = {
    "more wrong than total": (11, 10),
    "no total": (0, 0),
    "negative": (-1, 10),
    "NaN": (NAN, 10),
    "NaN total": (1, NAN),
    "infinite total": (1, INF),
    "None": (None, 10),
    "None total": (3, None),
    "text": ("3", "10"),
    "one text": "ab",
    "fractions": (0.3, 10),
    "whole floats": (3.0, 10.0),
    "truth values": (True, True),
    "a number": 0.03,
    "a count": 3,
    "a NumPy number": np.float64(0.03),
    "one": (3,),
    "four": (3, 10, (), ()),
    "empty": (),
    "dict": {"wrong": 3, "total": 10},
    "arrays": (np.array([1, 2]), np.array([10, 10])),
    "outcomes": np.array([True, False, False]),
    "object": object(),
    "conditions as a truth value": (3, 10, True),
    "conditions as a number": (3, 10, 0.5),
}


@pytest.mark.parametrize("found", NONSENSE.values(), ids=NONSENSE)
def test_rejects_nonsense_and_shows_it(found):
    with pytest.raises(InputError, match=r"Bad `confirm`. Expected a function that returns \(wrong, total\)") as error:
        as_outcomes(found)
    assert error.value.received == repr(found)


# --- what is told of a confirmation


def test_a_confirmation_is_described_in_one_line():
    plans = make_plans()
    done = add(plans, plans.plan(0.02), 2_050, total=100_000, interval=12)
    assert describe(done, 0.02) == (
        "Confirmation 1, interval 12: undecided. 2,050 of 100,000 wrong, 2.05 % (1.96 to 2.14 %); tolerance 2 %."
    )
    done = add(plans, plans.plan(0.01, interval=13), 0, total=1_000, unmet=("coverage 0.5", "class 3 at 9 %"))
    assert describe(done, 0.02) == (
        "Confirmation 2, interval 1: undecided. 0 of 1,000 wrong, 0 % (0 to 0.5 %); tolerance 2 %; coverage 0.5; "
        "class 3 at 9 %."
    )


def test_numbers_of_a_confirmation_for_a_log():
    plans = make_plans()
    done = add(plans, plans.plan(0.02), 20, total=2_000, interval=4, seconds=1.5)
    found = numbers(done, nominated=True)
    assert found == {
        "nominated": 1.0,
        "confirm_interval": 4,
        "confirm_num": 2_000,
        "confirm_error_rate": 0.01,
        "confirm_error_rate_lower": ErrorRate(20, 2_000).interval[0],
        "confirm_error_rate_upper": ErrorRate(20, 2_000).interval[1],
        "confirm_seconds": 1.5,
    }
    nothing = numbers(None)
    assert list(nothing) == list(found)
    assert nothing.pop("nominated") == 0.0
    assert all(map(math.isnan, nothing.values()))


# --- whole runs, simulated


def simulate(rng, *, rate, looks, tolerance=0.02, probe_num=2_000, budget=None):
    """Returns the confirmations of a run with this constant error rate, which ends when one of them is within."""
    plans = make_plans(tolerance, budget=budget)
    for interval in range(1, looks + 1):
        value = ErrorRate(int(rng.binomial(probe_num, rate)), probe_num).interval[1]
        attempt = plans.plan(value, interval=interval, intervals=looks)
        if interval == looks:
            attempt = plans.plan_last(value)
        if attempt is not None:
            done = add(plans, attempt, int(rng.binomial(attempt.num, rate)), value=value, interval=interval)
            if done.verdict == "within":
                break
    return plans.done


@pytest.mark.parametrize("looks", [20, 200])
def test_a_rate_at_the_tolerance_is_found_within_in_at_most_5_percent_of_all_runs(looks):
    """If each confirmation had a confidence of 95 %, it would be more than 7 % of the runs with 200 looks."""
    rng, runs = np.random.default_rng(0), 500
    done = [simulate(rng, rate=0.02, looks=looks) for _ in range(runs)]
    false = sum(run[-1].verdict == "within" for run in done)
    assert stats.binom.sf(false - 1, runs, 0.05) > 0.01  # so many are not unlikely if it is 5 %
    uncorrected = sum(any(verdict(one.rate, 0.02) == "within" for one in run) for run in done)
    assert false > 0.01 * runs
    assert looks == 20 or uncorrected > 0.07 * runs
    assert max(map(len, done)) >= 5


def test_a_rate_well_within_the_tolerance_is_confirmed_in_nearly_all_runs():
    rng = np.random.default_rng(1)
    done = [simulate(rng, rate=0.01, looks=20, budget=30_000) for _ in range(200)]
    assert sum(one[-1].verdict == "within" for one in done) >= 198
    assert np.mean([len(one) for one in done]) < 1.5


def test_a_rate_far_above_the_tolerance_is_exceeded_at_the_end():
    rng = np.random.default_rng(2)
    for _ in range(20):
        done = simulate(rng, rate=0.1, looks=20)
        assert [(one.verdict, one.is_last) for one in done] == [("exceeded", True)]
