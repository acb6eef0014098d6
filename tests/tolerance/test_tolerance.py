"""Tests of error rates, confidence intervals and verdicts."""

import json
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from gan.errors import InputError, as_json, convert
from gan.tolerance import (
    EXIT_STATUS,
    Confirmation,
    ErrorRate,
    confirmation_size,
    errs_above,
    fewest_outcomes,
    lowest_tolerance,
    most_wrong,
    next_confidence,
    samples_needed,
    verdict,
    wilson_bounds,
    wilson_interval,
)

SHARES = st.floats(0, 1)
TOLERANCES = st.floats(1e-4, 1)
CONFIDENCES = st.floats(0.5, 0.9999)


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


# --- intervals of another confidence


@given(n=st.integers(1, 10**5), share=SHARES, confidence=CONFIDENCES)
def test_a_higher_confidence_gives_a_wider_interval(n, share, confidence):
    rate = ErrorRate(round(share * n), n)
    assert rate.interval_at(confidence) == wilson_interval(rate.wrong, n, confidence)
    lower, upper = rate.interval_at(confidence)
    wider_lower, wider_upper = rate.interval_at((1 + confidence) / 2)
    assert wider_lower <= lower <= rate.value <= upper <= wider_upper
    assert rate.interval == rate.interval_at(0.95)


def test_a_verdict_depends_on_the_confidence():
    """155 of 10,000 are 1.31 to 1.81 % with a confidence of 95 %, and up to 1.98 % with 99.9 %."""
    assert [verdict(ErrorRate(155, 10_000), 0.0185, confidence=level) for level in (0.95, 0.999)] == [
        "within",
        "undecided",
    ]
    assert [verdict(ErrorRate(155, 10_000), 0.0125, confidence=level) for level in (0.95, 0.999)] == [
        "exceeded",
        "undecided",
    ]
    assert verdict(ErrorRate(155, 10_000), 0.0185) == verdict(ErrorRate(155, 10_000), 0.0185, confidence=0.95)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -0.5, math.nan])
def test_rejects_a_confidence_that_is_not_between_0_and_1(confidence):
    for function in (ErrorRate(1, 5).interval_at, lambda level: verdict(ErrorRate(1, 5), 0.1, confidence=level)):
        with pytest.raises(InputError, match=f"Bad `confidence`.*{confidence}"):
            function(confidence)
    with pytest.raises(InputError, match="Bad `confidence`"):
        fewest_outcomes(0.1, confidence)


# --- the error that each confirmation of a run may make


def confirmed(confidence, *, is_last=False, wrong=0, num=1_000, result="undecided"):
    return Confirmation(
        attempt=1, interval=1, wrong=wrong, num=num, confidence=confidence, verdict=result, is_last=is_last
    )


def confidences(are_last):
    """Returns the confidences of the confirmations of a run, of which some end it until it is made longer."""
    done = []
    for is_last in are_last:
        done.append(confirmed(next_confidence(done, is_last=is_last), is_last=is_last))
    return [one.confidence for one in done]


def test_each_confirmation_halves_the_error_that_is_left():
    np.testing.assert_allclose(confidences([False] * 5), [0.95, 0.975, 0.9875, 0.99375, 0.996875], rtol=1e-12)
    errors = [(1 - one) / 2 for one in confidences([False] * 40)]
    assert sum(errors) == pytest.approx(0.05, abs=1e-10)


def test_the_last_confirmation_uses_four_fifths_of_the_error_that_is_left():
    assert confidences([True]) == [0.95]  # the usual interval, though 8 % would be left
    np.testing.assert_allclose(confidences([False, True]), [0.95, 0.96])
    np.testing.assert_allclose(confidences([False, False, True]), [0.95, 0.975, 0.98])
    np.testing.assert_allclose(confidences([False, True, False, True]), [0.95, 0.96, 0.995, 0.996])


@given(st.lists(st.booleans(), max_size=150))
@example([False] * 150)
@example([True] * 150)
def test_the_errors_of_all_confirmations_of_a_run_sum_to_at_most_5_percent(are_last):
    found = confidences(are_last)
    assert sum((1 - one) / 2 for one in found) <= 0.05 + 1e-9
    assert all(0.95 <= one < 1 for one in found)
    for confidence in found[-1:]:
        lower, upper = wilson_interval(10, 1_000, confidence)  # however many there were, there is an interval
        assert 0 < lower < 0.01 < upper < 0.1


