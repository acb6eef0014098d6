"""Callbacks that save the networks of a GAN after every interval."""

from abc import abstractmethod
from pathlib import Path

import keras
import numpy as np

from gan.distributed.replicas import scalar
from gan.errors import TrainingError
from gan.saving import files


class _NetworkCheckpoint(keras.callbacks.Callback):
    """Writes a network to `path` (.keras) at the end of every epoch, atomically.

    Weights that are NaN or infinite are not written, but are a `TrainingError`: what was saved before stays.
    """

    title: str

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    @property
    @abstractmethod
    def network(self) -> keras.Model:
        """The network that is saved."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.save()

    def save(self) -> None:
        """Writes the network as it is now."""
        if not all(np.isfinite(np.asarray(weight)).all() for weight in self.network.weights):
            raise TrainingError(f"The {self.title} is NaN or infinite at step {int(scalar(self.model.step))}.")
        files.write(self.path, self.network.save)

    def save_missing(self) -> None:
        """Writes the network unless its file is there."""
        if not self.path.exists():
            self.save()


class GeneratorCheckpoint(_NetworkCheckpoint):
    """Writes `model.generator_ema`, in float32. Of generators of this package it has built-in layers only."""

    title = "averaged generator"

    @property
    def network(self) -> keras.Model:
        return self.model.generator_ema


class DiscriminatorCheckpoint(_NetworkCheckpoint):
    """Writes `model.discriminator` as it trains: in its precision, and with layers of this package where it has any."""

    title = "discriminator"

    @property
    def network(self) -> keras.Model:
        return self.model.discriminator
