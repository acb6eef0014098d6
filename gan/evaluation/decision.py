"""The verdict of a report: of which samples, against which tolerance, and why it may be undecided."""

from dataclasses import dataclass

from gan.tolerance import ErrorRate, Verdict, samples_needed, verdict


@dataclass(frozen=True)
class Decision:
    """A verdict, why it is undecided, and how many samples would decide. By default, there is no verdict."""

    verdict: Verdict | None = None
    because_of: tuple[str, ...] = ()
    samples_needed: int | None = None


def decide(rate: ErrorRate | None, tolerance: float | None, coverage: float, real_coverage: float) -> Decision:
    """Returns the verdict on an error rate, or none without a rate or a tolerance; see `tolerance.verdict`."""
    if rate is None or tolerance is None:
        return Decision()
    coverages = {"coverage": coverage, "real_coverage": real_coverage}
    decision = verdict(rate, tolerance, **coverages)
    reasons = []
    if decision == "undecided":
        reasons += ["error_rate"] * (verdict(rate, tolerance) == "undecided")
        reasons += ["coverage"] * (verdict(ErrorRate(0, 10**6), tolerance, **coverages) != "within")
    needed = samples_needed(rate, tolerance) if reasons == ["error_rate"] else None
    return Decision(decision, tuple(reasons), needed)
