"""Runs trials: trains a candidate to the end of an interval, and looks at its generator."""

import time
from collections.abc import Callable
from pathlib import Path

import keras
from rich.console import Console

from gan.errors import TrainingError
from gan.saving import log_file, run_folder
from gan.selection.looks import ValidationLook
from gan.selection.trial import TrialResult, TrialTask, complete_intervals
from gan.training import callbacks
from gan.training.train import resume, train


def run_trial(task: TrialTask, after_interval: Callable[[Path], None] | None = None) -> TrialResult:
    """Runs a trial in this process. A run that was trained so far, or further, is only looked at.

    Args:
        task: the task.
        after_interval: called with the run folder after each interval, when its state is complete.

    Returns a failure for a training that cannot continue, such as after a NaN loss. Raises `InputError` for a task that
    cannot be run, such as of a dataset that is not available.
    """
    started = time.monotonic()
    folder = Path(task.folder)
    try:
        _train(task, folder, after_interval)
    except TrainingError as error:
        return TrialResult(failure=str(error), seconds=time.monotonic() - started)
    images = int(log_file.last_row(folder / run_folder.LOG)["images"])
    look = ValidationLook.of(task.config.data, task.probe).measure(
        folder / run_folder.GENERATOR, num=task.num, seed=task.seed, images=images
    )
    return TrialResult(look=look, seconds=time.monotonic() - started)


def _train(task: TrialTask, folder: Path, after_interval: Callable[[Path], None] | None) -> None:
    if complete_intervals(folder) >= task.intervals:
        return
    listeners = [] if after_interval is None else [_AfterInterval(folder, after_interval)]
    listeners.append(callbacks.PauseAfter(task.intervals))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(folder.suffix + ".log").open("a", encoding="utf-8") as file:
        console = Console(file=file, width=120)
        if (folder / run_folder.CONFIG).exists():
            run = resume(folder, console=console, listeners=listeners)
        else:
            run = train(task.config, output=folder, preset=task.preset, console=console, listeners=listeners)
    if run.signal is not None:  # of a person, or of the program that runs the trial
        raise KeyboardInterrupt


class _AfterInterval(keras.callbacks.Callback):
    def __init__(self, folder: Path, call: Callable[[Path], None]) -> None:
        super().__init__()
        self._folder, self._call = folder, call

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._call(self._folder)
