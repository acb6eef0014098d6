"""A version of a served model: its engine, and what became of it."""

from dataclasses import dataclass
from typing import Literal

from gan.deployment.serve.acceptance import Evidence
from gan.deployment.serve.batching import BatchQueue
from gan.errors import Json
from gan.saving.engines.engine import Engine

Decision = Literal["SERVED", "PREVIOUS", "REFUSED", "ROLLED_BACK", "REPLACED"]
"""What became of a version. `SERVED` and `PREVIOUS` are loaded; a rollback returns to the previous one."""


class ModelStoppedError(Exception):
    """The version of a request was stopped. The text says why."""


@dataclass(eq=False)
class Version:
    """A version of a model. It is loaded, or it was refused or replaced."""

    number: int
    sha256: str
    evidence: Evidence | None
    class_names: tuple[str, ...]
    decision: Decision
    weights: str = "float32"
    """Number type of the stored kernels."""
    license: str | None = None
    is_mixture: bool = False
    """Whether its first latent number chooses one of several generators, see `SavedGenerator.is_mixture`."""
    reason: str = ""
    """Why it was refused."""
    stopped: str = ""
    """Why it no longer answers, although it is loaded: an alarm of the audit. Empty: it answers."""
    engine: Engine | None = None
    queue: BatchQueue | None = None
    latent_dim: int = 0
    num_classes: int = 0
    image_shape: tuple[int, ...] = ()
    """These three are known from its first load on, also after it was released."""

    @property
    def queued(self) -> int:
        """Number of samples that wait."""
        queue = self.queue
        return 0 if queue is None else queue.queued

    def load(self, engine: Engine, queue: BatchQueue) -> None:
        """Makes it ready to serve."""
        self.latent_dim, self.num_classes, self.image_shape = engine.latent_dim, engine.num_classes, engine.image_shape
        self.engine, self.queue = engine, queue

    def release(self) -> None:
        """Finishes its requests, and frees its memory."""
        queue, self.engine, self.queue = self.queue, None, None
        if queue is not None:
            queue.close()

    def as_dict(self) -> dict[str, Json]:
        """Returns the entry of `model_version_status`: TensorFlow Serving's fields, the decision and the report."""
        loaded = self.decision in ("SERVED", "PREVIOUS")
        refused = self.decision == "REFUSED"
        code, message = ("FAILED_PRECONDITION", f"refused: {self.reason}") if refused else ("OK", "")
        if self.stopped:
            code, message = "UNAVAILABLE", f"stopped: {self.stopped}"
        return {
            "version": str(self.number),
            "state": "AVAILABLE" if loaded else "END",
            "status": {"error_code": code, "error_message": message},
            "decision": self.decision,
            "sha256": self.sha256,
            "report": None if self.evidence is None else self.evidence.as_dict(),
        }


def other_signature(new: Version, served: Version) -> str | None:
    """Returns what the clients of a version cannot know about a new one, or None."""
    for name in ("latent_dim", "num_classes", "image_shape"):
        mine, theirs = getattr(new, name), getattr(served, name)
        if mine != theirs:
            return f"its {name} is {mine}, that of the served version {theirs}"
    return None
