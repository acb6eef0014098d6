"""Writes log.csv, one row per interval."""

import csv
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

from gan.distributed.replicas import scalar
from gan.saving import files
from gan.training.callbacks.resumable import ResumableCallback
from gan.utils.arguments import checked


class LogState(TypedDict):
    """State of `RunLog`, in JSON types."""

    seconds: float
    compile_seconds: float | None


class RunLog(ResumableCallback[LogState]):
    """Appends one row per epoch to a CSV file: interval, images, seconds, learning_rate, then all logs of the epoch.

    `images` is the number of real images seen since the run began. `seconds` is the training time since then; for a
    resumed run, it excludes discarded results and the time between the processes. `learning_rate` is G's rate.
    `compile_seconds` is the duration of the first graph call, nearly all of it compilation; resuming adds to it.
    """

    state_type = LogState

    @checked
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.last_row: dict[str, float] = {}
        self._executed = False
        self._began = 0.0
        self.reset()

    def reset(self) -> None:
        self.compile_seconds: float | None = None
        self._seconds_before = self._compiled_before = 0.0

    def cut_back(self, interval: int) -> int:
        """Keeps rows 1, ..., `interval` of the file, atomically. Returns the number of removed rows."""
        if not self.path.exists():
            return 0
        header, rows = _table(self.path)
        kept = [row for row in rows if len(row) == len(header) and row[0].isdecimal() and int(row[0]) <= interval]
        if not kept:
            self.path.unlink()
            return len(rows)
        with (
            files.atomically(self.path) as beside,
            beside.open("w", newline="", encoding="utf-8") as file,
        ):
            csv.writer(file).writerows([header, *kept])
        self.last_row = last_row(self.path)
        return len(rows) - len(kept)

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
        }
        new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.last_row)
            if new:
                writer.writeheader()
            writer.writerow(self.last_row)
            file.flush()
            os.fsync(
                file.fileno()
            )  # the state of this interval is written later and must not reach the disk before the row

    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._began


def last_row(path: Path) -> dict[str, float]:
    """Returns the last complete row of a log file as numbers. Empty if there is none."""
    return (_rows(path) or [{}])[-1]


def images_at(path: Path, interval: int | None) -> int:
    """Returns the images seen at the end of an interval (None: the last) of a log file. 0 if there is no row for it."""
    rows = [row for row in _rows(path) if interval in (None, row["interval"])]
    return int(rows[-1]["images"]) if rows else 0


def _rows(path: Path) -> list[dict[str, float]]:
    """Returns the complete rows as numbers. Skips rows with other text; files without a run's columns have no rows."""
    header, rows = _table(path)
    if not {"interval", "images"} <= set(header):
        return []
    found = []
    for row in rows:
        if len(row) == len(header):
            with suppress(ValueError):
                found.append({k: int(v) if k in ("interval", "images") else float(v) for k, v in zip(header, row)})
    return found


def _table(path: Path) -> tuple[list[str], list[list[str]]]:
    """Returns (header, rows) as text, including partial rows. Both are empty if the file does not exist."""
    if not path.exists():
        return [], []
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        header, *rows = list(csv.reader(file)) or [[]]
    return header, rows
