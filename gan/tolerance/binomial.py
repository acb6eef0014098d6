"""The exact binomial test that an error rate is within a tolerance, and the number of samples that it needs."""

import math
from bisect import bisect_left

from gan.errors import check, check_share, check_whole
from gan.tolerance.error_rate import IN_REACH, wilson_bounds

LEVEL = 0.025
"""Probability with which `passes_test` may accept a generator that is not within the tolerance."""

POWER = 0.9
"""Probability with which a generator of the expected error rate passes its test, from the planned number on."""


def binomial_p_value(wrong: int, n: int, tolerance: float) -> float:
    """Returns P(Bin(n, tolerance) <= wrong), the p-value of the exact test that the error rate is above a tolerance.

    If the true rate is the tolerance or more, the p-value is at most a with probability at most a, for every n.
    Unlike Wilson's interval, this is exact. It is the regularized incomplete beta function I(1 - T; n - wrong,
    wrong + 1).

    >>> round(binomial_p_value(1, 3, 0.5), 3)
    0.5

    Args:
        wrong: number of wrong outcomes, from 0 to n.
        n: number of outcomes, fixed before the first one.
        tolerance: highest acceptable error rate, from 0 to 1.
    """
    check_whole("n", n, 1)
    check_whole("wrong", wrong, 0, n)
    check_share("tolerance", tolerance)
    return _at_most(wrong, n, tolerance)


def _at_most(wrong: int, n: int, rate: float) -> float:
    """Returns P(Bin(n, rate) <= wrong)."""
    from scipy.special import betaincc  # most users of this module need no SciPy

    if wrong < 0:
        return 0.0
    return 1.0 if wrong >= n else float(betaincc(wrong + 1, n - wrong, rate))


def passes_test(wrong: int, n: int, tolerance: float, *, level: float = LEVEL) -> bool:
    """Returns whether an error rate is shown to be within a tolerance: two conditions hold together.

    1. The exact test rejects a rate above the tolerance: `binomial_p_value` <= level.
    2. The upper bound of Wilson's interval with confidence 1 - 2 level is <= tolerance. For the level 0.025, it is the
       usual interval of 95 %, so that the verdict is `within`.

    The first one alone bounds the probability of a wrong pass. The second one avoids a pass that the verdict in a
    report contradicts. Coverage is no part of this.

    >>> passes_test(3, 1_000, 0.01), passes_test(4, 1_000, 0.01)
    (True, False)

    Args:
        wrong: number of wrong outcomes, from 0 to n.
        n: number of outcomes, fixed before the first one.
        tolerance: highest acceptable error rate, from 0 to 1.
        level: highest probability of a wrong pass, above 0 and below 0.5.
    """
    _check_level(level)
    return binomial_p_value(wrong, n, tolerance) <= level and _is_within(wrong, n, tolerance, level)


def _check_level(level: float) -> None:
    check(0 < level < 0.5, "level", "a number above 0 and below 0.5", level)


def _is_within(wrong: int, n: int, tolerance: float, level: float) -> bool:
    """Returns whether the upper bound of Wilson's interval with confidence 1 - 2 level is <= tolerance."""
    return tolerance == 1 or wilson_bounds(wrong / n, n, math.sqrt, 1 - 2 * level)[1] <= tolerance


