"""Tests of the exact test and its planned number: by hand, by exact sums, and by a search through all numbers."""

import math
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gan.errors import InputError
from gan.tolerance import (
    ErrorRate,
    binomial_p_value,
    fewest_outcomes,
    most_wrong,
    passes_test,
    planned_samples,
    verdict,
    wilson_bounds,
)


@pytest.mark.parametrize(("wrong", "by_hand"), [(0, 0.729), (1, 0.972), (2, 0.999), (3, 1.0)])
def test_p_value_of_three_outcomes(wrong, by_hand):
    """0.9^3, then + 3 x 0.1 x 0.9^2, then + 3 x 0.1^2 x 0.9, then all."""
    assert binomial_p_value(wrong, 3, 0.1) == pytest.approx(by_hand, rel=1e-12)


def test_p_value_at_the_edges():
    assert binomial_p_value(0, 5, 0.0) == 1.0
    assert binomial_p_value(4, 5, 1.0) == 0.0
    assert binomial_p_value(5, 5, 1.0) == 1.0


@given(n=st.integers(1, 40), share=st.floats(0, 1), percent=st.integers(0, 100))
def test_p_value_is_the_sum_of_the_probabilities(n, share, percent):
    wrong, rate = round(share * n), Fraction(percent, 100)
    exact = sum(comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(wrong + 1))
    assert binomial_p_value(wrong, n, float(rate)) == pytest.approx(float(exact), rel=1e-9, abs=1e-300)


@given(n=st.integers(1, 10**7), share=st.floats(0, 1), rate=st.floats(1e-6, 1))
def test_p_value_equals_scipys(n, share, rate):
    wrong = min(n, round(share * 2 * n * rate))
    assert binomial_p_value(wrong, n, rate) == pytest.approx(stats.binom.cdf(wrong, n, rate), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(("n", "rate"), [(381, 0.01), (1_305, 0.01), (3_446, 0.01), (1_720, 0.02), (60, 0.3)])
def test_a_rate_at_the_tolerance_passes_with_at_most_the_level(n, rate):
    passing = [wrong for wrong in range(n + 1) if passes_test(wrong, n, rate)]
    assert passing == list(range(len(passing)))  # all up to a limit
    assert 0 < stats.binom.cdf(passing[-1], n, rate) <= 0.025


@pytest.mark.parametrize(
    ("wrong", "n", "tolerance", "p_value", "expected"),
    [(0, 373, 0.01, 0.99**373, "undecided"), (1, 16, 0.3, 0.7**16 + 16 * 0.3 * 0.7**15, "within")],
)
def test_both_conditions_count(wrong, n, tolerance, p_value, expected):
    """The p-values are 0.0235 and 0.0261. The exact test alone passes the first one, Wilson's interval the second."""
    assert binomial_p_value(wrong, n, tolerance) == pytest.approx(p_value)
    assert verdict(ErrorRate(wrong, n), tolerance) == expected
    assert (p_value <= 0.025) != (expected == "within")
    assert not passes_test(wrong, n, tolerance)


def limits(ns, tolerance, level):
    """Returns the largest passing number of wrong ones for each n, -1 for none, without the code that is tested."""
    exact = stats.binom.ppf(level, ns, tolerance)
    exact = exact - (stats.binom.cdf(exact, ns, tolerance) > level)
    z = stats.norm.isf(level)
    wilson = np.floor(ns * tolerance - z * np.sqrt(ns * tolerance * (1 - tolerance))) + 1
    for _ in range(3):
        upper = wilson_bounds(np.clip(wilson, 0, ns) / ns, ns, np.sqrt, 1 - 2 * level)[1]
        wilson = wilson - ((upper > tolerance) & (wilson >= 0) & (tolerance < 1))
    return np.minimum(exact, wilson)


def search(expected, tolerance, level, power, most):
    """Returns the number after the last one up to `most` whose power is not enough."""
    ns = np.arange(1, most + 1)
    enough = stats.binom.cdf(limits(ns, tolerance, level), ns, expected) >= power
    return int(ns[~enough][-1]) + 1 if not enough.all() else 1


PLANNED = {(0.01, 4): 1_305, (0.01, 2): 3_446, (0.02, 4): 650, (0.02, 2): 1_720}


@pytest.mark.parametrize(("tolerance", "part"), PLANNED)
def test_planned_numbers(tolerance, part):
    planned = PLANNED[tolerance, part]
    assert planned_samples(tolerance / part, tolerance) == planned
    assert search(tolerance / part, tolerance, 0.025, 0.9, 20_000) == planned


def test_planned_number_near_the_tolerance():
    assert planned_samples(0.0075, 0.01) == search(0.0075, 0.01, 0.025, 0.9, 60_000) == 15_425


def test_wilsons_condition_adds_two_samples_to_the_exact_test_alone():
    """By the exact test alone, 1,303 are always enough for an error rate of 0.25 % within 1 %."""
    ns = np.arange(1, 20_001)
    limit = stats.binom.ppf(0.025, ns, 0.01)
    limit = limit - (stats.binom.cdf(limit, ns, 0.01) > 0.025)
    power = stats.binom.cdf(limit, ns, 0.0025)
    assert ns[power < 0.9][-1] + 1 == 1_303
    assert planned_samples(0.0025, 0.01) == 1_305


def test_the_power_is_a_sawtooth_and_smaller_numbers_may_be_enough_by_luck():
    ns = np.arange(1, 20_001)
    power = stats.binom.cdf(limits(ns, 0.01, 0.025), ns, 0.005)
    planned = planned_samples(0.005, 0.01)
    assert power[planned - 1 :].min() >= 0.9 > power[planned - 2]
    assert (power[: planned - 1] >= 0.9).any()


@given(
    tolerance=st.sampled_from([0.02, 0.05, 0.2, 0.5, 0.77, 0.95, 1.0]),
    share=st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.6]),
    level=st.sampled_from([0.025, 0.001, 0.1, 0.4]),
    power=st.sampled_from([0.01, 0.5, 0.9, 0.999]),
)
def test_planned_number_equals_a_search_through_all_numbers(tolerance, share, level, power):
    expected = share * tolerance
    found = search(expected, tolerance, level, power, math.ceil(60 / tolerance / (1 - share) ** 2))
    assert planned_samples(expected, tolerance, level=level, power=power) == found


