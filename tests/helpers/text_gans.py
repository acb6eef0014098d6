"""Tiny text GANs, and judges by hand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gan.text.generation.text_gan_config import TextGanConfig
from helpers.recognizers import write_table

TINY = {
    "steps": 4, "intervals": 2, "batch_size": 8, "critic_steps": 1, "width": 4, "latent_dim": 4, "num": 100,
    "probe": "none", "judge": "none", "deterministic": True,
}  # fmt: skip
"""Options of a run of two intervals of two steps."""


def tiny_gan_config(folder: Path, **options: object) -> TextGanConfig:
    """Returns the options of a tiny text GAN of `write_table`."""
    return TextGanConfig(**{"data": str(write_table(folder / "names.csv")), **TINY, **options})  # type: ignore[arg-type]


class LastLetter:
    """A judge by hand: a text that ends in z is of the category `last`, any other one of `first`.

    The features are the number of characters and the number of the first one.
    """

    class_names = ("first", "last")

    def outputs(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """Returns the features and logits of texts."""
        is_last = np.array([text.endswith("z") for text in texts], np.float32)
        features = np.array([[len(text), ord(text[0]) if text else 0] for text in texts], np.float32)
        return {"features": features, "logits": np.stack([1 - is_last, is_last], axis=1)}
