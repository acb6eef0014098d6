"""A generator whose wrong samples are known, and a classifier that reads every sample without a mistake."""

from typing import Any

import keras
import numpy as np

from gan import sampling
from gan.evaluation.features import FEATURES
from gan.saving.engines.engine import Engine

CLASSES = 3
BOUND = 1.5
"""A sample is wrong if its first latent is above this: 6.7 % of all."""


class KnownErrors(Engine):
    """Draws the one-hot code of the label, and that of the next class if the first latent is above `BOUND`."""

    def __init__(self) -> None:
        self.latent_dim, self.num_classes, self.image_shape = 2, CLASSES, (1, CLASSES, 1)
        self.largest_batch = 0

    def __call__(self, latents: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        assert labels is not None
        self.largest_batch = max(self.largest_batch, len(latents))
        shown = (labels + (latents[:, 0] > BOUND)) % CLASSES
        return (2 * np.eye(CLASSES, dtype=np.float32)[shown] - 1).reshape(-1, *self.image_shape)


def known_wrong(seed: int, indices: np.ndarray) -> np.ndarray:
    """Returns which samples of `KnownErrors` are wrong: bool [N]."""
    return sampling.latents(seed, indices, 2)[:, 0] > BOUND


def reader() -> Any:
    """Returns a classifier of the images of `KnownErrors` that makes no mistake."""
    shown = keras.Input((1, CLASSES, 1))
    features = keras.layers.Reshape((CLASSES,), name=FEATURES)(shown)
    logits = keras.layers.Dense(CLASSES, use_bias=False)
    model = keras.Model(shown, logits(features))
    logits.set_weights([10 * np.eye(CLASSES, dtype=np.float32)])
    return model
