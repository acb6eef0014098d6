"""What the audit knows of one model: its versions, and how fast its errors use up the tolerance."""

from collections.abc import Callable
from dataclasses import dataclass

from gan.deployment.monitor.alarm import Alarm
from gan.deployment.monitor.burn import BurnRates
from gan.deployment.monitor.stop_check import CheckedAlarm, Outcome
from gan.deployment.monitor.version_audit import ReadSamples, VersionAudit
from gan.tolerance import Confirmation

KEPT = 4
"""Versions of a model that are remembered: the served one, the one before it, and two more."""


@dataclass(frozen=True, kw_only=True)
class VersionFacts:
    """What an audit needs to know of a version."""

    number: int
    sha256: str
    tolerance: float
    """Highest acceptable error rate."""
    num_classes: int
    latent_dim: int


class ModelAudit:
    """The audits of the versions of a model, the newest last.

    Outcomes of another version do not mix: a version is what has its own SHA-256. One that comes back, as after a
    rollback, goes on with its counts. It keeps the tolerance that it was watched with first, and a snapshot shows that
    one. The burn rates are those of the model, over all versions and sources.

    Args:
        name: name of the model.
        read_classes: number of classes of the classifier.
        clock: returns the time in seconds, of any start: for the burn rates, and for the time between alarms.
        seed: seed of the audit.
    """

    def __init__(self, name: str, *, read_classes: int, clock: Callable[[], float], seed: int = 0) -> None:
        self.name, self._read_classes, self._seed = name, read_classes, seed
        self._clock, self.burn = clock, BurnRates(clock)
        self.versions = list[VersionAudit]()
        self.watched = 0
        """Number of versions so far."""
        self.dropped, self.failed = 0, 0
        """Samples that were chosen but not read: there was no room, or the classifier failed."""
        self.alarms = 0
        """Number of alarms of all versions."""
        self.checks: dict[Outcome, int] = {"confirmed": 0, "not_confirmed": 0, "abandoned": 0}
        """Number of checks of alarms, of all versions."""

    def version(self, facts: VersionFacts) -> VersionAudit:
        """Returns the audit of a version, and makes it the newest."""
        found = self._find(facts.sha256)
        if found is None:
            self.watched += 1
            found = VersionAudit(
                model=self.name,
                version=facts.number,
                sha256=facts.sha256,
                tolerance=facts.tolerance,
                place=self.watched,
                num_classes=facts.num_classes,
                read_classes=self._read_classes,
                latent_dim=facts.latent_dim,
                seed=self._seed,
            )
        else:
            self.versions.remove(found)
        self.versions = [*self.versions, found][-KEPT:]
        return found

    def add(self, facts: VersionFacts, samples: ReadSamples) -> list[Alarm]:
        """Adds samples of a version that were read. Returns the alarms."""
        self.burn.add(len(samples.wrong), int(samples.wrong.sum()))
        alarms = self.version(facts).add(samples, self._clock())
        self.alarms += len(alarms)
        return alarms

    def confirmations(self, sha256: str) -> list[Confirmation]:
        """Returns the checks of a version so far."""
        found = self._find(sha256)
        return [] if found is None else found.confirmations

    def add_check(self, check: CheckedAlarm) -> None:
        """Adds a check of an alarm."""
        self.checks[check.outcome] += 1
        found = self._find(check.sha256)
        if found is not None:
            found.add_check(check)

    def _find(self, sha256: str) -> VersionAudit | None:
        return next((audit for audit in self.versions if audit.sha256 == sha256), None)