def planned_samples(expected: float, tolerance: float, *, level: float = LEVEL, power: float = POWER) -> int:
    """Returns the smallest n from which on a test of an `expected` error rate always has at least the given power.

    The power at n is the probability that `passes_test` is true, with both of its conditions. It is a sawtooth in n:
    it falls while the largest passing number of wrong samples stays the same, and jumps where that number grows. For
    every n' >= n, the power is enough. Some smaller n may be enough by luck.

    >>> planned_samples(0.005, 0.01), planned_samples(0.0, 0.01)
    (3446, 381)

    With c wrong ones at most, the power is lowest at the largest n whose limit is c, just before the next jump. So one
    number a limit is looked at. Many limits together have at least the power of the smallest limit at the largest n;
    ranges of limits are halved where this bound is not enough. Above the number of `_always_enough` the power is
    enough by Chernoff's and Bernstein's inequalities, so that the search is finite and its answer exact.

    Args:
        expected: error rate of the generator, from 0 to below the tolerance.
        tolerance: highest acceptable error rate, above 0 and at most 1.
        level: highest probability of a wrong pass, above 0 and below 0.5.
        power: probability of passing, between 0 and 1.

    Raises `InputError` if `expected` is not below the tolerance, or if the search could exceed `IN_REACH` samples: for
    a tolerance near 0, or an `expected` near the tolerance.
    """
    check_share("tolerance", tolerance)
    check(tolerance > 0, "tolerance", "a number > 0; no number of samples shows that there is no error", tolerance)
    _check_level(level)
    check(0 < power < 1, "power", "a number between 0 and 1", power)
    check_share("expected", expected)
    check(expected < tolerance, "expected", f"an error rate below the tolerance {tolerance}", expected)
    last = _always_enough(expected, tolerance, level, power)
    nearest = tolerance - _spread(tolerance, level, power) / math.sqrt(IN_REACH)
    check(nearest >= 0, "tolerance", f"a higher one, which {IN_REACH} samples can show", tolerance)
    check(last <= IN_REACH, "expected", f"at most {nearest:g}, which {IN_REACH} samples can show", expected)

    def is_enough(least: int, most: int) -> bool:
        """Returns whether the power is enough at all n whose limits are `least` to `most`, by the bound."""
        largest = _first_passing(most + 1, tolerance, level) - 1
        return _at_most(least, largest, expected) >= power

    def last_failing(least: int, most: int) -> int | None:
        """Returns the highest limit from `least` to `most` with too little power at its largest n."""
        if is_enough(least, most):
            return None
        if least == most:
            return least
        middle = (least + most) // 2
        found = last_failing(middle + 1, most)
        return last_failing(least, middle) if found is None else found

    failing = last_failing(0, math.ceil(last * tolerance))
    return _first_passing(0 if failing is None else failing + 1, tolerance, level)


def _first_passing(wrong: int, tolerance: float, level: float) -> int:
    """Returns the smallest n of which `wrong` ones pass; they also pass for every larger n."""
    chernoff = math.sqrt(-2 * tolerance * math.log(level))
    enough = math.ceil(((chernoff + math.sqrt(chernoff**2 + 4 * tolerance * wrong)) / (2 * tolerance)) ** 2) + 1
    candidates = range(max(wrong + 1, math.floor(wrong / tolerance) - 1), enough + 1)  # Wilson: wrong / n < tolerance

    def passes(n: int) -> bool:
        return _is_within(wrong, n, tolerance, level) and _at_most(wrong, n, tolerance) <= level

    return candidates[bisect_left(candidates, True, key=passes)]


def _spread(tolerance: float, level: float, power: float) -> float:
    """Returns sqrt(2 T) (sqrt(log(1 / level)) + sqrt(log(1 / (1 - power)))), with T = tolerance."""
    return math.sqrt(2 * tolerance) * (math.sqrt(-math.log(level)) + math.sqrt(-math.log1p(-power)))


def _always_enough(expected: float, tolerance: float, level: float, power: float) -> float:
    """Returns a number from which on the power is always enough: (`_spread` / (tolerance - expected))^2.

    With T = tolerance, p = expected, b = sqrt(2 T log(1 / level)): k wrong ones with k <= n T - b sqrt(n) pass, since
    P(Bin(n, T) <= n T - a) <= exp(-a^2 / (2 n T)) (Chernoff), and z sqrt(T (1 - T)) <= b for Wilson's quantile z. So
    the smallest number c that does not pass is > n T - b sqrt(n). With d = n (T - p) - b sqrt(n) > 0, Bernstein's
    inequality gives P(Bin(n, p) >= n p + d) <= exp(-d^2 / (2 n p + 2 d / 3)) <= exp(-d^2 / (2 n T)). This is at most
    1 - power for the returned number, and falls with n.
    """
    return (_spread(tolerance, level, power) / (tolerance - expected)) ** 2
