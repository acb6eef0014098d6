"""The candidates that are worth a test: no other one has both a lower error and a lower cost on validation data."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from gan.errors import check_different
from gan.tolerance import covers


@dataclass(frozen=True, kw_only=True)
class ValidatedCandidate:
    """What validation data say of one candidate."""

    name: str
    error: float
    """Error rate. NaN: not known."""
    cost: float
    """Cost in any unit, the same for all candidates. NaN: not known."""
    coverage: float = 1.0
    """Coverage of the samples; 1 for a classifier, which has no coverage."""
    real_coverage: float = 1.0
    """Coverage of real images by other real images."""


@dataclass(frozen=True, kw_only=True)
class Frontier:
    """The candidates to test, in the order of their tests, and why the others are not tested."""

    kept: tuple[ValidatedCandidate, ...]
    """Lowest error first. Costs fall or stay the same along the order, so that the last one is the cheapest."""
    dropped: dict[str, str]
    """Name of a candidate -> `coverage`, `beaten by NAME`, `error is not finite` or `cost is not finite`."""


def find_frontier(candidates: Iterable[ValidatedCandidate]) -> Frontier:
    """Returns the candidates that no other one beats, in the order in which to test them (`run_sequence`).

    First, candidates drop out whose error or cost is not finite, or whose coverage is below 0.8 of that of real images
    (`gan.tolerance.covers`). Of the others, those drop out that one of them beats in both error and cost, strictly.
    The reason names the cheapest one that does so, which is itself kept. Candidates of equal error or equal cost do
    not beat each other.

    The order is: lowest error first, of equal errors the dearest first, then by name. It does not depend on the order
    of `candidates`. It must follow from validation data alone: no sample of a test may have an influence.

    Raises `InputError` for two candidates of the same name.
    """
    candidates = list(candidates)
    check_different("candidates", [candidate.name for candidate in candidates])
    reasons = {candidate.name: _unfit(candidate) for candidate in candidates}
    dropped = {name: reason for name, reason in reasons.items() if reason is not None}
    kept: list[ValidatedCandidate] = []
    for candidate in sorted((one for one in candidates if one.name not in dropped), key=_place):
        # Costs fall along `kept`. So the last one is the cheapest so far, and errs less than a dearer one after it.
        if kept and kept[-1].cost < candidate.cost:
            dropped[candidate.name] = f"beaten by {kept[-1].name}"
        else:
            kept.append(candidate)
    return Frontier(kept=tuple(kept), dropped=dropped)


def _place(candidate: ValidatedCandidate) -> tuple[float, float, str]:
    return candidate.error, -candidate.cost, candidate.name


def _unfit(candidate: ValidatedCandidate) -> str | None:
    """Returns why a candidate drops out whatever the others are, or None."""
    if not math.isfinite(candidate.error):
        return "error is not finite"
    if not math.isfinite(candidate.cost):
        return "cost is not finite"
    return None if covers(candidate.coverage, candidate.real_coverage) else "coverage"
