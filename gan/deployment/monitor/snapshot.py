"""The state of the audits at one moment, as the metrics and the status page show it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gan.deployment.monitor.alarm import Alarm, Source
from gan.deployment.monitor.model_audit import ModelAudit, VersionFacts
from gan.deployment.monitor.stop_check import CheckedAlarm, Outcome
from gan.deployment.monitor.version_audit import CHANGE_SAMPLES, DRIFT_SAMPLES, SourceAudit, VersionAudit
from gan.tolerance import Verdict, verdict_of_bounds


@dataclass(frozen=True, kw_only=True)
class SourceSnapshot:
    """Samples of one source, of one version."""

    source: Source
    audited: int
    """Different pictures that were read."""
    wrong: int
    rate: float | None
    """None: none was read."""
    lower: float
    upper: float
    verdict: Verdict
    repeats: int
    """Pictures that were read before; they are no outcomes."""
    wrong_repeats: int


@dataclass(frozen=True, kw_only=True)
class DetectorSnapshot:
    """A change detector."""

    name: str
    outcomes: int
    evidence: float
    mean_samples: float
    """Evidence of an alarm, and the mean number of outcomes between false alarms, at least."""

    @property
    def share(self) -> float:
        """How far the evidence is, from 0 to 1, as a share of the logarithm of that of an alarm."""
        return min(1.0, math.log1p(self.evidence) / math.log1p(self.mean_samples))


@dataclass(frozen=True, kw_only=True)
class ClassSnapshot:
    """One class of the classifier."""

    name: str
    asked: int | None
    """Audited requests by the class of the sample that stands for them; None: unconditional, or no class to ask for."""
    read: int
    wrong: int


@dataclass(frozen=True, kw_only=True)
class ModelSnapshot:
    """A model, with the audit of its served version."""

    model: str
    version: int
    sha256: str
    tolerance: float
    confidence: float | None
    """Of the bounds; None: no sample of the version was read."""
    stopped: str
    has_previous: bool
    """Whether a version before it is loaded, to which a rollback returns."""
    versions_watched: int
    dropped: int
    failed: int
    alarm_count: int
    served_rate: float | None
    """Share of wrong ones among all audited samples of the version, repeats included."""
    burn: dict[str, float | None]
    sources: tuple[SourceSnapshot, ...]
    detectors: tuple[DetectorSnapshot, ...]
    classes: tuple[ClassSnapshot, ...]
    alarms: tuple[Alarm, ...]
    """The newest of each kind, source and version."""
    checks: tuple[CheckedAlarm, ...]
    """Checks of alarms on fresh samples, the newest first."""
    check_counts: dict[Outcome, int]
    """Number of checks by their outcome."""


@dataclass(frozen=True, kw_only=True)
class AuditSnapshot:
    """All models, and what is audited."""

    share: float
    classifier: str
    actions: tuple[str, ...]
    waiting: int
    checking: tuple[str, int, int] | None
    """The check that runs: the model, the samples that were read, and those that are planned."""
    failed_webhooks: int
    models: tuple[ModelSnapshot, ...]


def take_snapshot(
    audit: ModelAudit, served: VersionFacts, names: Sequence[str], *, stopped: str, has_previous: bool = False
) -> ModelSnapshot:
    """Returns the state of a model. names: of its classes, or empty. The others: see `ModelSnapshot`."""
    found = next((each for each in audit.versions if each.sha256 == served.sha256), None)
    sources = () if found is None else tuple(_of_source(source, each) for source, each in found.sources.items())
    tolerance = served.tolerance if found is None else found.tolerance  # a report may be replaced meanwhile
    return ModelSnapshot(
        model=audit.name,
        version=served.number,
        sha256=served.sha256,
        tolerance=tolerance,
        confidence=None if found is None else found.confidence,
        stopped=stopped,
        has_previous=has_previous,
        versions_watched=audit.watched,
        dropped=audit.dropped,
        failed=audit.failed,
        alarm_count=audit.alarms,
        served_rate=_served_rate(sources),
        burn=audit.burn.values(tolerance),
        sources=sources,
        detectors=() if found is None else _detectors(found),
        classes=() if found is None else _classes(found, names),
        alarms=tuple(alarm for each in reversed(audit.versions) for alarm in reversed(each.alarms)),
        checks=tuple(check for each in reversed(audit.versions) for check in reversed(each.checks)),
        check_counts=dict(audit.checks),
    )


def _detectors(audit: VersionAudit) -> tuple[DetectorSnapshot, ...]:
    seeds, labels, latents = audit.sources["seeds"], audit.labels.detector, audit.latents
    rows = (
        ("changed", seeds.rise.outcomes, seeds.rise.evidence, CHANGE_SAMPLES),
        ("other_pictures", seeds.other_pictures.outcomes, seeds.other_pictures.evidence, CHANGE_SAMPLES),
        ("label_drift", labels.outcomes, labels.evidence, DRIFT_SAMPLES),
        ("latent_drift", latents.outcomes, latents.evidence, DRIFT_SAMPLES),
    )
    return tuple(
        DetectorSnapshot(name=name, outcomes=outcomes, evidence=evidence, mean_samples=mean_samples)
        for name, outcomes, evidence, mean_samples in rows
    )


def _classes(audit: VersionAudit, names: Sequence[str]) -> tuple[ClassSnapshot, ...]:
    asked, wrong = audit.labels.counts, audit.wrong_by_class
    return tuple(
        ClassSnapshot(
            name=names[number] if number < len(names) else str(number),
            asked=int(asked[number]) if audit.is_conditional and number < len(asked) else None,
            read=int(read),
            wrong=int(wrong[number]) if number < len(wrong) else 0,
        )
        for number, read in enumerate(audit.read)
    )


def _of_source(source: Source, audit: SourceAudit) -> SourceSnapshot:
    lower, upper = audit.rate.bounds
    return SourceSnapshot(
        source=source,
        audited=audit.rate.n,
        wrong=audit.rate.wrong,
        rate=audit.rate.value,
        lower=lower,
        upper=upper,
        verdict=verdict_of_bounds((lower, upper), audit.rate.tolerance),
        repeats=audit.repeats,
        wrong_repeats=audit.wrong_repeats,
    )


def _served_rate(sources: Sequence[SourceSnapshot]) -> float | None:
    read = sum(each.audited + each.repeats for each in sources)
    return sum(each.wrong + each.wrong_repeats for each in sources) / read if read else None
