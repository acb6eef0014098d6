"""Tests of the stratified bounds: by their parts, by sums over all outcomes, and by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gan.errors import InputError
from gan.tolerance import StratifiedCounts, WrongRange, clopper_pearson, hypergeometric_bounds, plan_unflagged

NUM = 10_000


def counts(num, flagged, flagged_wrong, judged, wrong):
    """Returns counts without open judgements."""
    known = WrongRange.known(flagged_wrong, flagged), WrongRange.known(wrong, judged)
    return StratifiedCounts(num=num, flagged=known[0], unflagged=known[1])


def test_bounds_are_their_parts():
    found = counts(NUM, 60, 41, 500, 1)
    assert found.rate == pytest.approx((41 + 9_940 / 500) / NUM)
    least, most = hypergeometric_bounds(1, 500, 9_940)
    assert found.bounds_of_pictures() == ((41 + least) / NUM, (41 + most) / NUM)
    upper = stats.beta.isf(0.0125, 42, NUM - 41) + stats.beta.isf(0.0125, 2, 499)
    least = hypergeometric_bounds(1, 500, 9_940, 0.975)[0]
    lower = stats.beta.ppf(0.0125, 41 + least, NUM - 41 - least + 1)
    assert found.bounds() == pytest.approx((lower, upper), abs=1e-12)
    assert found.bounds(0.8)[1] < upper


def test_all_pictures_judged_are_known_exactly():
    found = counts(100, 10, 7, 90, 2)
    assert found.bounds_of_pictures() == (0.09, 0.09)
    assert found.bounds()[0] < found.rate == 0.09 < found.bounds()[1]


def test_without_other_pictures_nothing_bounds_the_rate_from_above():
    found = counts(100, 10, 7, 0, 0)
    assert found.rate is None
    assert found.bounds()[1] == 1
    assert found.bounds_of_pictures() == (0.07, 0.97)
    all_flagged = counts(100, 100, 7, 0, 0)
    assert all_flagged.rate == 0.07
    assert all_flagged.bounds()[1] == 1
    assert all_flagged.bounds_of_pictures() == (0.07, 0.07)


@given(data=st.data())
@settings(max_examples=30)
def test_open_judgements_contain_the_bounds_of_every_answer(data):
    """So the bounds before the end of a plan contain those at its end."""

    def drawn(n):
        least = data.draw(st.integers(0, n))
        most = data.draw(st.integers(least, n))
        return WrongRange(least, most, n), WrongRange.known(data.draw(st.integers(least, most)), n)

    num = data.draw(st.integers(1, 200))
    flagged = data.draw(st.integers(0, num))
    (flagged_open, flagged_known), (other_open, other_known) = (
        drawn(flagged),
        drawn(data.draw(st.integers(0, num - flagged))),
    )
    open_ = StratifiedCounts(num=num, flagged=flagged_open, unflagged=other_open)
    known = StratifiedCounts(num=num, flagged=flagged_known, unflagged=other_known)
    for method in ("bounds", "bounds_of_pictures"):
        (lower, upper), (least, most) = getattr(known, method)(), getattr(open_, method)()
        assert 0 <= least <= lower <= upper <= most <= 1
    assert known.rate is None or lower - 1e-12 <= known.rate <= upper + 1e-12  # of the pictures


def test_rejects_impossible_counts():
    for bad in ((0, 0, 0, 0, 0), (10, 11, 0, 0, 0), (10, 5, 0, 6, 0)):
        with pytest.raises(InputError):
            counts(*bad)


QUALITIES = [(0.0, 0.0), (0.5, 0.02), (0.9, 0.3), (1.0, 0.0), (0.2, 0.9)]
"""Share of wrong pictures that the classifier flags, and share of right ones."""


def misses(num, judged):
    """Returns for each rate and quality the exact probabilities that the lower and the upper bound are wrong."""
    outcomes = [
        (w, r, x) for w in range(num + 1) for r in range(num + 1 - w) for x in range(min(judged, num - w - r) + 1)
    ]
    wrong, right, x = np.array(outcomes).T
    n = np.minimum(judged, num - wrong - right)
    bounds = np.array([counts(num, w + r, w, min(judged, num - w - r), k).bounds() for w, r, k in outcomes])
    for rate in (0.01, 0.1, 0.2, 0.35, 0.6):
        for sensitivity, false_alarms in QUALITIES:
            f, g = rate * sensitivity, (1 - rate) * false_alarms
            u = rate * (1 - sensitivity) / (1 - f - g) if f + g < 1 else 0.0
            flags = stats.multinomial.pmf(np.stack([wrong, right, num - wrong - right], axis=1), num, [f, g, 1 - f - g])
            chance = flags * stats.binom.pmf(x, n, u)
            assert chance.sum() == pytest.approx(1)
            yield chance @ (rate < bounds[:, 0]), chance @ (rate > bounds[:, 1])


def test_bounds_of_the_generator_cover_it_for_each_rate_and_classifier():
    assert np.max(list(misses(12, 5))) <= 0.025


@pytest.mark.slow
def test_bounds_of_the_generator_cover_it_for_more_pictures():
    assert np.max(list(misses(36, 12))) <= 0.025


def simulate(rate, sensitivity, false_alarms, judged, repetitions):
    """Returns how often the generator's rate, and that of the pictures, are outside their bounds."""
    rng = np.random.default_rng(0)
    f, g = rate * sensitivity, (1 - rate) * false_alarms
    drawn = rng.multinomial(NUM, [f, g, rate - f, 1 - rate - g], size=repetitions)
    outside = np.zeros(4)
    for wrong, right, missed, others in drawn.tolist():
        found = counts(NUM, wrong + right, wrong, judged, int(rng.hypergeometric(missed, others, judged)))
        (lower, upper), (least, most) = found.bounds(), found.bounds_of_pictures()
        pictures = (wrong + missed) / NUM
        outside += [rate < lower, rate > upper, pictures < least, pictures > most]
    return outside / repetitions


