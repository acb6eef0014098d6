"""Bounds of an error rate that hold at every number of outcomes together, so that each look is free."""

import math
from collections.abc import Callable

from gan.errors import check, check_positive, check_share, check_whole
from gan.tolerance.error_rate import CONFIDENCE, IN_REACH, check_confidence, verdict_of_bounds

PRIOR = (0.5, 20.0)
"""Parameters of the beta distribution that `confidence_sequence` mixes over: narrowest for rates of a few percent."""

BISECTIONS = 60
"""Halvings of an interval of rates: from 1 to 1e-18."""


def confidence_sequence(
    wrong: float, n: int, confidence: float = CONFIDENCE, *, prior: tuple[float, float] = PRIOR
) -> tuple[float, float]:
    """Returns bounds of an error rate that hold for all numbers of outcomes n = 1, 2, ... together.

    However often one looks, and whenever one stops, the true rate is outside one of the intervals with probability at
    most 1 - confidence. This needs outcomes of *one* rate in the order in which they were drawn: start again when the
    generator changes. An interval for one look at a planned n is narrower (`wilson_interval`).

    The bounds are the rates p at which the likelihood ratio of a beta mixture reaches 1 / (1 - confidence):

        B(a + wrong, b + n - wrong) / B(a, b) / (p^wrong (1 - p)^(n - wrong)), with (a, b) = prior.

    For the true p it is a martingale of mean 1, so it ever reaches 1 / (1 - confidence) with at most that probability
    (Ville). Robbins 1970, doi:10.1214/aoms/1177696786; Howard and others 2021, arXiv:1810.08240.

    >>> [round(bound, 4) for bound in confidence_sequence(3, 1_000)]
    [0.0003, 0.0118]

    Args:
        wrong: number of wrong outcomes, from 0 to n. A fraction is an expected number.
        n: number of outcomes; 0 gives (0, 1).
        confidence: between 0 and 1.
        prior: parameters of the beta distribution, > 0. Fix them before the first outcome.
    """
    check_whole("n", n, 0)
    check(0 <= wrong <= n, "wrong", f"a number from 0 to {n}", wrong)
    check_confidence(confidence)
    for parameter in prior:
        check_positive("prior", parameter)
    if n == 0:
        return 0.0, 1.0
    a, b = prior
    mixture = _log_beta(a + wrong, b + n - wrong) - _log_beta(a, b) + math.log(1 - confidence)

    def is_rejected(p: float) -> bool:
        return mixture > wrong * math.log(p) + (n - wrong) * math.log1p(-p)

    rate = wrong / n
    lower = 0.0 if wrong == 0 else _edge(is_rejected, outside=0.0, inside=rate)
    upper = 1.0 if wrong == n else _edge(is_rejected, outside=1.0, inside=rate)
    return lower, upper


def _edge(is_rejected: Callable[[float], bool], *, outside: float, inside: float) -> float:
    """Returns the rejected rate next to the rates that are not: `inside` is none, and `outside` is 0 or 1."""
    for _ in range(BISECTIONS):
        middle = (outside + inside) / 2
        if middle in (outside, inside):
            break
        if is_rejected(middle):
            outside = middle
        else:
            inside = middle
    return outside


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def outcomes_needed(wrong: float, n: int, tolerance: float, confidence: float = CONFIDENCE) -> int | None:
    """Returns how many more outcomes decide by `confidence_sequence`, if the observed rate continues.

    The observed rate is wrong / n; without outcomes, none is expected to be wrong. Returns 0 if the bounds decide
    already, and None if no total below `IN_REACH` is enough, as for a rate equal to the tolerance.

    >>> outcomes_needed(0, 100, 0.02)
    109
    """
    check_share("tolerance", tolerance)
    if verdict_of_bounds(confidence_sequence(wrong, n, confidence), tolerance) != "undecided":
        return 0
    rate = wrong / n if n else 0.0
    if rate == tolerance:
        return None

    def decides(total: int) -> bool:
        bounds = confidence_sequence(min(total, rate * total), total, confidence)
        return verdict_of_bounds(bounds, tolerance) != "undecided"

    # The logarithm of the likelihood ratio at the tolerance is convex in the number of outcomes, and 0 for none. So
    # once it rejects the tolerance, it does so for every larger number.
    fewer, enough = n, max(1, 2 * n)
    while not decides(enough):
        if enough >= IN_REACH:
            return None
        fewer, enough = enough, min(2 * enough, IN_REACH)
    while enough - fewer > 1:
        middle = (fewer + enough) // 2
        fewer, enough = (fewer, middle) if decides(middle) else (middle, enough)
    return enough - n
