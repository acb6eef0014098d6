"""gan text train questions, and gan text ask."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainQuestions:
    """Train a reader of questions."""

    seed: int = 0
    """Seed of all random numbers."""

    def run(self) -> int:
        """Runs the command."""
        raise NotImplementedError


@dataclass(frozen=True)
class Ask:
    """Answer questions from known facts, or refuse."""

    seed: int = 0
    """Seed of all random numbers."""

    def run(self) -> int:
        """Runs the command."""
        raise NotImplementedError
