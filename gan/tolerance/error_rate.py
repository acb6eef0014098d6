"""Error rates with Wilson intervals, verdicts against a tolerance, and the sample size that a verdict needs."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from gan.errors import check, check_share, check_whole

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


def check_confidence(confidence: float) -> None:
    """Raises `InputError` unless a confidence is between 0 and 1."""
    check(0 < confidence < 1, "confidence", "a number between 0 and 1", confidence)


def wilson_interval(wrong: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Returns the Wilson score interval of a proportion: the rates that a z-test on `wrong` of `n` does not reject.

    The bounds are (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n), with p = wrong/n. Unlike
    p -+ z sqrt(p(1-p)/n), they are also valid for 0 and n wrong outcomes. Wilson 1927,
    doi:10.1080/01621459.1927.10502953.
    """
    check_whole("n", n, 1)
    check_whole("wrong", wrong, 0, n)
    check_confidence(confidence)
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
    real: ErrorRate | None = None,
) -> Verdict:
    """Returns whether a model is within a tolerance.

    `within`: the upper bound of the interval is <= tolerance, and coverage is >= 0.8 * real_coverage. Without the
    second condition, a generator that repeats ten recognizable images would pass. `exceeded`: the lower bound is
    > tolerance. `undecided`: neither, or the classifier that counts the errors cannot tell (`errs_above`).

    Args:
        rate: error rate of the model.
        tolerance: highest acceptable error rate, from 0 to 1.
        coverage: coverage of the generator; 1 for a classifier, which has no coverage.
        real_coverage: coverage of real images by other real images; 1 for a classifier.
        confidence: confidence of the interval, between 0 and 1.
        real: error rate of the classifier on real test images. None: not known, or people count the errors.
    """
    if errs_above(real, tolerance):
        return "undecided"
    found = verdict_of_bounds(rate.interval_at(confidence), tolerance)
    return found if covers(coverage, real_coverage) or found != "within" else "undecided"


def errs_above(real: ErrorRate | None, tolerance: float) -> bool:
    """Returns whether a classifier is shown to err on real images more often than a tolerance allows.

    The lower bound of the 95 % interval of its error rate on real test images is > tolerance: real images themselves
    would be `exceeded`. Then it cannot tell whether samples are within the tolerance. A wrong reading may be its own
    fault, so `exceeded` would blame the generator for it. Samples that it reads better than real images are unlike
    them, so `within` would praise the generator for it. The observed rate alone does not count: 1 wrong of 30 images
    shows nothing about a tolerance of 0.02. None: not known, so False.
    """
    return real is not None and verdict_of_bounds(real.interval, tolerance) == "exceeded"


def covers(coverage: float, real_coverage: float) -> bool:
    """Returns whether a generator covers enough of the data: 0.8 of what real images do. False for NaN."""
    return coverage >= COVERAGE_SHARE * real_coverage


def verdict_of_bounds(bounds: tuple[float, float], tolerance: float) -> Verdict:
    """Returns the verdict on the lower and upper bound of an error rate: `verdict` without its condition on coverage.

    bounds: of any interval, such as that of `wilson_interval` or `confidence_sequence`.
    """
    check_share("tolerance", tolerance)
    lower, upper = bounds
    if lower > tolerance:
        return "exceeded"
    return "within" if upper <= tolerance else "undecided"


def samples_needed(rate: ErrorRate, tolerance: float, *, confidence: float = CONFIDENCE) -> int | None:
    """Returns the smallest new sample size that would decide at the same error rate.

    The Wilson interval of a rate p of n excludes the tolerance t when (p - t)^2 n > z^2 t (1 - t). Returns None when
    no size below `IN_REACH` is enough.
    """
    check_share("tolerance", tolerance)
    check_confidence(confidence)
    difference = rate.value - tolerance
    if difference * difference == 0:
        return None
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    n = z * z * tolerance * (1 - tolerance) / (difference * difference)
    return math.floor(n) + 1 if n < IN_REACH else None
