"""train and resume: from a configuration, or what a run left, to a run folder, straight down."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
from rich.console import Console

from gan import callbacks, checkpoints, records, runtime, state
from gan.building import build_gan, compile_gan
from gan.config import DataConfig, TrainConfig, config_from_dict
from gan.data import Dataset, load_dataset
from gan.endings import Say, broken_off, check_restart, going_on, way_on
from gan.fitting import Schedule, fit_intervals, schedule_of
from gan.model import GAN
from gan.state import State
from gan.watching import Watch, check_monitor, outcome, stopping_callbacks, watch


@dataclass(frozen=True)
class Run:
    """What a training run left behind. `logs` is the last row of log.csv; `images` counts the reals that D saw.

    `signal` is the number of the one that interrupted it (2: Ctrl-C, 15: SIGTERM), None when it ended by itself.
    `stopped_by` is what ended it before its length did: `target` (the tolerance, which is to be confirmed), `patience`
    or `collapse`. `interval` is the one whose generator was put back in the end; None: it is the last one.
    """

    folder: Path
    generator: Path
    samples: Path
    dataset: str
    images: int
    steps: int
    seconds: float
    compile_seconds: float
    interrupted: bool
    logs: dict[str, Any]
    signal: int | None = None
    stopped_by: str | None = None
    interval: int | None = None


def train(
    config: TrainConfig | None = None,
    *,
    output: str | Path | None = None,
    name: str | None = None,
    console: Console | None = None,
    listeners: Sequence[keras.callbacks.Callback] = (),
) -> Run:
    """Trains a GAN and writes a run folder: generator.keras, config.json, log.csv, samples/, state/.

    Args:
        config: default: the preset `mnist`.
        output: the run folder; None: the next number under `checkpoints/`.
        name: ends the number of such a folder, and is recorded, such as a preset's; None: the data set's name.
        console: where progress goes; None: stderr.
        listeners: callbacks that hear of each interval when its generator is saved; their state is not saved with it.

    Ctrl-C and SIGTERM end the run early and save what there is. Raises `InputError` when an option does not fit the
    data, the data cannot be had, or the folder cannot be used, and nothing is written then; `TrainingError` when a loss
    becomes NaN or infinite. When an exception ends it, a folder that holds no generator yet is removed; otherwise, and
    when the process is killed, `resume` goes on with it.
    """
    config = config or TrainConfig()
    say = Say(console)
    checkpoints.check_output(output)
    device = _start(config, say)
    dataset = _load(config.data)
    setup = _compiled(config, dataset, say)
    record = records.make(
        config,
        dataset,
        device=device,
        total_steps=setup.schedule.total_steps,
        preset=name,
        probe=setup.watched.probe,
    )
    folder = checkpoints.new_run(output, name or dataset.title)
    with state.locked(folder):
        return _run(folder, record, setup, None, say, listeners, fresh=True)


def resume(
    run: str | Path,
    *,
    config: TrainConfig | None = None,
    console: Console | None = None,
    listeners: Sequence[keras.callbacks.Callback] = (),
) -> Run:
    """Goes on with a run that was broken off, from its last complete interval, in the same folder.

    The result is that of the run in one go: to the last bit with `deterministic` on a CPU, to rounding otherwise. What
    came after that interval is removed from log.csv and samples/ first. A run that was broken off in its first interval
    begins anew; one that is finished is left as it is.

    Args:
        run: a run folder.
        config: must be what was recorded, but for the options in `records.CHANGEABLE`; None: just that.
        console: where progress goes; None: stderr.
        listeners: as for `train`.

    Raises `InputError`, and changes nothing, for a folder that is no run, another configuration, data set or network
    than it began with, a folder that another process trains in, and one whose states are all damaged; `TrainingError`
    as `train`.
    """
    folder, say = Path(run), Say(console)
    record = records.load(folder)
    recorded = config_from_dict(record["config"])
    config = config or recorded
    records.check_options(record, config)
    if records.is_finished(record):
        say(f"{folder} is finished: there is nothing to go on with")
        return _left(folder, record)
    with state.locked(folder):
        saved, damaged = state.latest(folder)
        check_restart(folder, saved, damaged)
        device = _start(config, say)
        for line in (*records.changed_versions(record), *damaged):
            warnings.warn(line, stacklevel=2)
        dataset = _load(replace(config.data, dataset=record["dataset"]["name"], dataset_fallback="none"))
        records.check_dataset(record, dataset)
        setup = _compiled(replace(config, init_from=None) if saved else config, dataset, say)
        records.check_probe(record, setup.watched.probe)
        record = records.resumed(record, config, device, saved.step if saved else 0)
        return _run(folder, record, setup, saved, say, listeners, fresh=False)


def _load(options: DataConfig) -> Dataset:
    return load_dataset(options.dataset, fallback=options.dataset_fallback, **options.loading)


def _start(config: TrainConfig, say: Say) -> str:
    device = runtime.start(seed=config.seed, deterministic=config.deterministic)
    say(f"device: {device}")
    return device


@dataclass(frozen=True)
class _Setup:
    """All that a run is made of, ready for its first step."""

    config: TrainConfig
    dataset: Dataset
    gan: GAN
    schedule: Schedule
    watched: Watch


def _compiled(config: TrainConfig, dataset: Dataset, say: Say) -> _Setup:
    gan = build_gan(config, dataset)
    schedule = schedule_of(config, dataset)
    per_interval = schedule.interval_steps * schedule.images_per_step
    watched = watch(config.stopping, dataset, images_per_interval=per_interval)
    compile_gan(gan, config, schedule.total_steps, watched.metrics)
    check_monitor(config.stopping, gan)
    say(
        f"{dataset.title}: {len(dataset.train):,} training images; {schedule.total_steps:,} steps of "
        f"{schedule.images_per_step}, that is {schedule.total_steps * schedule.images_per_step:,} images"
    )
    return _Setup(config, dataset, gan, schedule, watched)


def _run(
    folder: Path,
    record: dict[str, Any],
    setup: _Setup,
    saved: State | None,
    say: Say,
    listeners: Sequence[keras.callbacks.Callback],
    *,
    fresh: bool,
) -> Run:
    """Trains from `saved`, or from the beginning, to the end, and completes the record."""
    config, gan, schedule = setup.config, setup.gan, setup.schedule
    per_step = schedule.images_per_step
    samples, generator = folder / checkpoints.SAMPLES, folder / checkpoints.GENERATOR
    log = callbacks.RunLog(folder / checkpoints.LOG, images_per_step=per_step)
    grid = callbacks.SampleGrid(samples, seed=0, images_per_step=per_step)
    saver = callbacks.GeneratorCheckpoint(generator)
    interrupt = callbacks.StopOnInterrupt()
    rules = stopping_callbacks(
        config.stopping,
        setup.dataset,
        gan.adversarial_loss,
        intervals=schedule.intervals,
        images_per_interval=schedule.interval_steps * per_step,
        say=say,
    )
    parts: list[keras.callbacks.Callback] = [
        callbacks.FiniteLosses(),
        log,
        saver,
        grid,
        *_boards(config, folder, grid, per_step),
        callbacks.Progress(
            say.console,
            total_images=schedule.total_steps * per_step,
            images_per_step=per_step,
            first_image=saved.images if saved else 0,
        ),
        *rules,
    ]
    keeper = callbacks.TrainingState(
        folder,
        [*parts, interrupt],
        interval_steps=schedule.interval_steps,
        total_steps=schedule.total_steps,
        images_per_step=per_step,
    )
    first_step = 0
    if saved is not None:
        keeper.restore(gan, saved)
        first_step = schedule.total_steps if saved.stopped else saved.step
    if not fresh:
        say(going_on(folder, saved, schedule))
    with broken_off(folder, gan, keeper, say, remove=fresh):
        checkpoints.write_json(folder / checkpoints.CONFIG, record)
        samples.mkdir(exist_ok=True)
        checkpoints.remove_partial(folder)
        log.cut_back(saved.interval if saved else 0)
        grid.cut_back(saved.images if saved else 0)
        state.discard_after(folder, saved)
        if saved is not None and not generator.exists():
            checkpoints.write(generator, gan.generator_ema.save)
        fit_intervals(
            gan,
            setup.dataset,
            [*parts, keeper, *listeners, interrupt],
            schedule,
            seed=config.seed,
            first_step=first_step,
            validation=setup.watched.batches,
        )
        saver.save()  # the rules may have put another interval's average back

    stopped_by, interval = outcome(rules)
    steps = int(gan.g_optimizer.iterations)
    record |= {
        "result": {
            "images": steps * per_step,
            "steps": steps,
            "seconds": log.last_row.get("seconds", 0.0),
            "compile_seconds": round(log.compile_seconds or 0.0, 3),
            "interrupted": interrupt.interrupted,
            "stopped_by": None if interrupt.interrupted else stopped_by,
            "interval": interval,
        },
        "sha256": checkpoints.sha256(generator),
    }
    checkpoints.write_json(folder / checkpoints.CONFIG, record)
    if interrupt.interrupted:
        say(f"Interrupted at step {steps:,}; {way_on(folder, keeper.last)}")
    return _left(folder, record, signal=interrupt.signal)


def _boards(config: TrainConfig, folder: Path, grid: callbacks.SampleGrid, per_step: int) -> list[Any]:
    if not config.tensorboard:
        return []
    board = folder / checkpoints.TENSORBOARD
    return [callbacks.TensorBoard(board, images_per_step=per_step, grid=grid, config=config.as_dict())]


def _left(folder: Path, record: dict[str, Any], *, signal: int | None = None) -> Run:
    """What a run left, from its record, log and samples."""
    log, grids = folder / checkpoints.LOG, folder / checkpoints.SAMPLES
    kept = grids / f"{callbacks.run_log.images_at(log, record['result'].get('interval')):09d}.png"
    return Run(
        folder=folder,
        generator=folder / checkpoints.GENERATOR,
        samples=kept if kept.exists() else max(grids.glob("*.png"), default=grids),
        dataset=record["dataset"]["name"],
        logs=callbacks.run_log.last_row(log),
        signal=signal,
        **record["result"],
    )
