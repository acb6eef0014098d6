"""gan text generate."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GenerateTexts:
    """Generate texts."""

    seed: int = 0
    """Seed of all random numbers."""

    def run(self) -> int:
        """Runs the command."""
        raise NotImplementedError
