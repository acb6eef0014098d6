"""What generates texts: a text GAN or a language model, saved or in memory."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable


@runtime_checkable
class TextGenerator(Protocol):
    """A model that generates texts. Text i of a seed is the same alone, in a batch, and in a run of a million."""

    class_names: tuple[str, ...]
    """Names of the categories that can be asked for; empty: none can."""

    def generate(self, num: int, *, seed: int = 0, start: int = 0, labels: Sequence[int] | None = None) -> list[str]:
        """Returns texts start, ..., start + num - 1 of a seed.

        Args:
            num: number of texts.
            seed: whole number, 0 <= seed < 2**32.
            start: index of the first text.
            labels: category of each text. None: index modulo the number of categories.
        """
