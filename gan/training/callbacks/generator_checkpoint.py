"""Saves the averaged generator after every interval."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from gan.distributed.replicas import scalar
from gan.errors import TrainingError
from gan.saving import files


class GeneratorCheckpoint(keras.callbacks.Callback):
    """Writes `model.generator_ema` to `path` (.keras) at the end of every epoch; the file is always a whole one.

    Weights that are NaN or infinite are not written, but are a `TrainingError`: what was saved before stays.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.save()

    def save(self) -> None:
        """Writes the average as it is now."""
        if not all(np.isfinite(weight.numpy()).all() for weight in self.model.generator_ema.weights):
            step = int(scalar(self.model.step))
            raise TrainingError(f"The averaged generator is NaN or infinite at step {step}.")
        files.write(self.path, self.model.generator_ema.save)
