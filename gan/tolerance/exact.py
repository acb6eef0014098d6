"""Exact intervals of a proportion, for one look at a planned number of outcomes."""

import math
from dataclasses import dataclass

from gan.errors import check_whole
from gan.tolerance.error_rate import CONFIDENCE, check_confidence


@dataclass(frozen=True)
class WrongRange:
    """At least `least` and at most `most` wrong outcomes among `n`. The others of the difference are not known.

    A judgement is not known if the judge is unsure or the picture waits. Lower bounds count it as right, and upper
    bounds as wrong, so that they hold whatever it is.
    """

    least: int
    most: int
    n: int

    def __post_init__(self) -> None:
        check_whole("n", self.n, 0)
        check_whole("most", self.most, 0, self.n)
        check_whole("least", self.least, 0, self.most)

    @classmethod
    def known(cls, wrong: int, n: int) -> "WrongRange":
        """Returns the range of `wrong` outcomes among `n`, all of which are known."""
        return cls(wrong, wrong, n)

    @property
    def rate(self) -> float | None:
        """The share of wrong outcomes among those that are known; None without any."""
        known = self.n - (self.most - self.least)
        return self.least / known if known else None


def clopper_pearson(wrong: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Returns the exact interval of a proportion: the rates that no one-sided binomial test on `wrong` of `n` rejects.

    With a = 1 - confidence, the lower bound p has P(Bin(n, p) >= wrong) = a / 2, the upper bound P(Bin(n, p) <= wrong)
    = a / 2. They are quantiles of beta distributions. Unlike Wilson's interval, it never covers less than stated.
    Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404.

    >>> [round(bound, 4) for bound in clopper_pearson(3, 1_000)]
    [0.0006, 0.0087]
    """
    from scipy.special import betainccinv, betaincinv  # most users of this module need no SciPy

    check_whole("n", n, 1)
    check_whole("wrong", wrong, 0, n)
    check_confidence(confidence)
    tail = (1 - confidence) / 2
    lower = 0.0 if wrong == 0 else float(betaincinv(wrong, n - wrong + 1, tail))
    upper = 1.0 if wrong == n else float(betainccinv(wrong + 1, n - wrong, tail))
    return lower, upper


def hypergeometric_bounds(wrong: int, n: int, total: int, confidence: float = CONFIDENCE) -> tuple[int, int]:
    """Returns exact bounds of the number of wrong ones among `total`, of which `n` were drawn without replacement.

    They are the smallest and the largest number K that no one-sided test on the `wrong` of `n` drawn ones rejects:
    P(X >= wrong) >= a / 2 and P(X <= wrong) >= a / 2, with a = 1 - confidence and X hypergeometric.

    >>> hypergeometric_bounds(0, 300, 10_000)
    (0, 120)

    Args:
        wrong: number of wrong ones among those that were drawn, from 0 to n.
        n: planned number of draws, from 0 to `total`.
        total: size of the finite population.
        confidence: between 0 and 1.
    """
    check_whole("total", total, 0)
    check_whole("n", n, 0, total)
    check_whole("wrong", wrong, 0, n)
    check_confidence(confidence)
    tail = (1 - confidence) / 2
    return total - _most_possible(n - wrong, n, total, tail), _most_possible(wrong, n, total, tail)


def _most_possible(wrong: int, n: int, total: int, tail: float) -> int:
    """Returns the largest number of wrong ones among `total` with P(X <= wrong) >= tail; P falls with the number."""
    tail *= 1 - ROUNDING
    possible, above = wrong, total - n + wrong + 1
    while above - possible > 1:
        middle = (possible + above) // 2
        if _at_most(wrong, n, middle, total) >= tail:
            possible = middle
        else:
            above = middle
    return possible


ROUNDING = 1e-7
"""Relative error of a sum of probabilities, for populations of up to 10^7. It widens the bounds."""

DEVIATIONS = 40
"""Standard deviations from the mean beyond which terms of a hypergeometric distribution are negligible."""


def _at_most(wrong: int, n: int, of_total: int, total: int) -> float:
    """Returns P(X <= wrong), if `of_total` of `total` are wrong and `n` are drawn. Sums the terms that are not zero."""
    import numpy as np
    from scipy.special import betaln

    def log_choose(k: int, i: "np.ndarray | int") -> "np.ndarray":
        return -np.log(k + 1.0) - betaln(k - i + 1.0, i + 1.0)

    share, fewest = of_total / total, max(0, n - (total - of_total))
    width = math.ceil(DEVIATIONS * math.sqrt(n * share * (1 - share))) + 100
    first = max(fewest, min(wrong, math.floor(n * share)) - width)
    last = min(wrong, of_total, math.ceil(n * share) + width)
    i = np.arange(first, last + 1)
    terms = log_choose(of_total, i) + log_choose(total - of_total, n - i) - log_choose(total, n)
    return float(np.exp(terms).sum())
