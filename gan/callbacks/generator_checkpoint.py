"""Saves the averaged generator after every interval."""

from pathlib import Path
from typing import Any

import keras

from gan import checkpoints


class GeneratorCheckpoint(keras.callbacks.Callback):
    """Writes `model.generator_ema` to `path` (.keras) at the end of every epoch; the file is always a whole one."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        checkpoints.write(self.path, self.model.generator_ema.save)
