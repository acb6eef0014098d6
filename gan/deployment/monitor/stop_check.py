"""Checks an alarm on fresh samples that no client can choose. Only a check stops a model."""

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gan import sampling
from gan.deployment.monitor.alarm import Alarm, Kind
from gan.deployment.serve.batching import Inputs
from gan.errors import Json, as_json
from gan.tolerance import Confirmation, clopper_pearson, next_confidence, planned_outcomes, verdict_of_bounds

FEWEST, MOST = 200, 10_000
"""Fewest and most samples of a check."""

POWER = 0.99
"""Probability that a check confirms an error rate with twice the odds of the tolerance, if `MOST` samples are enough.

That of the exact bounds is at least 0.97.
"""

PAUSE_SECONDS = 600.0
"""Least time from the end of a check to the next one of the same version."""

SHARES = 40
"""Checks of a version after which the error that is left no longer changes the confidence."""

Outcome = Literal["confirmed", "not_confirmed", "abandoned"]
"""`abandoned`: the version was replaced, the server ended, or the samples could not be drawn or read."""


@dataclass(frozen=True, kw_only=True)
class CheckedAlarm:
    """What a check has found."""

    outcome: Outcome
    kind: Kind
    """Kind of the alarm."""
    model: str
    version: int
    sha256: str
    attempt: int
    """Number of the check among those of this version, from 1."""
    wrong: int
    num: int
    """Fresh samples that were read."""
    lower: float
    upper: float
    confidence: float
    """Of these bounds, which are those of Clopper and Pearson."""
    tolerance: float
    problem: str = ""
    """Why it was abandoned."""

    @property
    def summary(self) -> str:
        """The numbers in words, or why there are none."""
        if self.problem:
            return self.problem
        return (
            f"{self.wrong:,} of {self.num:,} fresh samples are wrong: "
            f"{100 * self.lower:.3g} to {100 * self.upper:.3g} %, tolerance {100 * self.tolerance:.3g} %"
        )

    def as_dict(self) -> dict[str, Json]:
        """Returns the check in JSON types."""
        return as_json(self)


def check_size(tolerance: float, confidence: float) -> int:
    """Returns the number of samples of a check: `planned_outcomes` for twice the odds of the tolerance T, and `POWER`.

    The rate of twice the odds is p = 2 T / (1 + T). The number is from `FEWEST` to `MOST`.
    """
    rate = 2 * tolerance / (1 + tolerance)
    if rate <= tolerance:  # a tolerance of 1: nothing exceeds it
        return FEWEST
    return min(MOST, max(FEWEST, math.ceil(planned_outcomes(rate, tolerance, confidence, POWER))))


class StopCheck:
    """Fresh samples of a version, by a secret random seed and with uniform classes.

    Each check of a version has its share of the 5 % error (`gan.tolerance.next_confidence`). So a version whose error
    rate is within the tolerance is ever stopped with a probability of at most 5 %, however often a client causes a
    check, and whatever it asks.

    Args:
        alarm: what is checked.
        done: the checks of this version before.
        latent_dim: length of a latent vector.
        num_classes: number of classes, 0 for an unconditional generator.
    """

    def __init__(self, alarm: Alarm, done: Sequence[Confirmation], *, latent_dim: int, num_classes: int) -> None:
        self.alarm, self._attempt = alarm, len(done) + 1
        self.confidence = next_confidence(done[:SHARES])
        self.num = check_size(alarm.tolerance, self.confidence)
        """Number of samples that are planned."""
        self.read, self.wrong = 0, 0
        self._latent_dim, self._seed = latent_dim, secrets.randbits(32)
        random = np.random.default_rng(secrets.randbits(128))
        self._labels = random.integers(0, num_classes, self.num).astype(np.int32) if num_classes else None

    @property
    def is_done(self) -> bool:
        """Whether all samples were read."""
        return self.read >= self.num

    def next_rows(self, most: int) -> range:
        """Returns the next samples to draw, at most `most`."""
        return range(self.read, min(self.read + most, self.num))

    def inputs(self, rows: range) -> Inputs:
        """Returns the inputs of some samples."""
        latents = sampling.latents(self._seed, np.arange(rows.start, rows.stop), self._latent_dim)
        return latents, self.labels(rows)

    def labels(self, rows: range) -> np.ndarray | None:
        """Returns the classes of some samples, int32 [N], or None."""
        return None if self._labels is None else self._labels[rows.start : rows.stop]

    def add(self, wrong: np.ndarray) -> None:
        """Adds the outcomes of the next samples, bool [N]."""
        self.read += len(wrong)
        self.wrong += int(np.sum(wrong))

    def end(self, problem: str = "") -> CheckedAlarm:
        """Returns what was found. problem: why it was abandoned, or ""."""
        lower, upper = clopper_pearson(self.wrong, self.read, self.confidence) if self.read else (0.0, 1.0)
        outcome: Outcome = "confirmed" if lower > self.alarm.tolerance else "not_confirmed"
        return CheckedAlarm(
            outcome="abandoned" if problem else outcome,
            kind=self.alarm.kind,
            model=self.alarm.model,
            version=self.alarm.version,
            sha256=self.alarm.sha256,
            attempt=self._attempt,
            wrong=self.wrong,
            num=self.read,
            lower=lower,
            upper=upper,
            confidence=self.confidence,
            tolerance=self.alarm.tolerance,
            problem=problem,
        )


def as_confirmation(check: CheckedAlarm) -> Confirmation:
    """Returns a check as a confirmation, which spends its share of the error also if it was abandoned."""
    return Confirmation(
        attempt=check.attempt,
        interval=check.attempt,
        wrong=check.wrong,
        num=max(1, check.num),
        confidence=check.confidence,
        verdict=verdict_of_bounds((check.lower, check.upper), check.tolerance),
    )
