"""Tests of error rates, confidence intervals and verdicts."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from gan.errors import InputError
from gan.tolerance import (
    EXIT_STATUS,
    ErrorRate,
    fewest_outcomes,
    lowest_tolerance,
    samples_needed,
    verdict,
    wilson_bounds,
    wilson_interval,
)


@given(n=st.integers(1, 10**6), share=st.floats(0, 1), confidence=st.floats(0.5, 0.999))
def test_wilson_interval_equals_scipys(n, share, confidence):
    wrong = round(share * n)
    expected = stats.binomtest(wrong, n).proportion_ci(confidence, method="wilson")
    np.testing.assert_allclose(wilson_interval(wrong, n, confidence), (expected.low, expected.high), atol=1e-12)


@given(n=st.integers(1, 10**5), share=st.floats(0, 1))
def test_the_interval_contains_the_rate_and_is_symmetric(n, share):
    wrong = round(share * n)
    lower, upper = ErrorRate(wrong, n).interval
    assert 0 <= lower <= wrong / n <= upper <= 1
    mirrored = wilson_interval(n - wrong, n)
    np.testing.assert_allclose(mirrored, (1 - upper, 1 - lower), atol=1e-12)


def test_simulated_coverage_is_the_exact_binomial_sum_and_about_95_percent():
    rng, n, exact, simulated, variance = np.random.default_rng(0), 1_000, [], [], []
    bounds = np.array([wilson_interval(wrong, n) for wrong in range(n + 1)])
    for p in np.linspace(0.01, 0.2, 20):
        contains = (bounds[:, 0] <= p) & (p <= bounds[:, 1])
        exact.append(stats.binom.pmf(np.arange(n + 1), n, p) @ contains)
        simulated.append(contains[rng.binomial(n, p, 5_000)].mean())
        variance.append(exact[-1] * (1 - exact[-1]) / 5_000)
    assert abs(np.mean(simulated) - np.mean(exact)) < 3 * np.sqrt(np.sum(variance)) / 20
    assert np.mean(exact) == pytest.approx(0.95, abs=0.01)


def test_an_error_rate_counts_the_errors():
    assert ErrorRate.of(np.array([True, False, True, False, False])) == ErrorRate(2, 5)
    with pytest.raises(InputError, match="n=0"):
        ErrorRate.of(np.zeros(0, bool))


def test_verdicts():
    assert verdict(ErrorRate(100, 10_000), 0.02) == "within"  # 0.8 % .. 1.2 %
    assert verdict(ErrorRate(300, 10_000), 0.02) == "exceeded"
    assert verdict(ErrorRate(200, 10_000), 0.02) == "undecided"
    assert verdict(ErrorRate(0, 10), 0.02) == "undecided"  # ten correct answers are too few
    assert EXIT_STATUS == {"within": 0, "exceeded": 3, "undecided": 4}


def test_too_little_coverage_is_never_within():
    rate = ErrorRate(0, 10_000)
    assert verdict(rate, 0.02, coverage=0.77, real_coverage=0.96) == "within"
    assert verdict(rate, 0.02, coverage=0.76, real_coverage=0.96) == "undecided"
    assert verdict(rate, 0.02, coverage=float("nan"), real_coverage=0.96) == "undecided"


@given(wrong=st.integers(0, 50), tolerance=st.floats(0.001, 0.5))
@example(wrong=1, tolerance=0.0010000000000000002)
def test_samples_needed_decide_and_fewer_do_not(wrong, tolerance):
    rate = ErrorRate(wrong, 1_000)
    n = samples_needed(rate, tolerance)
    if n is None:
        assert abs(rate.value - tolerance) < 1e-4
        return

    def decides(n):
        lower, upper = wilson_bounds(rate.value, n, np.sqrt)
        return lower > tolerance * (1 - 1e-9) or upper < tolerance * (1 + 1e-9)

    assert decides(n)
    assert decides(2 * n)
    assert n < 3 or not decides(0.99 * n - 1)


def test_samples_needed_at_the_tolerance_itself_is_none():
    assert samples_needed(ErrorRate(20, 1_000), 0.02) is None
    assert samples_needed(ErrorRate(0, 10), 0.02) == 189  # z^2/(n + z^2) <= 0.02


@pytest.mark.parametrize(("wrong", "n"), [(-1, 5), (6, 5), (0, 0), (1.5, 5)])
def test_rejects_bad_counts(wrong, n):
    with pytest.raises(InputError, match="whole number"):
        ErrorRate(wrong, n)


def test_rejects_a_bad_tolerance():
    with pytest.raises(InputError, match="`tolerance`"):
        verdict(ErrorRate(0, 5), 1.1)


@pytest.mark.parametrize(("n", "lowest"), [(500, 0.0077), (10_000, 0.00039), (100_000, 3.9e-05), (1, 0.8)])
def test_the_lowest_tolerance_is_the_upper_bound_rounded_up(n, lowest):
    assert lowest_tolerance(n) == lowest
    assert float(f"{lowest:g}") == lowest


@given(n=st.integers(1, 10**8), confidence=st.floats(0.5, 0.999))
def test_the_lowest_tolerance_can_be_confirmed(n, confidence):
    lowest = lowest_tolerance(n, confidence)
    assert 0 < lowest <= 1
    assert fewest_outcomes(float(f"{lowest:g}"), confidence) <= n
    assert wilson_interval(0, n, confidence)[1] > 0.9 * lowest
