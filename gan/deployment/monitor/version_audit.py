"""What the audit knows of one version of a model: counts, rates, detectors, and the alarms that follow."""

import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gan.deployment.monitor.alarm import DRIFT_REPEAT_SECONDS, REPEAT_SECONDS, STOPPING, Alarm, Kind, Source
from gan.deployment.monitor.detectors import RateDetector
from gan.deployment.monitor.drift import LabelDrift, LatentDrift
from gan.deployment.monitor.rate import AuditedRate, confidence_of_version
from gan.deployment.monitor.repeats import ReadPictures
from gan.deployment.monitor.stop_check import CheckedAlarm, as_confirmation
from gan.tolerance import Confirmation

CHANGE_SAMPLES = 1e9
"""Mean number of audited pictures between false alarms of a rise of the error rate, at least."""

DRIFT_SAMPLES = 1e8
"""Mean number of audited requests between false alarms of label drift, and of latents for latent drift, at least."""

CHANGED_PICTURES = 0.001
"""Share of the pictures asked again that may become wrong: rounding in batches of other sizes moves a few of them."""


SHOWN_CHECKS = 5
"""Checks of a version that are shown."""


@dataclass(frozen=True, kw_only=True)
class ReadSamples:
    """Samples of one source that a classifier has read, in the order of time."""

    source: Source
    keys: Sequence[int]
    """What names each picture: the same number for the same inputs of the generator."""
    wrong: np.ndarray
    """Whether each is a wrong outcome, bool [N]."""
    read: np.ndarray
    """The class that was read, int [N]."""
    asked: np.ndarray | None
    """The class that was asked, int [N]; None: an unconditional generator."""
    latents: np.ndarray | None
    """Latents of a client, float32 [N, L]; None: of a seed."""
    stands: np.ndarray
    """Whether each stands for its request, bool [N]: one sample of a request does, whatever it shows."""


class SourceAudit:
    """Rate and detectors of the samples of one source. Only pictures that were not read before count as outcomes."""

    def __init__(self, tolerance: float, confidence: float) -> None:
        self.rate = AuditedRate(tolerance, confidence)
        self.rise = RateDetector(tolerance, CHANGE_SAMPLES)
        self.other_pictures = RateDetector(CHANGED_PICTURES, CHANGE_SAMPLES)
        self.pictures = ReadPictures()
        self.repeats, self.wrong_repeats = 0, 0
        """Pictures that were read before, and the wrong ones among them."""

    def add(self, keys: Sequence[int], wrong: np.ndarray) -> tuple[np.ndarray, list[Kind]]:
        """Adds pictures. Returns which are fresh, bool [N], and the kinds of alarms."""
        fresh, changed = self.pictures.add(keys, wrong)
        self.repeats += len(changed)
        self.wrong_repeats += int(np.sum(wrong & ~fresh))
        found: list[tuple[Kind, bool]] = [
            ("exceeded", self.rate.add(wrong[fresh])),
            ("changed", self.rise.add(wrong[fresh])),
            ("other_pictures", self.other_pictures.add(changed)),
        ]
        return fresh, [kind for kind, is_alarm in found if is_alarm]