OUTSIDE = {(0.004, 0.8, 0.005): 0.0005, (0.02, 0.5, 0.02): 0.002, (0.02, 0.0, 0.0): 0.009}
"""(rate, share of wrong and of right pictures that are flagged) -> how often the rate is outside the bounds,
of 2,000 simulations in which 300 unflagged pictures of 10,000 are judged. See docs/evaluation.md."""


@pytest.mark.parametrize("case", OUTSIDE)
def test_a_few_simulated_bounds_cover_the_rate(case):
    assert (simulate(*case, 300, 60) <= 0.1).all()


@pytest.mark.slow
@pytest.mark.parametrize("case", OUTSIDE)
def test_simulated_bounds_cover_the_rate(case):
    found = simulate(*case, 300, 2_000)
    assert found[0] + found[1] == pytest.approx(OUTSIDE[case], abs=1e-9)
    assert (found <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / 2_000)).all()


@given(flagged=st.integers(0, 400), tolerance=st.floats(0.001, 0.2), share=st.floats(0, 1), others=st.integers(0, 3))
@settings(max_examples=30)
def test_the_plan_is_the_smallest_number_whose_bound_is_within_the_tolerance(flagged, tolerance, share, others):
    n = plan_unflagged(NUM, flagged, tolerance, flagged_wrong=share, unflagged_wrong=others)
    wrong = math.ceil(share * flagged)

    def upper(judged):
        return counts(NUM, flagged, wrong, judged, min(others, judged)).bounds()[1]

    if n is None:
        assert upper(NUM - flagged) > tolerance
    else:
        assert upper(n) <= tolerance
        assert upper(n - 1) > tolerance


def test_known_plans():
    assert plan_unflagged(NUM, 60, 0.02) == 528
    assert (
        plan_unflagged(NUM, 60, 0.02, unflagged_wrong=0) == 363 < plan_unflagged(NUM, 60, 0.02, 0.99, unflagged_wrong=0)
    )
    assert plan_unflagged(NUM, 300, 0.02) is None  # the flagged ones alone exceed it
    assert plan_unflagged(NUM, 300, 0.02, flagged_wrong=0.2) is not None
    assert plan_unflagged(100, 0, 0.02) is None  # too few pictures
    assert plan_unflagged(NUM, 60, 1.0) == 0
    assert plan_unflagged(NUM, 60, 0.0) is None
    for bad in ((0, 0, 0.1), (10, 11, 0.1), (10, 1, 1.5), (10, 1, 0.1, 1.0)):
        with pytest.raises(InputError):
            plan_unflagged(*bad)


def test_a_good_classifier_raises_the_lower_bound_to_that_of_ten_times_as_many_judgements():
    """690 judgements; at random, 0.8 % of them would be wrong."""
    found, rate = counts(NUM, 90, 79, 600, 0), 0.008
    assert found.bounds()[0] > clopper_pearson(round(6_900 * rate), 6_900)[0]
    assert found.bounds()[1] == pytest.approx(clopper_pearson(round(690 * rate), 690)[1], abs=2e-3)
    assert found.bounds_of_pictures()[1] < clopper_pearson(round(2 * 690 * rate), 2 * 690)[1]
