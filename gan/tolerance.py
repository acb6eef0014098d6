"""Error rates with confidence intervals, verdicts against a tolerance, and the sample size that a verdict needs.

The *tolerance* is the highest error rate that is acceptable. An error rate is a count of wrong outcomes among `n`. Its
Wilson 95 % interval bounds the true rate. The verdict compares the tolerance with this interval, never with the
observed rate alone.

A run that is measured again and again, until a measurement is good enough, would pass by chance. So each *confirmation*
of a run uses fresh outcomes and a share of the 5 % error (`next_confidence`): all its upper bounds hold together with
95 % confidence.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from gan.errors import InputError, NotNegative, Positive, Whole, check, check_share, check_whole

if TYPE_CHECKING:
    import numpy as np

Numbers: TypeAlias = Any  # a number, an array or a tensor: the same formula serves all of them

Verdict = Literal["within", "exceeded", "undecided"]

CONFIDENCE = 0.95
COVERAGE_SHARE = 0.8
"""Coverage that a generator must reach to be within a tolerance, as a fraction of the coverage of real images."""

IN_REACH = 10**9
"""Largest sample size that `samples_needed` reports. More samples are not practical to generate."""

EXIT_STATUS: dict[Verdict, int] = {"within": 0, "exceeded": 3, "undecided": 4}
"""Exit status of a program for each verdict. `gan.cli.exit_status` lists all exit statuses."""


@dataclass(frozen=True)
class ErrorRate:
    """`wrong` outcomes among `n`, with the Wilson 95 % confidence interval of the true rate."""

    wrong: int
    n: int

    def __post_init__(self) -> None:
        check_whole("n", self.n, 1)
        check_whole("wrong", self.wrong, 0, self.n)

    @classmethod
    def of(cls, outcomes: "np.ndarray") -> "ErrorRate":
        """Returns the error rate of outcomes, bool [N], where True means wrong."""
        return cls(int(outcomes.sum()), len(outcomes))

    @property
    def value(self) -> float:
        """The observed error rate, wrong / n. The tolerance rate is 1 minus this value."""
        return self.wrong / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper bound of the Wilson 95 % interval."""
        return self.interval_at(CONFIDENCE)

    def interval_at(self, confidence: float) -> tuple[float, float]:
        """Returns the lower and upper bound of the Wilson interval with another confidence, between 0 and 1."""
        return wilson_interval(self.wrong, self.n, confidence)


def wilson_interval(wrong: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Returns the Wilson score interval of a proportion: the rates that a z-test on `wrong` of `n` does not reject.

    The bounds are (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n), with p = wrong/n. Unlike
    p -+ z sqrt(p(1-p)/n), they are also valid for 0 and n wrong outcomes. Wilson 1927,
    doi:10.1080/01621459.1927.10502953.
    """
    check_whole("n", n, 1)
    check_whole("wrong", wrong, 0, n)
    check(0 < confidence < 1, "confidence", "a number between 0 and 1", confidence)
    lower, upper = wilson_bounds(wrong / n, n, math.sqrt, confidence)
    return (0.0 if wrong == 0 else max(0.0, lower)), (1.0 if wrong == n else min(1.0, upper))


def wilson_bounds(
    p: Numbers, n: Numbers, sqrt: Callable[[Numbers], Numbers], confidence: float = CONFIDENCE
) -> tuple[Numbers, Numbers]:
    """Computes the bounds of `wilson_interval` for a proportion `p` of `n`, on any numbers that `sqrt` accepts."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    scale = 1 + z * z / n
    center = (p + z * z / (2 * n)) / scale
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / scale
    return center - half, center + half


def verdict(
    rate: ErrorRate,
    tolerance: float,
    *,
    coverage: float = 1.0,
    real_coverage: float = 1.0,
    confidence: float = CONFIDENCE,
) -> Verdict:
    """Returns whether a model is within a tolerance.

    `within`: the upper bound of the interval is <= tolerance, and coverage is >= 0.8 * real_coverage. Without the
    second condition, a generator that repeats ten recognizable images would pass. `exceeded`: the lower bound is
    > tolerance. `undecided`: neither.

    Args:
        rate: error rate of the model.
        tolerance: highest acceptable error rate, from 0 to 1.
        coverage: coverage of the generator; 1 for a classifier, which has no coverage.
        real_coverage: coverage of real images by other real images; 1 for a classifier.
        confidence: confidence of the interval, between 0 and 1.
    """
    check_share("tolerance", tolerance)
    lower, upper = rate.interval_at(confidence)
    if lower > tolerance:
        return "exceeded"
    if upper <= tolerance and coverage >= COVERAGE_SHARE * real_coverage:
        return "within"
    return "undecided"


def samples_needed(rate: ErrorRate, tolerance: float, *, confidence: float = CONFIDENCE) -> int | None:
    """Returns the smallest new sample size that would decide at the same error rate.

    The Wilson interval of a rate p of n excludes the tolerance t when (p - t)^2 n > z^2 t (1 - t). Returns None when
    no size below `IN_REACH` is enough.
    """
    check_share("tolerance", tolerance)
    check(0 < confidence < 1, "confidence", "a number between 0 and 1", confidence)
    difference = rate.value - tolerance
    if difference * difference == 0:
        return None
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    n = z * z * tolerance * (1 - tolerance) / (difference * difference)
    return math.floor(n) + 1 if n < IN_REACH else None


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
        check(0 < self.confidence < 1, "confidence", "a number between 0 and 1", self.confidence)

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
    z, b = NormalDist().inv_cdf(0.5 + confidence / 2), NormalDist().inv_cdf(power)
    spread = z * math.sqrt(tolerance * (1 - tolerance)) + b * math.sqrt(expected * (1 - expected))
    n = max(spread / (tolerance - expected), 0.0) ** 2
    return max(fewest, math.ceil(n)) if n < IN_REACH else None


def fewest_outcomes(tolerance: float, confidence: float = CONFIDENCE) -> int | None:
    """Returns the smallest number of outcomes, none of them wrong, whose upper bound is within a tolerance.

    The upper bound of 0 wrong among n is z^2 / (n + z^2). Returns None when no size below `IN_REACH` is enough.
    """
    check_share("tolerance", tolerance)
    check(0 < confidence < 1, "confidence", "a number between 0 and 1", confidence)
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
