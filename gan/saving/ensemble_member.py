"""A member of an ensemble of classifiers, as its card records it."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta


@dataclass(frozen=True, kw_only=True)
class EnsembleMember:
    """A classifier whose probabilities, softmax(logits / temperature), count with a weight in those of an ensemble."""

    name: str
    """Name in the card of the classifier."""
    sha256: str
    """SHA-256 of the classifier's file."""
    weight: Annotated[float, Meta(ge=0, le=1)]
    """0: the ensemble does not contain this classifier."""
    temperature: Annotated[float, Meta(gt=0)] = 1.0
    """Logits are divided by it before the softmax."""
    members: "tuple[EnsembleMember, ...]" = ()
    """The members of a classifier that is an ensemble itself."""
