"""Saves the networks of a GAN after every interval."""

from abc import abstractmethod
from pathlib import Path

import keras
import numpy as np

from gan.distributed.replicas import scalar
from gan.errors import TrainingError
from gan.saving import files
from gan.utils.arguments import checked


class _NetworkCheckpoint(keras.callbacks.Callback):
    """Writes a network to `path` (.keras) at the end of every epoch, atomically.

    NaN or infinite weights raise `TrainingError` and are not written. The file of an earlier epoch does not change.
    """

    title: str

    @checked
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    @property
    @abstractmethod
    def network(self) -> keras.Model:
        """The network to save."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.save()

    def save(self) -> None:
        """Writes the current network."""
        if not all(np.isfinite(np.asarray(weight)).all() for weight in self.network.weights):
            raise TrainingError(
                f"The weights of the {self.title} are NaN or infinite at step {int(scalar(self.model.step))}."
            )
        files.write(self.path, self.network.save)

    def save_missing(self) -> None:
        """Writes the network if its file does not exist."""
        if not self.path.exists():
            self.save()


class GeneratorCheckpoint(_NetworkCheckpoint):
    """Writes `model.generator_ema` in float32. A generator of this package is saved with built-in layers only."""

    title = "averaged generator"

    @property
    def network(self) -> keras.Model:
        return self.model.generator_ema


class DiscriminatorCheckpoint(_NetworkCheckpoint):
    """Writes `model.discriminator` as trained: in its own precision, including any custom layers of this package."""

    title = "discriminator"

    @property
    def network(self) -> keras.Model:
        return self.model.discriminator
