"""gan text train model."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainLanguageModel:
    """Train a language model."""

    seed: int = 0
    """Seed of all random numbers."""

    def run(self) -> int:
        """Runs the command."""
        raise NotImplementedError