def test_a_run_that_is_made_longer_again_and_again_still_gets_some_error():
    """Even the fifth length of a run, with three refusals before each end, has a last one of practical size."""
    errors = [(1 - one) / 2 for one in confidences(([False] * 3 + [True]) * 5)]
    np.testing.assert_allclose(errors[3::4], [0.005 / 40**k for k in range(5)], rtol=1e-4)
    assert confirmation_size(0.006, 0.01, 1 - 2 * errors[3], 0.9) == 7_889
    assert confirmation_size(0.006, 0.01, 1 - 2 * errors[-1], 0.9) == 29_313


def test_a_confirmation_survives_json():
    before = Confirmation(
        attempt=2,
        interval=7,
        value=0.0175,
        wrong=12,
        num=1_000,
        confidence=0.975,
        verdict="undecided",
        unmet=("coverage of test images 0.50, needed 0.77",),
        seconds=1.25,
        is_last=True,
    )
    assert convert(json.loads(json.dumps(as_json(before), allow_nan=False)), Confirmation, "a state") == before
    assert before.rate == ErrorRate(12, 1_000)
    assert before.bounds == wilson_interval(12, 1_000, 0.975)


@pytest.mark.parametrize(
    ("options", "name"),
    [({"wrong": 1_001}, "wrong"), ({"confidence": 0.0}, "confidence"), ({"confidence": 1.0}, "con")],
)
def test_rejects_a_confirmation_without_an_interval(options, name):
    with pytest.raises(InputError, match=f"Bad `{name}"):
        confirmed(**{"confidence": 0.95, **options})


# --- the number of wrong outcomes that is within a tolerance


@given(n=st.integers(1, 300), tolerance=SHARES, confidence=CONFIDENCES)
def test_most_wrong_equals_a_search_through_all_counts(n, tolerance, confidence):
    within = [wrong for wrong in range(n + 1) if wilson_interval(wrong, n, confidence)[1] <= tolerance]
    assert most_wrong(n, tolerance, confidence) == max(within, default=-1)
    assert within == list(range(len(within)))


def test_most_wrong_of_hand_written_cases():
    assert most_wrong(100, 0.02) == -1  # the upper bound of 0 of 100 is 3.7 %
    assert most_wrong(189, 0.02) == 0
    assert most_wrong(10, 1.0) == 10
    assert most_wrong(10, 0.0) == -1
    assert most_wrong(10_000, 0.02) == 172  # 200 - 1.96 sqrt(10,000 * .02 * .98) = 172.6
    assert [verdict(ErrorRate(wrong, 10_000), 0.02) for wrong in (172, 173)] == ["within", "undecided"]


@given(n=st.integers(1, 10**5), tolerance=TOLERANCES, confidence=CONFIDENCES)
def test_most_wrong_grows_with_size_and_tolerance_and_falls_with_the_confidence(n, tolerance, confidence):
    wrong = most_wrong(n, tolerance, confidence)
    assert wrong <= most_wrong(n + 1, tolerance, confidence)
    assert wrong <= most_wrong(n, min(1.0, 1.1 * tolerance), confidence)
    assert wrong >= most_wrong(n, tolerance, (1 + confidence) / 2)


@given(n=st.integers(1, 10**5), tolerance=SHARES, confidence=CONFIDENCES, share=SHARES, more=st.integers(1, 50))
def test_a_confirmation_that_ends_after_too_many_errors_is_never_within(n, tolerance, confidence, share, more):
    """It may end as soon as more than `most_wrong` of the planned outcomes are wrong."""
    wrong = most_wrong(n, tolerance, confidence) + more
    total = max(wrong, 1, round(share * n))
    if wrong <= n:
        assert verdict(ErrorRate(wrong, total), tolerance, confidence=confidence) != "within"


@given(tolerance=TOLERANCES, confidence=CONFIDENCES)
def test_fewest_outcomes_is_the_smallest_size_that_can_be_within(tolerance, confidence):
    n = fewest_outcomes(tolerance, confidence)
    z = stats.norm.ppf(0.5 + confidence / 2)
    assert n == pytest.approx(max(1, z * z * (1 - tolerance) / tolerance), abs=1 + 1e-6)
    assert wilson_interval(0, n, confidence)[1] <= tolerance * (1 + 1e-12)
    assert n == 1 or wilson_interval(0, n - 1, confidence)[1] > tolerance * (1 - 1e-12)


