"""Exact intervals of a proportion, for one look at a planned number of outcomes."""

from gan.errors import check, check_whole
from gan.tolerance.error_rate import CONFIDENCE


def clopper_pearson(wrong: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Returns the exact interval of a proportion: the rates that no one-sided binomial test on `wrong` of `n` rejects.

    With a = 1 - confidence, the lower bound p has P(Bin(n, p) >= wrong) = a / 2, the upper bound P(Bin(n, p) <= wrong)
    = a / 2. They are quantiles of beta distributions. Unlike Wilson's interval, it never covers less than stated.
    Clopper and Pearson 1934, doi:10.1093/biomet/26.4.404.
    """
    from scipy.special import betaincinv  # most users of this module need no SciPy

    check_whole("n", n, 1)
    check_whole("wrong", wrong, 0, n)
    check(0 < confidence < 1, "confidence", "a number between 0 and 1", confidence)
    tail = (1 - confidence) / 2
    lower = 0.0 if wrong == 0 else float(betaincinv(wrong, n - wrong + 1, tail))
    upper = 1.0 if wrong == n else float(betaincinv(wrong + 1, n - wrong, 1 - tail))
    return lower, upper
