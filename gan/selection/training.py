"""Runs trials: trains a candidate to the end of an interval, and looks at its generator."""

import time
from collections.abc import Callable
from pathlib import Path

import keras
from rich.console import Console

from gan.errors import InputError, TrainingError
from gan.saving import files, metadata, run_folder, training_state
from gan.selection.looks import ValidationLook
from gan.selection.trial import TrialResult, TrialTask, run_log
from gan.training import callbacks
from gan.training.train import resume, train
from gan.utils import tensorflow as runtime


def complete_intervals(folder: Path) -> int:
    """Returns the number of intervals of the run in a folder whose state is complete; 0 if there is none."""
    state = training_state.latest(folder)[0] if folder.exists() else None
    return 0 if state is None else state.interval


def run_trial(task: TrialTask, after_interval: Callable[[Path], None] | None = None) -> TrialResult:
    """Runs a trial in this process. A run that was trained so far, or further, is only looked at.

    Args:
        task: the task.
        after_interval: called with the run folder after each interval, when its state is complete.

    Returns a failure for a training that cannot start or continue, such as after a NaN loss. Raises `InputError` for
    what all candidates have in common, such as a dataset that is not available, and for a run that another process
    trains.
    """
    started = time.monotonic()
    folder = Path(task.folder)
    runtime.prepare(deterministic=task.config.deterministic)
    validation = ValidationLook.of(task.config.data, task.probe)
    if training_state.is_locked(folder):
        raise InputError("Another process trains in this folder", expected="one process per run", received=str(folder))
    try:
        images = _train(task, folder, after_interval)
    except (InputError, TrainingError) as error:
        return TrialResult(failure=str(error), seconds=time.monotonic() - started)
    look = validation.measure(folder / run_folder.GENERATOR, num=task.num, seed=task.seed, images=images)
    return TrialResult(look=look, seconds=time.monotonic() - started)


def _train(task: TrialTask, folder: Path, after_interval: Callable[[Path], None] | None) -> int:
    """Trains until the end of the task, and returns the images that D has seen.

    The state decides what is done: it is written after the generator of its interval. A run ends with its result.
    """
    is_new = not (folder / run_folder.CONFIG).exists()
    done = None if is_new else metadata.load(folder).result
    if done is not None and not done.interrupted:
        return done.images
    state = None if is_new else training_state.latest(folder)[0]
    if state is not None and state.interval >= task.intervals and not task.is_last:
        return state.images
    listeners = [] if after_interval is None else [_AfterInterval(folder, after_interval)]
    listeners += [] if task.is_last else [callbacks.PauseAfter(task.intervals)]
    folder.parent.mkdir(parents=True, exist_ok=True)
    if is_new and folder.exists():
        _remove_leftovers(folder)
    with run_log(folder).open("a", encoding="utf-8") as file:
        console = Console(file=file, width=120)
        if is_new:
            run = train(task.config, output=folder, preset=task.preset, console=console, listeners=listeners)
        else:
            run = resume(folder, console=console, listeners=listeners)
    if run.signal is not None:  # of a person, or of the program that runs the trial
        raise KeyboardInterrupt
    return run.images


def _remove_leftovers(folder: Path) -> None:
    """Removes what a process leaves that was killed while it began a run: the lock and partial files, no others."""
    state = folder / training_state.FOLDER
    files.remove_partial(folder)
    files.remove_partial(state)
    if state.is_dir() and [path.name for path in state.iterdir()] in ([], [training_state.LOCK]):
        (state / training_state.LOCK).unlink(missing_ok=True)
        state.rmdir()


class _AfterInterval(keras.callbacks.Callback):
    def __init__(self, folder: Path, call: Callable[[Path], None]) -> None:
        super().__init__()
        self._folder, self._call = folder, call

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._call(self._folder)