def test_fewest_outcomes_of_hand_written_cases():
    assert fewest_outcomes(0.02) == 189  # z^2 = 3.84
    assert fewest_outcomes(0.006) == 637
    assert fewest_outcomes(0.001) == 3_838
    assert fewest_outcomes(1.0) == 1
    assert fewest_outcomes(0.0) is None
    assert fewest_outcomes(1e-9) is None
    assert fewest_outcomes(1e-8) == 384_145_879


# --- the size of a confirmation


@given(
    share=st.floats(0, 0.98),
    tolerance=st.floats(0.001, 1),
    confidence=st.floats(0.8, 0.9999),
    power=st.floats(0.05, 0.99),
)
def test_the_size_of_a_confirmation_equals_its_closed_form(share, tolerance, confidence, power):
    """Sample size of a one-sided z-test of one proportion with the variance of each hypothesis (Fleiss)."""
    expected = share * tolerance
    z, b = stats.norm.ppf([0.5 + confidence / 2, power])
    spread = z * math.sqrt(tolerance * (1 - tolerance)) + b * math.sqrt(expected * (1 - expected))
    n = max((max(spread, 0.0) / (tolerance - expected)) ** 2, fewest_outcomes(tolerance, confidence))
    assert confirmation_size(expected, tolerance, confidence, power) == pytest.approx(n, abs=1 + 1e-6, rel=1e-9)


def test_sizes_of_hand_written_cases():
    assert confirmation_size(0.012, 0.02, 0.95, 0.5) == 1_177  # (1.96^2 .02 .98) / .008^2
    assert confirmation_size(0.012, 0.02, 0.95, 0.8) == 2_094
    assert confirmation_size(0.012, 0.02, 0.975, 0.8) == 2_569
    for power in (0.5, 0.9):
        assert confirmation_size(0.0, 0.02, 0.95, power) == fewest_outcomes(0.02)
    assert confirmation_size(0.5, 1.0, 0.95, 0.5) == 1


@pytest.mark.parametrize(
    ("expected", "tolerance"), [(0.02, 0.02), (0.03, 0.02), (0.0, 0.0), (0.0, 1e-10), (0.0199999, 0.02), (1.0, 1.0)]
)
def test_no_size_is_large_enough_at_or_near_the_tolerance(expected, tolerance):
    assert confirmation_size(expected, tolerance, 0.95, 0.8) is None


@pytest.mark.parametrize("tolerance", [0.001, 0.006, 0.02, 0.1])
@pytest.mark.parametrize("confidence", [0.95, 0.975, 0.999])
@pytest.mark.parametrize("power", [0.8, 0.95])
def test_the_exact_power_of_a_size_is_about_the_power_that_was_asked_for(tolerance, confidence, power):
    for share in (0.3, 0.6, 0.8):
        n = confirmation_size(share * tolerance, tolerance, confidence, power)
        exact = stats.binom.cdf(most_wrong(n, tolerance, confidence), n, share * tolerance)
        assert exact == pytest.approx(power, abs=0.06), (share, n)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"expected": -0.1}, "expected"),
        ({"expected": math.nan}, "expected"),
        ({"tolerance": 1.1}, "tolerance"),
        ({"confidence": 1.0}, "confidence"),
        ({"power": 0.0}, "power"),
        ({"power": 1.0}, "power"),
        ({"power": math.nan}, "power"),
    ],
)
def test_rejects_bad_arguments_of_a_size(options, name):
    with pytest.raises(InputError, match=f"Bad `{name}`"):
        confirmation_size(**{"expected": 0.01, "tolerance": 0.02, "confidence": 0.95, "power": 0.8, **options})


# --- how often a model with exactly the tolerance as its error rate is found within it: exact sums, no simulation


