"""gan text train gan."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainTextGan:
    """Train a GAN of texts."""

    seed: int = 0
    """Seed of all random numbers."""

    def run(self) -> int:
        """Runs the command."""
        raise NotImplementedError
