"""Writes log.csv, one row per interval."""

import csv
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypedDict

from gan.distributed.replicas import scalar
from gan.saving import log_file
from gan.training.callbacks.resumable import ResumableCallback
from gan.utils.arguments import checked


class HasNumbers(Protocol):
    """A callback with numbers of the last epoch for a log, besides those that Keras logs."""

    @property
    def numbers(self) -> Mapping[str, float]:
        """{name: number}, always with the same names; NaN: not known."""


class LogState(TypedDict):
    """State of `RunLog`, in JSON types."""

    seconds: float
    compile_seconds: float | None


class RunLog(ResumableCallback[LogState]):
    """Appends one row per epoch to a CSV file: interval, images, seconds, learning_rate, then all logs of the epoch.

    `images` is the number of real images seen since the run began. `seconds` is the training time since then; for a
    resumed run, it excludes discarded results and the time between the processes. `learning_rate` is G's rate.
    `compile_seconds` is the duration of the first graph call, nearly all of it compilation; resuming adds to it.

    `sources` are callbacks with more numbers, called before this one: `ToleranceEarlyStopping.numbers`. A file that an
    earlier revision began keeps its columns.
    """

    state_type = LogState

    @checked
    def __init__(self, path: Path, *, sources: Sequence[HasNumbers] = ()) -> None:
        super().__init__()
        self.path = path
        self.sources = list(sources)
        self.last_row: dict[str, float] = {}
        self._executed = False
        self._began = 0.0
        self.reset()

    def reset(self) -> None:
        self.compile_seconds: float | None = None
        self._seconds_before = self._compiled_before = 0.0

    def cut_back(self, interval: int) -> int:
        """Keeps rows 1, ..., `interval` of the file, atomically. Returns the number of removed rows."""
        removed = log_file.cut_back(self.path, interval)
        self.last_row = log_file.last_row(self.path) or self.last_row
        return removed

    def get_state(self) -> LogState:
        """Returns the seconds of training and of compilation so far."""
        return {"seconds": self._seconds(), "compile_seconds": self.compile_seconds}

    def restore(self, state: LogState) -> None:
        self._seconds_before = state["seconds"]
        self.compile_seconds = state["compile_seconds"]
        self._compiled_before = self.compile_seconds or 0.0

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        super().on_train_begin(logs)
        self._began = time.monotonic()
        self._executed = False

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if not self._executed:
            self._executed = True
            self.compile_seconds = self._compiled_before + time.monotonic() - self._began

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.last_row = {
            "interval": epoch + 1,
            "images": int(scalar(self.model.images_seen)),
            "seconds": round(self._seconds(), 3),
            "learning_rate": float(scalar(self.model.g_optimizer.learning_rate)),
            **{name: float(value) for name, value in (logs or {}).items()},
            **{name: float(value) for source in self.sources for name, value in source.numbers.items()},
        }
        header, _ = log_file.table(self.path)
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, header or self.last_row, extrasaction="ignore")
            if not header:
                writer.writeheader()
            writer.writerow(self.last_row)
            file.flush()
            os.fsync(
                file.fileno()
            )  # the state of this interval is written later and must not reach the disk before the row

    def time_left(self, share: float, total_images: int) -> Callable[[float], float]:
        """Returns a function: seconds spent on something -> seconds left for it, as a share of the run's duration.

        The duration of the run of `total_images` follows from the rows so far, without these seconds.
        """

        def left(spent: float) -> float:
            row, compiled = self.last_row, self.compile_seconds or 0.0
            if not row:
                return math.inf
            whole = compiled + (row["seconds"] - compiled - spent) * total_images / row["images"]
            return share * whole - spent

        return left

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._began
