"""Confirmations of a run: measurements on fresh outcomes, whose upper bounds hold together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from gan.errors import InputError, NotNegative, Positive, Whole, check, check_share, check_whole
from gan.tolerance.error_rate import CONFIDENCE, IN_REACH, ErrorRate, Verdict, check_confidence, wilson_interval


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """One confirmation of a run: `wrong` outcomes among `num` fresh ones, and what follows from them.

    `unmet` are the other conditions that the model did not meet, such as coverage, as text. They rule out `within`.
    """

    attempt: Positive
    """Number of the confirmation in its run, from 1."""
    interval: Positive
    """Interval of the run whose model was measured, from 1."""
    value: float | None = None
    """Monitored value that nominated the model. None: not a number."""
    wrong: Whole
    num: Positive
    confidence: NotNegative
    """Confidence of the interval of this confirmation."""
    verdict: Verdict
    unmet: tuple[str, ...] = ()
    seconds: NotNegative = 0.0
    is_last: bool = False
    """Whether it was the last one, at the end of the run."""

    def __post_init__(self) -> None:
        check_whole("wrong", self.wrong, 0, self.num)
        check_confidence(self.confidence)

    @property
    def rate(self) -> ErrorRate:
        """The error rate."""
        return ErrorRate(self.wrong, self.num)

    @property
    def bounds(self) -> tuple[float, float]:
        """Lower and upper bound of the error rate, with `confidence`."""
        return self.rate.interval_at(self.confidence)


SHARE, LAST_SHARE = 0.5, 0.8
"""Shares of the error that is left which a confirmation uses, and the last one of a run. The rest of the last one is
kept for a run that is made longer."""


MOST_CONFIDENCE = 1 - 1e-12
"""Highest confidence of a confirmation. Its error is negligible, but its quantile is still a number."""


def next_confidence(done: Sequence[Confirmation], *, is_last: bool = False) -> float:
    """Returns the confidence of the interval of the next confirmation of a run, after those in `done`; at least 0.95.

    A false `within` may happen in 5 % of all runs. A confirmation with confidence c has the error (1 - c) / 2, since
    only its upper bound decides that. Each uses half of the error that is left, and the last one 80 %: the first has
    the usual interval of 95 %, the next 97.5 %. So however often a run is confirmed, all upper bounds hold together
    with 95 % confidence (Bonferroni). Wilson's bound is not exact: for 200 outcomes or more, the 5 % hold for
    tolerances up to 0.02, become 5.1 % at 0.1 and 5.9 % at 0.5, and more above.
    """
    left = 1 - CONFIDENCE - sum(1 - one.confidence for one in done) / 2
    confidence = 1 - 2 * left * (LAST_SHARE if is_last else SHARE)
    return min(max(CONFIDENCE, confidence), MOST_CONFIDENCE)


def most_wrong(n: int, tolerance: float, confidence: float = CONFIDENCE) -> int:
    """Returns the largest number of wrong outcomes among `n` that is within a tolerance. -1: not even 0 is."""
    check_whole("n", n, 1)
    check_share("tolerance", tolerance)
    least, above = -1, n + 1  # the upper bound grows with the number of wrong outcomes
    while above - least > 1:
        middle = (least + above) // 2
        if wilson_interval(middle, n, confidence)[1] <= tolerance:
            least = middle
        else:
            above = middle
    return least


def confirmation_size(expected: float, tolerance: float, confidence: float, power: float) -> int | None:
    """Returns the number of outcomes of which a model with error rate `expected` is `within` with probability `power`.

    With the quantiles z of the interval and b of the power, and in the normal approximation, it is

        ((z sqrt(T (1 - T)) + b sqrt(p (1 - p))) / (T - p))^2, with T = tolerance and p = expected,

    but at least `fewest_outcomes`. Returns None when no size below `IN_REACH` is enough, such as for p >= T.
    """
    fewest = fewest_outcomes(tolerance, confidence)
    check_share("expected", expected)
    check(0 < power < 1, "power", "a number between 0 and 1", power)
    if expected >= tolerance or fewest is None:
        return None
    n = planned_outcomes(expected, tolerance, confidence, power)
    return max(fewest, math.ceil(n)) if n < IN_REACH else None


def planned_outcomes(expected: float, tolerance: float, confidence: float, power: float) -> float:
    """Computes the formula of `confirmation_size`, for an `expected` rate below the tolerance or above it."""
    z, b = NormalDist().inv_cdf(0.5 + confidence / 2), NormalDist().inv_cdf(power)
    spread = z * math.sqrt(tolerance * (1 - tolerance)) + b * math.sqrt(expected * (1 - expected))
    return max(spread / abs(tolerance - expected), 0.0) ** 2


def fewest_outcomes(tolerance: float, confidence: float = CONFIDENCE) -> int | None:
    """Returns the smallest number of outcomes, none of them wrong, whose upper bound is within a tolerance.

    The upper bound of 0 wrong among n is z^2 / (n + z^2). Returns None when no size below `IN_REACH` is enough.
    """
    check_share("tolerance", tolerance)
    check_confidence(confidence)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    n = z * z * (1 - tolerance) / tolerance if tolerance > 0 else math.inf
    return max(1, math.ceil(n)) if n < IN_REACH else None


def lowest_tolerance(n: int, confidence: float = CONFIDENCE) -> float:
    """Returns the lowest tolerance that `n` outcomes, none of them wrong, are within, rounded up to two digits."""
    upper = wilson_interval(0, n, confidence)[1]
    digits = 1 - math.floor(math.log10(upper))
    return min(1.0, math.ceil(upper * 10**digits) / 10**digits)


def check_confirmation(
    name: str, tolerance: float, num: int, confidence: float = CONFIDENCE, *, outcomes: str, larger: str
) -> None:
    """Raises `InputError` for a tolerance that `num` outcomes, none of them wrong, are not within.

    Args:
        name: name of the option that holds the tolerance.
        tolerance: error rate to confirm.
        num: largest number of outcomes of a confirmation.
        confidence: confidence of its interval.
        outcomes: `num` in words, such as "500 samples".
        larger: format of a number of outcomes that is large enough, such as "--confirm-num {}".
    """
    needed = fewest_outcomes(tolerance, confidence)
    if needed is not None and needed <= num:
        return
    number = "" if needed is None else f", or {larger.format(needed)}"
    raise InputError(
        f"No confirmation could show that `{name}` is met",
        expected=f"{lowest_tolerance(num, confidence):g} or more with {outcomes}{number}",
        received=f"{name}={tolerance}",
    )
