"""Whether a new version of a model may take over: its report must not be worse than that of the served one."""

from dataclasses import dataclass

from gan.deployment.verdicts import read_report, verdict_of
from gan.errors import Json
from gan.saving.engines.card import GeneratorVerdict
from gan.saving.saved_generator import SavedGenerator
from gan.tolerance import Verdict, errs_above, wilson_interval

RANK: dict[Verdict, int] = {"exceeded": 0, "undecided": 1, "within": 2}


@dataclass(frozen=True)
class Evidence:
    """What was measured of a version: in the report beside it, or in the card of an exported generator."""

    measured: GeneratorVerdict
    coverage: float | None = None
    """Share of the real images that are covered; None: not known, as in a card."""
    coverage_num: int = 1
    """Number of real images of which that share was measured."""
    conditional: bool | None = None
    """Whether samples of a wrong class count as errors; None: not known, as in a card."""
    from_card: bool = False
    """Whether it is from a card, which has less than a report."""

    @property
    def coverage_bounds(self) -> tuple[float, float] | None:
        """Wilson 95 % interval of the coverage, or None."""
        if self.coverage is None:
            return None
        return wilson_interval(round(self.coverage * self.coverage_num), self.coverage_num)

    def verdict_at(self, tolerance: float) -> Verdict:
        """Returns the verdict at a tolerance: the measured one at its own, else that of the interval.

        It is undecided if the classifier errs on real images more often than the tolerance allows.
        """
        found = self.measured
        if found.verdict is not None and tolerance == found.tolerance:
            return found.verdict
        if errs_above(found.real_rate, tolerance):
            return "undecided"
        if found.error_rate_upper <= tolerance:
            return "within"
        return "exceeded" if found.error_rate_lower > tolerance else "undecided"

    def as_dict(self) -> dict[str, Json]:
        """Returns the evidence in JSON types."""
        found = self.measured
        return {
            "verdict": found.verdict,
            "tolerance": found.tolerance,
            "error_rate": found.error_rate,
            "error_rate_lower": found.error_rate_lower,
            "error_rate_upper": found.error_rate_upper,
            "num": found.num,
            "dataset": found.dataset,
            "classifier_sha256": found.classifier_sha256,
            "conditional": self.conditional,
            "coverage": self.coverage,
        }


def find_evidence(saved: SavedGenerator) -> Evidence | None:
    """Returns what was measured of a generator.

    A report beside it counts only if it names the SHA-256 of this file. Without one, the card of an exported generator
    does. None: nothing was measured.
    """
    report = read_report(saved)
    measured = None if report is None else verdict_of(report)
    if report is not None and measured is not None:
        row = report.metrics.get("coverage")
        return Evidence(measured, None if row is None else row.value, report.num, report.conditional)
    if saved.card is not None and saved.card.verdict is not None:
        return Evidence(saved.card.verdict, from_card=True)
    return None


def newest_evidence(known: Evidence | None, found: Evidence | None) -> Evidence | None:
    """Returns what counts of a version whose files were looked at again: what was found, unless it is less.

    A report that is removed, or not yet complete, leaves what is known: no evidence does not replace a report, and a
    card does not either.
    """
    if known is None or (found is not None and known.from_card):
        return found
    return known if found is None or found.from_card else found


def reason_to_refuse(new: Evidence | None, served: Evidence | None) -> str | None:
    """Returns why a version may not take over, or None if it may.

    It may take over unless one of these holds:

    1. It has no report, or only one without an error rate.
    2. Its report is of another dataset than that of the served version, or by another classifier, or only one of
       them counts samples of a wrong class as errors. A card may not tell the last two; then they are not compared.
    3. Its error rate is higher: the lower end of its interval is above the upper end of the served one's.
    4. Its verdict is worse, at the tolerance of the served one's: `within` is better than `undecided`, and that is
       better than `exceeded`. A served version without a tolerance has no verdict to compare.
    5. Its coverage is lower: the upper end of its Wilson 95 % interval is below the lower end of the served one's.

    Without a report of the served version, the first rule is the only one. An unknown coverage is not compared.
    """
    if new is None:
        return "it has no report with an error rate: gan evaluate --classifier FOLDER writes one"
    if served is None:
        return None
    mine, theirs = new.measured, served.measured
    digests = {mine.train_sha256, theirs.train_sha256}
    if None not in digests:
        if len(digests) > 1:
            return f"its report is of other images of {mine.dataset} than that of the served version"
    elif mine.dataset != theirs.dataset:
        return f"its report is of {mine.dataset}, that of the served version of {theirs.dataset}"
    classifiers = mine.classifier_sha256, theirs.classifier_sha256
    if None not in classifiers and len(set(classifiers)) > 1:
        return "its report is by another classifier than that of the served version"
    if None not in (new.conditional, served.conditional) and new.conditional != served.conditional:
        counts = "counts" if new.conditional else "does not count"
        return f"its report {counts} samples of a wrong class as errors, unlike that of the served version"
    if mine.error_rate_lower > theirs.error_rate_upper:
        return (
            f"its error rate is higher: at least {mine.error_rate_lower:.3g}, "
            f"that of the served version at most {theirs.error_rate_upper:.3g}"
        )
    if theirs.tolerance is not None and theirs.verdict is not None:
        verdict, before = new.verdict_at(theirs.tolerance), theirs.verdict
        if RANK[verdict] < RANK[before]:
            return f"its verdict is worse: {verdict} at the tolerance of {theirs.tolerance:g}, not {before}"
    bounds, bounds_before = new.coverage_bounds, served.coverage_bounds
    if bounds is not None and bounds_before is not None and bounds[1] < bounds_before[0]:
        return (
            f"its coverage is lower: at most {bounds[1]:.3g}, that of the served version at least "
            f"{bounds_before[0]:.3g}"
        )
    return None