@pytest.mark.parametrize("tolerance", [0.5, 0.1, 0.01, 1e-4])
def test_without_errors_the_planned_number_is_the_first_that_passes(tolerance):
    """0.99^n <= 0.025 from 368 on, but Wilson's bound of none wrong, z^2 / (n + z^2), is <= 0.01 from 381 on."""
    planned = planned_samples(0.0, tolerance)
    assert passes_test(0, planned, tolerance)
    assert not passes_test(0, planned - 1, tolerance)
    exact = math.ceil(math.log(0.025) / math.log1p(-tolerance))
    assert planned == max(exact, fewest_outcomes(tolerance))


@pytest.mark.parametrize(("tolerance", "share"), [(1e-4, 0.25), (1e-4, 0.5), (1e-4, 0.75), (1e-3, 0.9), (0.5, 0.99)])
def test_planned_numbers_of_small_tolerances_have_the_power_and_one_less_has_not(tolerance, share):
    planned = planned_samples(share * tolerance, tolerance)
    for n, enough in ((planned, True), (planned - 1, False)):
        limit = most_wrong(n, tolerance)
        while not passes_test(limit, n, tolerance):
            limit -= 1
        assert (stats.binom.cdf(limit, n, share * tolerance) >= 0.9) == enough


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"expected": 0.01}, "`expected`. Expected an error rate below the tolerance 0.01"),
        ({"expected": 0.02}, "`expected`. Expected an error rate below"),
        ({"expected": 0.01 - 1e-9}, "`expected`. Expected at most 0.00998462"),
        ({"expected": -0.1}, "`expected`"),
        ({"expected": math.nan}, "`expected`"),
        ({"tolerance": 0.0}, "`tolerance`"),
        ({"tolerance": 1.1}, "`tolerance`"),
        ({"tolerance": math.nan}, "`tolerance`"),
        ({"tolerance": 1e-9, "expected": 0.0}, "`tolerance`"),
        ({"level": 0.0}, "`level`"),
        ({"level": 0.5}, "`level`"),
        ({"power": 0.0}, "`power`"),
        ({"power": 1.0}, "`power`"),
    ],
)
def test_bad_plans(arguments, message):
    known = {"expected": 0.0, "tolerance": 0.01, "level": 0.025, "power": 0.9} | arguments
    with pytest.raises(InputError, match=message):
        planned_samples(known.pop("expected"), known.pop("tolerance"), **known)


@pytest.mark.parametrize(
    ("wrong", "n", "tolerance"), [(-1, 3, 0.1), (4, 3, 0.1), (0, 0, 0.1), (0, 3, 1.1), (0.5, 3, 1.0)]
)
def test_bad_counts(wrong, n, tolerance):
    for function in (binomial_p_value, passes_test):
        with pytest.raises(InputError):
            function(wrong, n, tolerance)
