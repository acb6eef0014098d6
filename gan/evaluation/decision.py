"""The verdict of a report: of which samples, against which tolerance, and why it may be undecided."""

from dataclasses import dataclass
from functools import partial

from gan.tolerance import ErrorRate, Verdict, errs_above, samples_needed, verdict


@dataclass(frozen=True)
class Decision:
    """A verdict, why it is undecided, and how many samples would decide. By default, there is no verdict."""

    verdict: Verdict | None = None
    because_of: tuple[str, ...] = ()
    samples_needed: int | None = None


def decide(
    rate: ErrorRate | None, tolerance: float | None, coverage: float, real_coverage: float, real: ErrorRate | None
) -> Decision:
    """Returns the verdict on an error rate, or none without a rate or a tolerance; see `tolerance.verdict`.

    real: error rate of real images by the same classifier; None: not known.
    """
    if rate is None or tolerance is None:
        return Decision()
    beside = partial(verdict, coverage=coverage, real_coverage=real_coverage)
    decision = beside(rate, tolerance, real=real)
    reasons = ["classifier"] * errs_above(real, tolerance)
    if decision == "undecided" and not reasons:
        reasons += ["error_rate"] * (verdict(rate, tolerance) == "undecided")
        reasons += ["coverage"] * (beside(ErrorRate(0, 10**6), tolerance) != "within")
    needed = samples_needed(rate, tolerance) if reasons == ["error_rate"] else None
    return Decision(decision, tuple(reasons), needed)
