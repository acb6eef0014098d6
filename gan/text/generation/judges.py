"""What judges generated texts, and the categories that it must know. Does not import TensorFlow."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from gan.errors import InputError

FEWEST = 100
"""Fewest generated texts that are judged, and fewest texts of a split to compare them with."""


class TextJudge(Protocol):
    """What judges texts, such as a `Recognizer`."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the categories, in the order of the logits."""

    def outputs(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """Returns {`features`: float32 [N, F], `logits`: float32 [N, categories]} of texts."""


def class_places(class_names: Sequence[str], known: Sequence[str]) -> np.ndarray:
    """Returns the index of each category in the logits of a judge of the categories `known`: int32 [K].

    Raises `InputError` without categories, and for one that the judge does not know.
    """
    unknown = [name for name in class_names if name not in known]
    if unknown or not class_names:
        received = ", ".join(unknown[:5]) or "texts without categories"
        raise InputError(
            "The judge does not know these categories", expected=f"some of {list(known)}", received=received
        )
    return np.array([known.index(name) for name in class_names], np.int32)
