"""Shows a progress bar, and prints one line per interval."""

import time

import keras
from rich.console import Console

from gan.distributed.replicas import scalar
from gan.models.adaptive import PROBABILITY
from gan.utils.arguments import checked
from gan.utils.display import progress_bar

SHOWN = {
    "g_loss": "g_loss",
    "d_loss": "d_loss",
    "real_accuracy": "real_accuracy",
    "fake_accuracy": "fake_accuracy",
    PROBABILITY: "augment",
    "val_frechet_distance": "frechet",
    "val_error_rate": "error_rate",
}
"""Log names that an interval's line shows -> their names in that line. The line fits a narrow terminal."""


class Progress(keras.callbacks.Callback):
    """Shows images seen, images/s and the remaining time on `console`. Prints losses and quality once per epoch.

    If the console is not a terminal, only the lines are printed, without a bar.
    """

    @checked
    def __init__(self, console: Console, *, total_images: int, first_image: int = 0) -> None:
        super().__init__()
        self.total_images = total_images
        self._seen = first_image
        self._bar = progress_bar(console)
        self._task = self._bar.add_task("compiling", total=total_images, completed=first_image, speed="-")
        self._mark = (0.0, first_image)

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self._bar.start()
        self._mark = (time.monotonic(), self._seen)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._seen = int(scalar(self.model.images_seen))
        speed = f"{self._speed():,.0f}"
        self._bar.update(self._task, completed=self._seen, description="training", speed=speed)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        values = "  ".join(f"{short} {(logs or {})[name]:.3f}" for name, short in SHOWN.items() if name in (logs or {}))
        self._bar.console.print(
            f"{self._seen:>9,} images  {self._speed():>6,.0f} images/s  {values}", highlight=False, soft_wrap=True
        )
        self._mark = (time.monotonic(), self._seen)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        self._bar.stop()

    def _speed(self) -> float:
        since, seen = self._mark
        return (self._seen - seen) / max(time.monotonic() - since, 1e-9)
