"""Handles failed and resumed runs: messages, clean-up, and whether a run can be resumed."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import tensorflow as tf
from rich.console import Console

from gan.distributed.replicas import scalar
from gan.errors import InputError, TrainingError
from gan.models.gan import GAN
from gan.saving import files, run_folder, training_state
from gan.saving.training_state import State
from gan.training import callbacks
from gan.training.loop import Schedule


def console_log(console: Console) -> Callable[[str], None]:
    """Returns a function that prints a line where progress goes."""
    return partial(console.print, highlight=False, soft_wrap=True, markup=False)


@contextmanager
def report_failure(
    folder: Path, gan: GAN, state: callbacks.TrainingState, log: Callable[[str], None], *, remove: bool
) -> Iterator[None]:
    """Reports what is left of a run that fails. `remove`: a folder without a generator is removed."""
    try:
        yield
    except BaseException:
        left = ""
        if (folder / run_folder.GENERATOR).exists():
            left = f"the generator of the last interval is in {folder}; "
        if left or not remove:
            left += resume_hint(folder, state.last)
        else:
            shutil.rmtree(folder, ignore_errors=True)
            left = f"nothing was saved yet: {folder} is removed"
        log(f"Broken off at step {int(scalar(gan.step))}; {left}")
        raise


@contextmanager
def loss_errors(gan: GAN, run: Path | None = None) -> Iterator[None]:
    """Turns TensorFlow's error about a loss that is NaN or infinite into a `TrainingError`, which names the step.

    run: a folder whose generator another run may start from, where it is still there; None: none.
    """
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        found = re.search(r"(d_loss|g_loss) : Tensor had (NaN|Inf)", str(error))
        if found is None:
            raise
        step = int(scalar(gan.step)) + 1
        advice = f" (gan train --init-from {run} --learning-rate ...)" if run is not None and run.exists() else ""
        raise TrainingError(
            f"{found[1]} became {found[2]} at step {step}. A lower learning rate may help{advice}."
        ) from error


@contextmanager
def memory_errors() -> Iterator[None]:
    """Turns an error about memory that did not suffice, in TensorFlow or Python, into a `TrainingError`."""
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise TrainingError("Out of memory. A smaller --batch-size, width or --image-size needs less.") from error


def remove_later_results(
    folder: Path, saved: State | None, run_log: callbacks.RunLog, grid: callbacks.SampleGrid
) -> None:
    """Removes from a run folder what came after a state, and what was half-written; None: after the start."""
    files.remove_partial(folder)
    run_log.cut_back(saved.interval if saved else 0)
    grid.cut_back(saved.images if saved else 0)
    training_state.discard_after(folder, saved)


def check_resumable(folder: Path, saved: State | None, damaged: list[str]) -> None:
    """Raises `InputError` when no state is whole, and starting again would lose more than an interval."""
    done = callbacks.run_log.last_row(folder / run_folder.LOG).get("interval", 0)
    if saved is None and (damaged or done > 1):
        raise InputError(
            "No state of this run is whole, and beginning anew would write over its generator",
            expected=f"a whole one in {folder / training_state.FOLDER}, or a new run: gan train --init-from {folder}",
            received="; ".join(damaged) or "none at all",
        )


def resume_message(folder: Path, saved: State | None, schedule: Schedule) -> str:
    """Returns the line about where a resumed run begins."""
    if saved is None:
        return f"{folder}: its first interval was never completed; beginning anew from step 0"
    return (
        f"{folder}: going on from interval {saved.interval} of {schedule.intervals}, "
        f"step {saved.step:,} of {schedule.total_steps:,}"
        + ("" if saved.stopped or saved.step == schedule.total_steps else "; what came after is made again")
    )


def resume_hint(folder: Path, last: State | None) -> str:
    """Returns the line about how an interrupted run can be resumed."""
    command = f"gan train --resume {folder}"
    if last is None:
        return f"no interval is complete yet; {command} begins anew"
    return f"the last complete state is that of step {last.step:,}; {command} goes on from there"
