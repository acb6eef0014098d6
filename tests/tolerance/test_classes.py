"""Tests of the worst class: by hand, by sums over all outcomes, and by simulation."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from gan.errors import InputError, as_json, convert
from gan.tolerance import WorstClass, clopper_pearson, worst_class


def test_the_highest_rate_with_the_bounds_of_all_classes():
    worst = worst_class([2, 0, 12, 9], [1_000, 1_000, 1_000, 500])
    assert (worst.label, worst.wrong, worst.n, worst.rate, worst.classes) == (3, 9, 500, 0.018, 4)
    assert worst.upper == clopper_pearson(9, 500)[1]
    assert worst.lower == clopper_pearson(9, 500, 1 - 0.05 / 4)[0]


def test_the_upper_bound_may_be_that_of_a_class_with_few_outcomes():
    worst = worst_class([12, 0], [1_000, 20])
    assert (worst.label, worst.upper) == (0, clopper_pearson(0, 20)[1])
    assert worst.lower == clopper_pearson(12, 1_000, 0.975)[0]


@pytest.mark.parametrize(
    ("wrong", "n", "label"),
    [([1, 2, 1], [10, 20, 10], 1), ([0, 0], [5, 5], 0), ([0, 0, 0], [5, 9, 9], 1), ([0, 1, 0], [0, 5, 0], 1)],
)
def test_of_equal_rates_the_one_with_most_outcomes_and_then_the_first(wrong, n, label):
    assert worst_class(wrong, n).label == label


def test_classes_without_outcomes_are_left_out_and_counted():
    worst = worst_class([0, 3, 0], [0, 10, 10])
    assert (worst.classes, worst.empty) == (2, 1)
    assert worst == worst_class([9, 3, 0, 0][1:], [10, 10, 0]) or worst.label == 1
    assert worst.upper == clopper_pearson(3, 10)[1]
    assert worst_class([], []) is worst_class([0, 0], [0, 0]) is None


def test_one_class_has_the_interval_of_clopper_and_pearson():
    worst = worst_class([3], [100], 0.9)
    assert (worst.lower, worst.upper) == clopper_pearson(3, 100, 0.9)
    assert convert(as_json(worst), WorstClass, "report.json") == worst


@pytest.mark.parametrize("bad", [([1], [1, 2]), ([3], [2]), ([-1], [2]), ([1], [-1])])
def test_rejects_impossible_counts(bad):
    with pytest.raises(InputError):
        worst_class(*bad)


N = (12, 25, 6)


def test_bounds_of_all_classes_hold_at_once_for_each_choice_of_rates():
    outcomes = list(product(*(range(n + 1) for n in N)))
    worst = [worst_class(wrong, N) for wrong in outcomes]
    lower, upper = np.array([(one.lower, one.upper) for one in worst]).T
    for rates in product((0.0, 0.02, 0.1, 0.3, 0.7), repeat=3):
        chance = stats.binom.pmf(np.array(outcomes), N, rates).prod(axis=1)
        assert chance @ (lower > max(rates)) <= 0.025
        assert chance @ (upper < max(rates)) <= 0.025


MISSED = 0.0
"""Of 2,000 simulated sets of 100 classes, how many have a highest rate outside the bounds. See docs/evaluation.md."""


def simulate(classes, repetitions):
    """Returns how often the highest rate is below the lower bound, above the upper one, and below the lower bound of
    the class with the highest observed rate without a correction for the choice."""
    rng, n = np.random.default_rng(0), 200
    outside = np.zeros(3)
    for _ in range(repetitions):
        rates = np.full(classes, 0.02)
        wrong = rng.binomial(n, rates)
        worst = worst_class(wrong.tolist(), [n] * classes)
        alone = clopper_pearson(worst.wrong, n)[0]
        outside += [worst.lower > 0.02, worst.upper < 0.02, alone > 0.02]
    return outside / repetitions


def test_the_worst_of_many_classes_needs_a_correction():
    found = simulate(100, 40)
    assert found[0] <= 0.1
    assert found[1] == 0
    assert found[2] > 0.5


@pytest.mark.slow
def test_the_worst_of_a_hundred_classes_is_rarely_outside():
    found = simulate(100, 2_000)
    assert found[0] + found[1] == pytest.approx(MISSED, abs=1e-9)
    assert found[0] <= 0.025