class VersionAudit:
    """Everything of one version. It has no thread and no clock: the same samples and times give the same state.

    Args:
        model: name of the model.
        version: number of the version.
        sha256: SHA-256 of the generator's file.
        tolerance: highest acceptable error rate.
        place: how many versions of the model were watched, with this one; for the confidence of its bounds.
        num_classes: number of classes of the generator, 0 for an unconditional one.
        read_classes: number of classes of the classifier.
        latent_dim: length of its latent vectors.
        seed: seed of the audit.
    """

    def __init__(
        self,
        *,
        model: str,
        version: int,
        sha256: str,
        tolerance: float,
        place: int,
        num_classes: int,
        read_classes: int,
        latent_dim: int,
        seed: int = 0,
    ) -> None:
        self.model, self.version, self.sha256, self.tolerance = model, version, sha256, tolerance
        self.confidence = confidence_of_version(place)
        self.sources: dict[Source, SourceAudit] = {
            source: SourceAudit(tolerance, self.confidence) for source in ("seeds", "truncated", "latents")
        }
        self.is_conditional = num_classes > 0
        self.read = np.zeros(read_classes, np.int64)
        """How often each class was read."""
        self.wrong_by_class = np.zeros(num_classes or read_classes, np.int64)
        """Wrong samples by the class that was asked; by the class that was read, of an unconditional generator."""
        own_seed = hashlib.blake2b(f"{seed}/ties/{model}/{sha256}".encode(), digest_size=8).digest()
        self.labels = LabelDrift(num_classes or read_classes, DRIFT_SAMPLES, int.from_bytes(own_seed, "big"))
        self.latents = LatentDrift(latent_dim, DRIFT_SAMPLES)
        self._alarms: dict[tuple[Kind, Source | None], tuple[Alarm, float]] = {}
        """The newest alarm of each kind and source, and when it was raised."""
        self.confirmations = list[Confirmation]()
        """All checks of alarms, for the confidence of the next one: one in 10 minutes at most."""
        self.checks = deque[CheckedAlarm](maxlen=SHOWN_CHECKS)
        """The last checks of alarms."""

    @property
    def alarms(self) -> list[Alarm]:
        """The newest alarm of each kind and source, in the order of time."""
        return [alarm for alarm, _ in self._alarms.values()]

    def add_check(self, check: CheckedAlarm) -> None:
        """Adds a check of an alarm."""
        self.checks.append(check)
        self.confirmations.append(as_confirmation(check))

    def add(self, samples: ReadSamples, now: float) -> list[Alarm]:
        """Adds samples that were read at a time in seconds. Returns the alarms."""
        fresh, kinds = self.sources[samples.source].add(samples.keys, samples.wrong)
        found: list[tuple[Kind, Source | None]] = [(kind, samples.source) for kind in kinds]
        np.add.at(self.read, samples.read, 1)
        classes = samples.read if samples.asked is None else samples.asked
        np.add.at(self.wrong_by_class, classes[samples.wrong], 1)
        # of a conditional generator one class a request, since a request may ask for one class many times
        which = fresh & (samples.source == "seeds") if samples.asked is None else samples.stands
        if self.labels.add(classes[which]):
            found.append(("label_drift", None))
        if samples.latents is not None and self.latents.add(samples.latents):
            found.append(("latent_drift", None))
        return [alarm for kind, source in found if (alarm := self._alarm(kind, source, now)) is not None]

    def _alarm(self, kind: Kind, source: Source | None, now: float) -> Alarm | None:
        """Returns an alarm and keeps it; None: the last one of this kind and source was not long ago."""
        before, at = self._alarms.get((kind, source), (None, now))
        if before is not None and now - at < (REPEAT_SECONDS if kind in STOPPING else DRIFT_REPEAT_SECONDS):
            return None
        rate = self.sources[source or "seeds"].rate
        lower, upper = rate.bounds
        alarm = Alarm(
            kind=kind,
            source=source,
            model=self.model,
            version=self.version,
            sha256=self.sha256,
            reason=_reason(kind, rate, lower),
            tolerance=self.tolerance,
            audited=rate.n,
            wrong=rate.wrong,
            lower=lower,
            upper=upper,
            confidence=self.confidence,
            times=1 if before is None else before.times + 1,
        )
        self._alarms.pop((kind, source), None)
        self._alarms[kind, source] = alarm, now
        return alarm


def _reason(kind: Kind, rate: AuditedRate, lower: float) -> str:
    tolerance = f"{100 * rate.tolerance:.3g} %"
    if kind == "exceeded":
        return f"{rate.wrong:,} of {rate.n:,} pictures are wrong: at least {100 * lower:.3g} %, tolerance {tolerance}"
    return {
        "changed": f"the error rate has risen above the tolerance of {tolerance}",
        "other_pictures": "pictures that are asked again are no longer those that they were",
        "label_drift": "clients ask for other classes than before",
        "latent_drift": "latents of clients are not standard normal",
    }[kind]
