"""gan text train recognizer, and gan text recognize."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainRecognizer:
    """Train a recognizer of categories."""

    seed: int = 0
    """Seed of all random numbers."""

    def run(self) -> int:
        """Runs the command."""
        raise NotImplementedError


@dataclass(frozen=True)
class Recognize:
    """Recognize the category of texts, and the features that decided."""

    seed: int = 0
    """Seed of all random numbers."""

    def run(self) -> int:
        """Runs the command."""
        raise NotImplementedError
