"""Tolerance, the arithmetic: an error rate with its interval, the verdict against a tolerance, and samples that decide.

*Tolerance* is the error rate one accepts. An error rate is a count of wrong outcomes among `n`; what is known of the
true rate is its Wilson 95 % interval, and a verdict is given by the interval, never by the point.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from gan.errors import check, check_share, check_whole

if TYPE_CHECKING:
    import numpy as np

Numbers: TypeAlias = Any  # a number, an array or a tensor: the same formula for all

Verdict = Literal["within", "exceeded", "undecided"]

CONFIDENCE = 0.95
COVERAGE_SHARE = 0.8
"""Share of the coverage of real against real that a generator must reach to be within a tolerance."""

IN_REACH = 10**9
"""Samples beyond which one does not speak of drawing them."""

EXIT_STATUS: dict[Verdict, int] = {"within": 0, "exceeded": 3, "undecided": 4}
"""Exit status of a program with that verdict; `gan.cli.exit_status` lists all of them."""


@dataclass(frozen=True)
class ErrorRate:
    """`wrong` outcomes among `n`, with the Wilson interval of the true rate at confidence 95 %."""

    wrong: int
    n: int

    def __post_init__(self) -> None:
        check_whole("n", self.n, 1)
        check_whole("wrong", self.wrong, 0, self.n)

    @classmethod
    def of(cls, outcomes: "np.ndarray") -> "ErrorRate":
        """The error rate of outcomes, bool [N]: which of them are wrong."""
        return cls(int(outcomes.sum()), len(outcomes))

    @property
    def value(self) -> float:
        """The rate observed, wrong / n. The tolerance rate is 1 minus it."""
        return self.wrong / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end of the Wilson interval."""
        return wilson_interval(self.wrong, self.n)


def wilson_interval(wrong: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The Wilson score interval of a proportion: the rates p whose z-test does not reject `wrong` of `n`.

    (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n), with p = wrong/n. Unlike p -+ z sqrt(p(1-p)/n) it has
    sensible ends at 0 and n. Wilson 1927, doi:10.1080/01621459.1927.10502953.
    """
    check_whole("n", n, 1)
    check_whole("wrong", wrong, 0, n)
    check(0 < confidence < 1, "confidence", "a number between 0 and 1", confidence)
    lower, upper = wilson_bounds(wrong / n, n, math.sqrt, confidence)
    return (0.0 if wrong == 0 else max(0.0, lower)), (1.0 if wrong == n else min(1.0, upper))


def wilson_bounds(
    p: Numbers, n: Numbers, sqrt: Callable[[Numbers], Numbers], confidence: float = CONFIDENCE
) -> tuple[Numbers, Numbers]:
    """The formula of `wilson_interval` for a proportion `p` of `n`, on numbers of any kind whose root `sqrt` takes."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    scale = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / scale
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / scale
    return centre - half, centre + half


def verdict(rate: ErrorRate, tolerance: float, *, coverage: float = 1.0, real_coverage: float = 1.0) -> Verdict:
    """Whether a model is within a tolerance.

    `within`: the interval's upper end <= tolerance, and coverage >= 0.8 of that of real against real (ten recognisable
    pictures, repeated, make no errors and are no generator). `exceeded`: the lower end > tolerance. Otherwise
    `undecided`. A classifier has no coverage: leave both at 1.
    """
    check_share("tolerance", tolerance)
    lower, upper = rate.interval
    if lower > tolerance:
        return "exceeded"
    if upper <= tolerance and coverage >= COVERAGE_SHARE * real_coverage:
        return "within"
    return "undecided"


def samples_needed(rate: ErrorRate, tolerance: float) -> int | None:
    """The smallest fresh sample that would decide, if the same share of it were wrong; None if none in reach would.

    The Wilson interval of a share p of n leaves the tolerance t out when (p - t)^2 n > z^2 t (1 - t).
    """
    check_share("tolerance", tolerance)
    apart = rate.value - tolerance
    if apart * apart == 0:
        return None
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    n = z * z * tolerance * (1 - tolerance) / (apart * apart)
    return math.floor(n) + 1 if n < IN_REACH else None
