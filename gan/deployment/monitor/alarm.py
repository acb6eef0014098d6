"""Alarms of the audit: what was found, and whether it may stop a model."""

from dataclasses import dataclass
from typing import Literal

from gan.errors import Json, as_json

Source = Literal["seeds", "truncated", "latents"]
"""Where the latents of a sample come from: a seed of the request, the same with bounded latents, or the client."""

Kind = Literal["exceeded", "changed", "other_pictures", "label_drift", "latent_drift"]
"""`exceeded`: the lower bound of the error rate is above the tolerance. `changed`: the error rate has risen above it.
`other_pictures`: pictures that are asked again are no longer those that they were. The others: clients ask otherwise.
"""

STOPPING: tuple[Kind, ...] = ("exceeded", "changed", "other_pictures")
"""Kinds that may nominate a version to be stopped."""

REPEAT_SECONDS, DRIFT_REPEAT_SECONDS = 600.0, 3_600.0
"""Least time between alarms of one kind, source and version: those that may nominate, and others."""


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """An alarm of a kind, source and version."""

    kind: Kind
    source: Source | None = None
    """None: of all requests."""
    model: str
    version: int
    sha256: str
    """SHA-256 of the generator's file."""
    reason: str
    tolerance: float
    audited: int
    """Number of different pictures of this source that were read."""
    wrong: int
    lower: float
    upper: float
    confidence: float
    """Of the bounds."""
    times: int = 1
    """How often it was raised so far."""

    @property
    def can_stop(self) -> bool:
        """Whether it may nominate a version to be stopped: a check on fresh samples decides.

        Drift and the latents of clients say nothing about a generator, so they do not.
        """
        return self.kind in STOPPING and self.source == "seeds"

    def as_dict(self) -> dict[str, Json]:
        """Returns the alarm in JSON types."""
        return as_json(self)
