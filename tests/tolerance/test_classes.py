"""Tests of the worst class: by hand, by sums over all outcomes, and by simulation."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from gan.errors import InputError, as_json, convert
from gan.tolerance import (
    WorstClass,
    WrongRange,
    clopper_pearson,
    confidence_sequence,
    worst_class,
    worst_class_so_far,
)


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


CLASSES, EACH, RATE = 100, 200, 0.02
OUTSIDE = (0.0223, 0.8697)
"""How often the rate of 100 equal classes of 200 outcomes is below the lower bound, with and without Bonferroni."""


def test_the_worst_of_many_classes_needs_a_correction_of_its_lower_bound():
    """All classes have the same rate. The lower bound is wrong if that of any class is."""
    wrong = np.arange(EACH + 1)
    chance = stats.binom.pmf(wrong, EACH, RATE)
    found = []
    for confidence in (1 - 0.05 / CLASSES, 0.95):
        lower = np.array([clopper_pearson(count, EACH, confidence)[0] for count in wrong])
        found.append(1 - (1 - chance @ (lower > RATE)) ** CLASSES)
    assert found == pytest.approx(OUTSIDE, abs=5e-4)
    assert found[0] <= 0.025


def simulate(repetitions):
    """Returns how often the rate of all classes is below the lower bound, and above the upper one."""
    drawn = np.random.default_rng(0).binomial(EACH, RATE, size=(repetitions, CLASSES)).tolist()
    worst = [worst_class(wrong, [EACH] * CLASSES) for wrong in drawn]
    return np.mean([(one.lower > RATE, one.upper < RATE) for one in worst], axis=0)


def test_a_few_simulated_bounds_of_many_classes_hold():
    assert (simulate(40) <= (0.15, 0)).all()


@pytest.mark.slow
def test_simulated_bounds_of_many_classes_hold_as_often_as_computed():
    lower, upper = simulate(2_000)
    assert lower == pytest.approx(OUTSIDE[0], abs=3 * np.sqrt(0.025 * 0.975 / 2_000))
    assert upper == 0


def test_at_every_look_the_bounds_are_those_of_the_sequences_of_all_classes():
    called = [WrongRange(2, 2, 1_000), WrongRange(0, 40, 1_000), WrongRange(9, 12, 500)]
    worst = worst_class_so_far(called)
    assert (worst.label, worst.wrong, worst.n, worst.classes, worst.empty) == (2, 9, 497, 3, 0)
    assert worst.lower == max(confidence_sequence(one.least, one.n, 1 - 0.025 / 3)[0] for one in called)
    assert worst.upper == confidence_sequence(40, 1_000, 0.975)[1] > confidence_sequence(12, 500, 0.975)[1]
    assert convert(as_json(worst), WorstClass, "report") == worst


def test_at_every_look_a_class_without_outcomes_may_always_be_wrong():
    called = [WrongRange(0, 0, 0), WrongRange(1, 1, 500), WrongRange(0, 3, 3)]
    worst = worst_class_so_far(called)
    assert (worst.label, worst.upper, worst.classes, worst.empty) == (1, 1.0, 2, 1)
    assert worst.lower == confidence_sequence(1, 500, 1 - 0.025 / 3)[0]
    assert worst_class_so_far(called[::2]) is worst_class_so_far([]) is None
    with pytest.raises(InputError, match="confidence"):
        worst_class_so_far(called, 1.0)


@pytest.mark.parametrize("repetitions", [40, pytest.param(1_000, marks=pytest.mark.slow)])
def test_at_every_look_the_bounds_hold_together(repetitions):
    """The highest rate is ever outside in at most 5 % of the simulations, with a margin of four standard errors."""
    rng, rates = np.random.default_rng(4), np.array([0.02, 0.1, 0.1, 0.01])
    looks = np.unique(np.geomspace(1, 400, 12).astype(int))
    outside = 0
    for _ in range(repetitions):
        labels = rng.integers(len(rates), size=looks[-1])
        wrong = rng.random(looks[-1]) < rates[labels]
        for look in looks:
            n = np.bincount(labels[:look], minlength=len(rates))
            of_class = np.bincount(labels[:look][wrong[:look]], minlength=len(rates))
            worst = worst_class_so_far([WrongRange.known(*map(int, one)) for one in zip(of_class, n, strict=True)])
            if not worst.lower <= rates.max() <= worst.upper:
                outside += 1
                break
    assert outside <= 0.05 * repetitions + 4 * np.sqrt(0.05 * 0.95 * repetitions)
