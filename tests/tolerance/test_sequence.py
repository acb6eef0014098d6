"""Tests of the confidence sequence: by direct products, by exact sums over all paths, and by simulation."""

import math

import numpy as np
import pytest
from helpers.coverage import ever_outside
from hypothesis import given
from hypothesis import strategies as st

from gan.errors import InputError
from gan.tolerance import (
    IN_REACH,
    PRIOR,
    clopper_pearson,
    confidence_sequence,
    outcomes_needed,
    verdict_of_bounds,
    wilson_interval,
)

COUNTS = st.integers(1, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def log_ratio(wrong, n, p, prior=PRIOR):
    """Returns the logarithm of the likelihood ratio as a product over the outcomes, one after the other."""
    (a, b), right = prior, n - wrong
    predicted = np.log(a + np.arange(wrong)).sum() + np.log(b + np.arange(right)).sum()
    predicted -= np.log(a + b + np.arange(n)).sum()
    return predicted - wrong * math.log(p) - right * math.log1p(-p)


@pytest.mark.parametrize(
    ("wrong", "n", "percents"), [(1, 300, (0, 2.34)), (3, 1_000, (0.03, 1.18)), (36, 10_000, (0.19, 0.60))]
)
def test_known_bounds(wrong, n, percents):
    assert tuple(round(100 * bound, 2) for bound in confidence_sequence(wrong, n)) == percents


@given(counts=COUNTS, confidence=st.sampled_from([0.5, 0.95, 0.999, 1 - 1e-9]), prior=st.sampled_from([PRIOR, (1, 1)]))
def test_at_a_bound_the_product_of_the_predictions_reaches_the_limit(counts, confidence, prior):
    wrong, n = counts
    lower, upper = confidence_sequence(wrong, n, confidence, prior=prior)
    assert 0 <= lower <= wrong / n <= upper <= 1
    assert (lower == 0) == (wrong == 0) or lower < 1e-17
    assert (upper == 1) == (wrong == n) or upper > 1 - 1e-15
    for bound in {lower, upper} - {0.0, 1.0}:
        if 1e-15 < bound < 1 - 1e-10:  # closer to 1, its distance from 1 has few digits
            assert log_ratio(wrong, n, bound, prior) == pytest.approx(-math.log(1 - confidence), abs=1e-4)


@pytest.mark.parametrize("wrong", [0, 40_000, 10**7])
def test_bounds_of_ten_million_outcomes(wrong):
    bounds = confidence_sequence(wrong, 10**7)
    assert bounds[0] <= wrong / 10**7 <= bounds[1]
    for bound in set(bounds) - {0.0, 1.0}:
        assert log_ratio(wrong, 10**7, bound) == pytest.approx(math.log(20), abs=1e-5)


@given(counts=COUNTS, share=st.floats(0, 1))
def test_bounds_grow_with_the_number_of_wrong_outcomes_fractions_included(counts, share):
    wrong, n = counts
    numbers = sorted({max(0, wrong - 1), wrong - share * (wrong > 0), wrong})
    for bounds in zip(*(confidence_sequence(number, n) for number in numbers)):
        assert (np.diff(bounds) >= -1e-11).all()


def test_bounds_mirror_with_the_prior():
    lower, upper = confidence_sequence(7, 300, prior=(0.5, 20))
    assert confidence_sequence(293, 300, prior=(20, 0.5)) == pytest.approx((1 - upper, 1 - lower), abs=1e-12)


def test_no_outcome_says_nothing_and_tiny_fractions_are_numbers():
    assert confidence_sequence(0, 0) == (0, 1)
    lower, upper = confidence_sequence(5e-324, 10)
    assert lower == 0
    assert upper == pytest.approx(confidence_sequence(0, 10)[1])


@pytest.mark.parametrize(
    "arguments", [(-1, 10), (11, 10), (math.nan, 10), (1, -1), (1, 2.5), (1, 10, 0), (1, 10, 1), (1, 10, math.nan)]
)
def test_rejects_impossible_counts(arguments):
    with pytest.raises(InputError):
        confidence_sequence(*arguments)


@pytest.mark.parametrize("prior", [(0, 1), (1, -1), (math.inf, 1), (1, math.nan)])
def test_rejects_impossible_priors(prior):
    with pytest.raises(InputError, match="prior"):
        confidence_sequence(1, 10, prior=prior)


@pytest.mark.parametrize("rate", [0.0, 0.001, 0.02, 0.5, 1.0])
@pytest.mark.parametrize("tolerance", [0.0, 0.01, 0.3, 1.0])
def test_a_tolerance_that_is_decided_stays_decided_at_the_same_rate(rate, tolerance):
    decided = [
        verdict_of_bounds(confidence_sequence(rate * n, n), tolerance) != "undecided"
        for n in np.unique(np.logspace(0, 5, 150).astype(int)).tolist()
    ]
    assert decided == sorted(decided)


@given(
    counts=st.integers(0, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), tolerance=st.floats(0, 1)
)
def test_outcomes_needed_is_the_smallest_number_that_decides(counts, tolerance):
    wrong, n = counts
    needed = outcomes_needed(wrong, n, tolerance)

    def decides(total):
        share = wrong / n if n else 0.0
        bounds = confidence_sequence(wrong if total == n else min(total, share * total), total)
        return verdict_of_bounds(bounds, tolerance) != "undecided"

    if needed is None:
        assert not decides(10**6)
    else:
        assert decides(n + needed)
        assert needed == 0 or not decides(n + needed - 1)


def test_outcomes_needed_at_the_edges():
    assert outcomes_needed(0, 0, 1.0) == 0
    assert outcomes_needed(0, 0, 0.0) is outcomes_needed(5, 1_000, 0.005) is outcomes_needed(1, 1, 1.0 - 1e-16) is None
    assert outcomes_needed(0, 100, 0.02) == 109 == outcomes_needed(0, 0, 0.02) - 100
    assert 10**8 < outcomes_needed(5, 1_000, 0.005 + 2e-5) < IN_REACH
    with pytest.raises(InputError):
        outcomes_needed(2, 1, 0.5)


LOOKING = {0.004: (0.0275, 0.4209), 0.02: (0.0388, 0.5212), 0.1: (0.0454, 0.5895)}
"""True rate -> (probability that it is ever outside the confidence sequence, and outside Wilson's interval) for looks
at every number of outcomes from 1 to 5,000, as in docs/evaluation.md."""


def test_the_true_rate_is_rarely_ever_outside_and_often_outside_an_interval_for_one_look():
    for rate in LOOKING:
        assert ever_outside(confidence_sequence, rate, 500) <= 0.05
        assert ever_outside(wilson_interval, rate, 500) > 0.25
    assert ever_outside(clopper_pearson, 0.1, 500) > 0.25


@pytest.mark.slow
@pytest.mark.parametrize("rate", LOOKING)
def test_coverage_while_looking_5000_times_exactly_and_simulated(rate):
    exact = ever_outside(confidence_sequence, rate, 5_000), ever_outside(wilson_interval, rate, 5_000)
    assert exact == pytest.approx(LOOKING[rate], abs=5e-4)
    assert exact[0] <= 0.05
    assert exact[1] > 0.25
    wrong = (np.random.default_rng(0).random((2_000, 5_000)) < rate).cumsum(axis=1)
    for interval, expected in zip((confidence_sequence, wilson_interval), exact):
        highest = wrong.max(axis=0)
        outside = np.zeros(2_000, bool)
        for n in range(1, 5_001):
            seen = np.unique(wrong[:, n - 1])
            bad = [not interval(int(count), n)[0] <= rate <= interval(int(count), n)[1] for count in seen]
            table = np.zeros(highest[n - 1] + 1, bool)
            table[seen] = bad
            outside |= table[wrong[:, n - 1]]
        assert outside.mean() == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / 2_000) + 1e-3)
