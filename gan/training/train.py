"""train and resume: from a configuration, or what a run left, to a run folder, straight down."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
from rich.console import Console

from gan.config import TrainConfig, config_from_dict
from gan.data.dataset import Dataset
from gan.distributed import cluster, devices, replicas
from gan.distributed.devices import DeviceSetup
from gan.distributed.replicas import scalar
from gan.saving import files, metadata, run_folder, training_state
from gan.saving.training_state import State
from gan.training import callbacks, result, setup, sync, worker
from gan.training.monitoring import stop_reason
from gan.training.recovery import (
    Say,
    check_resumable,
    loss_errors,
    memory_errors,
    report_failure,
    resume_hint,
    resume_message,
)
from gan.training.result import TrainingResult
from gan.training.setup import TrainingSetup


def train(
    config: TrainConfig | None = None,
    *,
    dataset: Dataset | None = None,
    output: str | Path | None = None,
    name: str | None = None,
    preset: str | None = None,
    console: Console | None = None,
    listeners: Sequence[keras.callbacks.Callback] = (),
) -> TrainingResult:
    """Trains a GAN and writes a run folder: generator.keras, config.json, log.csv, samples/, state/.

    Args:
        config: default: the preset `mnist`.
        dataset: images in the place of those that `config.data` names, such as `Dataset.from_arrays(...)`.
        output: the run folder; None: the next number under `runs/`.
        name: ends the number of such a folder; None: the data set's name.
        preset: name of the preset that `config` comes from, for the record; None: it comes from none.
        console: where progress goes; None: stderr.
        listeners: callbacks that hear of each interval when its generator is saved; their state is not saved with it.

    With `devices` above 1 these share each batch; where TF_CONFIG names several workers, each of them calls this with
    the same options, and the chief writes.

    Ctrl-C and SIGTERM end the run early and save what there is. Raises `InputError` when an option does not fit the
    data or the devices, the data cannot be had, a worker cannot be reached, or the folder cannot be used, and nothing
    is written then; `TrainingError` when a loss becomes NaN or infinite, memory does not suffice, or another worker
    ends. When an exception ends it, a folder that holds no generator yet is removed; otherwise, and when the process is
    killed, `resume` goes on with it.
    """
    config = config or TrainConfig()
    log = Say(console)
    device_setup = _fleet(config, log, lambda: run_folder.check_output(output))
    with devices.together(device_setup), memory_errors():
        if not device_setup.is_chief:
            return result.result_from_chief(worker.run_worker(device_setup, config, dataset))
        config = sync.broadcast_config(device_setup.strategy, config)
        prepared = _prepared(config, dataset, None, device_setup, log)
        record = metadata.new_metadata(
            config,
            prepared.dataset.describe(),
            device=device_setup.line,
            total_steps=prepared.schedule.total_steps,
            preset=preset,
            probe=prepared.watched.probe,
        )
        folder = run_folder.new_run(output, name or prepared.dataset.title)
        with training_state.locked(folder):
            return _run(folder, record, prepared, None, log, listeners, fresh=True)


def resume(
    run: str | Path,
    *,
    config: TrainConfig | None = None,
    dataset: Dataset | None = None,
    console: Console | None = None,
    listeners: Sequence[keras.callbacks.Callback] = (),
) -> TrainingResult:
    """Goes on with a run that was broken off, from its last complete interval, in the same folder.

    The result is that of the run in one go: to the last bit with `deterministic` on a CPU, to rounding otherwise. What
    came after that interval is removed from log.csv and samples/ first. A run that was broken off in its first interval
    begins anew; one that is finished is left as it is. Of several workers only the chief needs the folder: the others
    hear from it what they need.

    Args:
        run: a run folder.
        config: must be what was recorded, but for the options in `metadata.CHANGEABLE`; None: just that. (A worker that
            is not the chief takes `devices` and `deterministic` from it.)
        dataset: must be given again where it was given to `train`.
        console: where progress goes; None: stderr.
        listeners: as for `train`.

    Raises `InputError`, and changes nothing, for a folder that is no run, another configuration, data set or network
    than it began with, a folder that another process trains in, and one whose states are all damaged; `TrainingError`
    as `train`.
    """
    folder, log = Path(run), Say(console)
    here = cluster.from_environment()
    if here is not None and not here.is_chief:
        device_setup = _fleet(config or TrainConfig(), log, lambda: None)
        with devices.together(device_setup), memory_errors():
            return result.result_from_chief(worker.run_worker(device_setup, None, dataset))
    record = metadata.load(folder)
    recorded = config_from_dict(record["config"])
    config = (config or recorded).with_auto(recorded.precision)
    metadata.check_options(record, config)
    if metadata.is_finished(record):
        log(f"{folder} is finished: there is nothing to go on with")
        return result.read_result(folder, record)
    with training_state.locked(folder):
        saved, damaged = training_state.latest(folder)
        check_resumable(folder, saved, damaged)
        device_setup = _fleet(config, log, lambda: None)
        for line in (*metadata.changed_versions(record), *damaged):
            warnings.warn(line, stacklevel=2)
        with devices.together(device_setup), memory_errors():
            data = replace(config.data, dataset=record["dataset"]["name"], dataset_fallback="none")
            asked = replace(config, data=data, init_from=None if saved else config.init_from)
            asked = sync.broadcast_config(device_setup.strategy, asked)
            prepared = _prepared(asked, dataset, saved, device_setup, log, record)
            record = metadata.resumed_metadata(record, config, device_setup.line, saved.step if saved else 0)
            return _run(folder, record, prepared, saved, log, listeners, fresh=False)


def _fleet(config: TrainConfig, log: Say, check: Callable[[], None]) -> DeviceSetup:
    """The devices of this run; `check` is done first where this process writes."""
    here = cluster.from_environment()
    if here is None or here.is_chief:
        check()
    device_setup = devices.start(config.devices, seed=config.seed, deterministic=config.deterministic, log=log)
    log(
        f"device: {device_setup.line}"
        if device_setup.is_chief
        else f"{device_setup.line}; {device_setup.chief} writes the run folder"
    )
    return device_setup


def _prepared(
    config: TrainConfig,
    dataset: Dataset | None,
    saved: State | None,
    device_setup: DeviceSetup,
    log: Say,
    record: dict[str, Any] | None = None,
) -> TrainingSetup:
    """The run, ready for its first step; the other workers hear on the way what they need for theirs."""
    dataset = dataset or setup.load(config.data)
    if record is not None:
        metadata.check_dataset(record, dataset.describe())
    sync.check_same_data(device_setup.strategy, dataset)
    sync.broadcast_state(device_setup.strategy, saved)
    prepared = setup.prepare_training(config, dataset, device_setup, log)
    if record is not None:
        metadata.check_probe(record, prepared.watched.probe)
    if saved is None:
        sync.broadcast_weights(device_setup.strategy, prepared.gan)
    return prepared


def _run(
    folder: Path,
    record: dict[str, Any],
    prepared: TrainingSetup,
    saved: State | None,
    log: Say,
    listeners: Sequence[keras.callbacks.Callback],
    *,
    fresh: bool,
) -> TrainingResult:
    """Trains from `saved`, or from the beginning, to the end, and completes the record."""
    config, gan, schedule = prepared.config, prepared.gan, prepared.schedule
    per_step = schedule.images_per_step
    samples, generator = folder / run_folder.SAMPLES, folder / run_folder.GENERATOR
    run_log = callbacks.RunLog(folder / run_folder.LOG)
    grid = callbacks.SampleGrid(samples, seed=0)
    saver = callbacks.GeneratorCheckpoint(generator)
    interrupt = callbacks.StopOnInterrupt(prepared.device_setup.anywhere)
    rules = prepared.rules(log)
    parts: list[keras.callbacks.Callback] = [
        callbacks.FiniteLosses(),
        run_log,
        saver,
        grid,
        *_boards(config, folder, grid),
        callbacks.Progress(
            log.console,
            total_images=schedule.total_steps * per_step,
            first_image=saved.images if saved else 0,
        ),
        *rules,
    ]
    keeper = prepared.keeper(folder, [*parts, interrupt])
    first_step = prepared.restored(keeper, saved)
    if not fresh:
        log(resume_message(folder, saved, schedule))
    with loss_errors(gan, folder), report_failure(folder, gan, keeper, log, remove=fresh):
        files.write_json(folder / run_folder.CONFIG, record)
        samples.mkdir(exist_ok=True)
        files.remove_partial(folder)
        run_log.cut_back(saved.interval if saved else 0)
        grid.cut_back(saved.images if saved else 0)
        training_state.discard_after(folder, saved)
        if saved is not None and not generator.exists():
            files.write(generator, gan.generator_ema.save)
        prepared.fit([*parts, keeper, *listeners, interrupt], first_step)
        saver.save()  # the rules may have put another interval's average back

    stopped_by, interval = stop_reason(rules)
    steps = int(scalar(gan.step))
    record |= {
        "result": {
            "images": int(scalar(gan.images_seen)),
            "steps": steps,
            "seconds": run_log.last_row.get("seconds", 0.0),
            "compile_seconds": round(run_log.compile_seconds or 0.0, 3),
            "interrupted": interrupt.interrupted,
            "stopped_by": None if interrupt.interrupted else stopped_by,
            "interval": interval,
        },
        "sha256": files.sha256(generator),
    }
    files.write_json(folder / run_folder.CONFIG, record)
    if interrupt.interrupted:
        log(f"Interrupted at step {steps:,}; {resume_hint(folder, keeper.last)}")
    run = result.read_result(folder, record, signal=interrupt.signal)
    replicas.broadcast(prepared.device_setup.strategy, run.as_dict())
    return run


def _boards(config: TrainConfig, folder: Path, grid: callbacks.SampleGrid) -> list[Any]:
    if not config.tensorboard:
        return []
    board = folder / run_folder.TENSORBOARD
    return [callbacks.TensorBoard(board, grid=grid, config=config.as_dict())]
