"""Handles failed and resumed runs: messages, clean-up, and whether a run can be resumed."""

import math
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import tensorflow as tf
from rich.console import Console

from gan.config import TrainConfig
from gan.data.dataset import Dataset
from gan.distributed.replicas import scalar
from gan.errors import InputError, TrainingError
from gan.models.gan import GAN
from gan.saving import files, log_file, run_folder, training_state
from gan.saving.commands import restart_command, resume_command
from gan.saving.metadata import RunMetadata
from gan.saving.training_state import State
from gan.training import callbacks
from gan.training.loop import Schedule
from gan.training.setup import TrainingSetup
from gan.utils.device_errors import device_failure, is_out_of_memory


def console_log(console: Console) -> Callable[[str], None]:
    """Returns a function that prints a line on the console of the progress bar."""
    return partial(console.print, highlight=False, soft_wrap=True, markup=False)


@contextmanager
def report_failure(
    folder: Path, gan: GAN, state: callbacks.TrainingState, log: Callable[[str], None], *, remove: bool
) -> Iterator[None]:
    """Reports what a failed run has saved. With `remove`, a folder without a generator is removed."""
    try:
        yield
    except BaseException:
        saved = ""
        if (folder / run_folder.GENERATOR).exists():
            saved = f"the generator of the last interval is in {folder}; "
        if saved or not remove:
            saved += resume_hint(folder, state.last)
        else:
            shutil.rmtree(folder, ignore_errors=True)
            saved = f"nothing was saved yet, so {folder} was removed"
        log(f"Training aborted at step {int(scalar(gan.step))}; {saved}")
        raise


@contextmanager
def loss_errors(gan: GAN, run: Path | None = None) -> Iterator[None]:
    """Turns TensorFlow's error about a NaN or infinite loss into a `TrainingError` that names the step.

    run: folder of the run. While it exists, the error suggests a new run that starts from its generator. None: no
        suggestion.
    """
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        found = re.search(r"(d_loss|g_loss) : Tensor had (NaN|Inf)", str(error))
        if found is None:
            raise
        step = int(scalar(gan.step)) + 1
        command = restart_command(run, slower=True) if run is not None and run.exists() else None
        advice = "" if command is None else f" ({command})"
        raise TrainingError(
            f"{found[1]} became {found[2]} at step {step}. A lower learning rate may help{advice}."
        ) from error


@contextmanager
def device_errors() -> Iterator[None]:
    """Turns an error about full memory or a failed GPU into a `TrainingError`, see `gan.utils.device_errors`."""
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error):
            raise TrainingError(
                "Out of memory. A smaller --batch-size, network width or --image-size needs less memory."
            ) from error
        if (failure := device_failure(error)) is not None:
            raise TrainingError(failure) from error
        raise


def remove_later_results(
    folder: Path, saved: State | None, run_log: callbacks.RunLog, grid: callbacks.SampleGrid
) -> None:
    """Removes results newer than a state, and partially written files, from a run folder. None: all results."""
    files.remove_partial(folder)
    run_log.cut_back(saved.interval if saved else 0)
    grid.cut_back(saved.images if saved else 0)
    training_state.discard_after(folder, saved)


def check_resumable(folder: Path, saved: State | None, damaged: list[str]) -> None:
    """Raises `InputError` when there is no intact state and starting again would lose more than one interval."""
    done = log_file.last_row(folder / run_folder.LOG).get("interval", 0)
    if saved is None and (damaged or done > 1):
        command = restart_command(folder)
        raise InputError(
            "This run has no intact state, and starting again would overwrite its generator",
            expected=f"an intact one in {folder / training_state.FOLDER}, or a new run"
            + (f": {command}" if command else " that starts from it (`init_from`)"),
            received="; ".join(damaged) or "no state",
        )


def resume_message(folder: Path, saved: State | None, schedule: Schedule) -> str:
    """Returns the message that says where a resumed run continues."""
    if saved is None:
        return f"{folder}: no interval is complete; starting again from step 0"
    message = (
        f"{folder}: resuming from interval {saved.interval} of {schedule.intervals}, "
        f"step {saved.step:,} of {schedule.total_steps:,}"
    )
    logged = log_file.last_row(folder / run_folder.LOG).get("interval", 0)
    return message + ("; later results are discarded and computed again" if logged > saved.interval else "")


def finished_message(folder: Path, record: RunMetadata) -> str:
    """Returns the message that says how a finished run can continue."""
    way = f"{resume_command(folder, '--images', 'N')} makes it longer"
    if record.result is not None and record.result.stopped_by:
        command = restart_command(folder)
        way = f"it was stopped by {record.result.stopped_by}" + (
            f"; {command} starts from its generator" if command else ""
        )
    return f"{folder} is finished: there is nothing to resume ({way})"


def check_no_dataset(folder: Path, record: RunMetadata, config: TrainConfig) -> None:
    """Raises `InputError` if a finished run gets a new place of its dataset, which nothing would read."""
    if config.data.dataset != record.config.data.dataset:
        raise InputError(
            "A finished run reads no dataset",
            expected="a new length as well: "
            + resume_command(folder, "--dataset", config.data.dataset, "--images", "N"),
            received=f"{config.data.dataset!r} and no new length",
        )


def moved_message(record: RunMetadata, dataset: Dataset) -> str:
    """Returns the message that the dataset of a resumed run has another name or place."""
    digest = dataset.fingerprint[:12]
    return f"{dataset.name} holds the training images of {record.dataset.name} (SHA-256 {digest}): going on from there"


@contextmanager
def new_place_hint(folder: Path, record: RunMetadata) -> Iterator[None]:
    """Adds to the error about a dataset that is not available how a run resumes with its new place.

    A finished run also needs a new length.
    """
    try:
        yield
    except InputError as error:
        length = ("--images", "N") if record.is_finished else ()
        command = resume_command(folder, "--dataset", "NEW", *length)
        raise InputError(
            error.problem,
            expected=f"{error.expected}, or its new place: {command}",
            received=error.received,
        ) from error


def length_message(record: RunMetadata, setup: TrainingSetup) -> str:
    """Returns the message that a resumed run has another length, and what its learning rate will be."""
    schedule, end = setup.schedule, setup.config.learning_rate_end
    now = f"The run has {schedule.total_steps:,} steps ({schedule.total_images:,} images) instead of"
    if end == 1.0:
        return f"{now} {record.total_steps:,}; its learning rate stays constant"
    (rate, _), step = setup.config.optimization.learning_rates, schedule.first_step
    before, after = (_cosine(step / total, end) * rate for total in (record.total_steps, schedule.total_steps))
    return (
        f"{now} {record.total_steps:,}; its learning rate follows the cosine of the new length: from step {step:,} on "
        f"{after:.3g} instead of {before:.3g}, at the end {end * rate:.3g}"
    )


def _cosine(share: float, end: float) -> float:
    """Returns the learning rate after a share of a run, as a share of the first one, see `compile_gan`."""
    return end + (1 - end) * (1 + math.cos(math.pi * min(share, 1.0))) / 2


def resume_hint(folder: Path, last: State | None) -> str:
    """Returns the message that says how to resume an interrupted run."""
    command = resume_command(folder)
    if last is None:
        return f"no interval is complete yet; {command} starts again from step 0"
    return f"the last complete state is from step {last.step:,}; {command} resumes from it"
