"""Changes the length of a run that is resumed, whether it is finished or not. Does not import TensorFlow."""

from dataclasses import replace
from pathlib import Path

from gan.config import OptimizationConfig, TrainConfig
from gan.errors import InputError
from gan.saving.commands import restart_command
from gan.saving.metadata import RunMetadata
from gan.saving.training_state import State

LENGTHS = ("images", "epochs", "steps")
"""Options of `OptimizationConfig` that set the length of a run."""


def has_new_length(record: RunMetadata, asked: TrainConfig) -> bool:
    """Returns whether the options ask for another number of train steps than the recorded one."""
    return new_length(record, asked) != record.total_steps


def new_length(record: RunMetadata, asked: TrainConfig) -> int:
    """Returns the number of train steps that the options ask for."""
    if _lengths(asked.optimization) == _lengths(record.config.optimization):
        return record.total_steps
    return asked.optimization.total_steps(record.dataset.train)


def _lengths(options: OptimizationConfig) -> tuple[float | None, ...]:
    return tuple(getattr(options, name) for name in LENGTHS)


def extended_config(folder: Path, record: RunMetadata, asked: TrainConfig, saved: State | None) -> TrainConfig:
    """Returns the options of a resumed run, with the intervals that it had if its length changes.

    By default, an interval is a part of the length of the run. So another length sets `eval_every`.

    Args:
        folder: the run folder, for error messages.
        record: metadata of the run.
        asked: options for the rest of the run.
        saved: state that the run resumes from. None: it starts again.

    Raises `InputError` if the run is longer already, or if it was stopped by its tolerance, its monitor or collapse.
    """
    if not has_new_length(record, asked):
        return asked
    options = record.config.optimization
    per_step = options.batch_size * options.critic_steps
    steps, done = new_length(record, asked), saved.step if saved else 0
    if steps < done:
        raise InputError(
            "The run is already longer",
            expected=f"at least {done * per_step:,} images, which are {done:,} steps",
            received=f"{steps * per_step:,} images, which are {steps:,} steps",
        )
    stopped_by = record.result.stopped_by if record.result else None
    if stopped_by or (saved and saved.stopped):
        command = restart_command(folder)
        new_run = f": {command}" if command else " that starts from its generator"
        raise InputError(
            "The run was stopped early, so it has no other length",
            expected=f"a run that was not stopped, or a new run{new_run}",
            received=f"a run stopped at step {done:,}" + (f" by {stopped_by}" if stopped_by else ""),
        )
    return replace(asked, eval_every=record.config.interval_steps(record.total_steps) * per_step)