def largest_factor(tolerance, confidence, *, least=200, most=10**6):
    """Returns the largest exact probability of a false `within` as a multiple of (1 - confidence) / 2, and its size.

    With a given number of wrong outcomes, the probability falls with the size. So only the smallest size counts that is
    within the tolerance with that number: (T n - wrong)^2 = z^2 T (1 - T) n.
    """
    spread = stats.norm.ppf(0.5 + confidence / 2) * math.sqrt(tolerance * (1 - tolerance))
    wrong = np.arange(min(int(tolerance * most), 20_000))
    n = np.ceil(((spread + np.sqrt(spread**2 + 4 * tolerance * wrong)) / (2 * tolerance)) ** 2).astype(int)
    wrong, n = wrong[n >= least], n[n >= least]
    for i in range(0, len(n), len(n) // 20):
        sizes = [int(n[i]) - 1, int(n[i])]
        assert [most_wrong(size, tolerance, confidence) for size in sizes] == [wrong[i] - 1, wrong[i]]
    factors = stats.binom.cdf(wrong, n, tolerance) / ((1 - confidence) / 2)
    return factors.max(), n[factors.argmax()]


FACTORS = {
    0.001: (1.0028, 133_647),
    0.006: (1.0038, 15_100),
    0.01: (1.0048, 10_277),
    0.02: (1.0078, 3_400),
    0.05: (1.0214, 587),
    0.1: (1.0531, 204),
    0.2: (1.0751, 258),
    0.5: (1.1688, 204),
}
"""Tolerance -> largest factor of the error of the usual interval of 95 %, and the size that has it."""


@pytest.mark.parametrize("tolerance", FACTORS)
def test_a_false_within_is_about_as_rare_as_the_confidence_says(tolerance):
    """Wilson's bound is approximate: exactly, its error is (1 - confidence) / 2 times a factor. This holds from 200
    outcomes on.

    The count of wrong outcomes jumps, which makes a false `within` more frequent. The count is also skewed, which makes
    it rarer, the more the smaller the tolerance and the higher the confidence. Up to a tolerance of 2 %, the factor is
    at most 1.008, and below 1 with a confidence of 97.5 % or more. So the errors of a run sum to at most 5 %. They sum
    to 5.2 % for a tolerance of 10 %, and to 5.9 % for 50 %.
    """
    factor, size = largest_factor(tolerance, 0.95)
    assert (round(factor, 4), size) == FACTORS[tolerance]
    higher = [largest_factor(tolerance, 1 - 0.05 / 2**k)[0] for k in range(1, 8)]
    if tolerance <= 0.1:
        assert max(higher) < 1
    total = 0.025 * factor + sum(0.025 / 2**k * one for k, one in enumerate(higher, 1))
    assert total <= {0.05: 0.0503, 0.1: 0.0512, 0.2: 0.0522, 0.5: 0.0588}.get(tolerance, 0.05)


# --- the lowest tolerance of a size


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


@given(wrong=st.integers(0, 200), real=st.integers(0, 200), tolerance=TOLERANCES, confidence=CONFIDENCES)
def test_a_classifier_that_errs_above_the_tolerance_decides_nothing(wrong, real, tolerance, confidence):
    rate, of_real = ErrorRate(wrong, 200), ErrorRate(real, 200)
    found = verdict(rate, tolerance, real=of_real, confidence=confidence)
    assert errs_above(of_real, tolerance) == (verdict(of_real, tolerance) == "exceeded")
    assert found == ("undecided" if errs_above(of_real, tolerance) else verdict(rate, tolerance, confidence=confidence))


def test_the_error_of_a_classifier_must_be_shown_to_be_above_the_tolerance():
    assert errs_above(ErrorRate(500, 1_000), 0.02)  # lower bound .469
    assert verdict(ErrorRate(0, 10**6), 0.02, real=ErrorRate(500, 1_000)) == "undecided"
    assert verdict(ErrorRate(10**6, 10**6), 0.02, real=ErrorRate(500, 1_000)) == "undecided"
    assert not errs_above(ErrorRate(1, 30), 0.02)  # .033, but its interval begins at .006
    assert verdict(ErrorRate(0, 10**6), 0.02, real=ErrorRate(1, 30)) == "within"
    lower = wilson_interval(44, 10_000)[0]  # the classifier of MNIST
    assert not errs_above(ErrorRate(44, 10_000), lower)
    assert errs_above(ErrorRate(44, 10_000), lower - 1e-9)
    assert not errs_above(None, 0.0)
