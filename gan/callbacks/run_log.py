"""log.csv: one row an interval."""

import csv
import time
from pathlib import Path
from typing import Any

import keras


class RunLog(keras.callbacks.Callback):
    """Appends one row an epoch to a CSV file: interval, images, seconds, learning_rate, then the epoch's logs by name.

    `images` counts the reals seen since the run began, `seconds` the time since then; `learning_rate` is G's.
    `compile_seconds`, the time of the first execution, is nearly all compilation.
    """

    def __init__(self, path: Path, *, images_per_step: int) -> None:
        super().__init__()
        self.path = path
        self.images_per_step = images_per_step
        self.last_row: dict[str, Any] = {}
        self.compile_seconds: float | None = None
        self._began = 0.0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._began = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.compile_seconds is None:
            self.compile_seconds = time.monotonic() - self._began

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.last_row = {
            "interval": epoch + 1,
            "images": int(self.model.g_optimizer.iterations) * self.images_per_step,
            "seconds": round(time.monotonic() - self._began, 3),
            "learning_rate": float(self.model.g_optimizer.learning_rate),
            **{name: float(value) for name, value in (logs or {}).items()},
        }
        new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.last_row)
            if new:
                writer.writeheader()
            writer.writerow(self.last_row)
