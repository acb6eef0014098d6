"""train and resume: one training run from its set-up to its result, read downward.

Several workers call the same functions. The chief decides and writes, and broadcasts what the others need.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import keras
from rich.console import Console

from gan.config import TrainConfig
from gan.data.dataset import Dataset
from gan.distributed import cluster
from gan.distributed.agreement import broadcast_config
from gan.distributed.devices import DeviceSetup, start, worker_errors
from gan.distributed.replicas import scalar
from gan.models.gan import GAN
from gan.saving import files, metadata, run_folder, training_state
from gan.saving.metadata import RunMetadata, RunResult
from gan.training import callbacks
from gan.training.loop import fit_intervals
from gan.training.monitoring import Probe, stop_reason, stopping_callbacks
from gan.training.recovery import (
    check_resumable,
    console_log,
    loss_errors,
    memory_errors,
    remove_later_results,
    report_failure,
    resume_hint,
    resume_message,
)
from gan.training.result import TrainingResult, read_result
from gan.training.setup import TrainingSetup, load_data, prepare_training
from gan.training.worker import run_worker


def train(
    config: TrainConfig | None = None,
    *,
    dataset: Dataset | None = None,
    gan: GAN | None = None,
    probe: Probe | None = None,
    grid: callbacks.SampleGrid | None = None,
    output: str | Path | None = None,
    name: str | None = None,
    preset: str | None = None,
    console: Console | None = None,
    listeners: Sequence[keras.callbacks.Callback] = (),
) -> TrainingResult:
    """Trains a GAN and writes a run folder.

    The folder holds generator.keras, discriminator.keras, config.json, log.csv, samples/ and state/.

    Args:
        config: options; None: the preset `mnist`.
        dataset: images in place of those that `config.data` names, such as `Dataset.from_arrays(...)`.
        gan: networks in place of those that `config.model` describes, on one device. They are compiled as
            `config.optimization` says, and their counts start at 0.
        probe: metrics and validation batches in place of those that `config.stopping` names.
        grid: callback that draws samples after each interval; None: a grid of images.
        output: the run folder; None: the next number under `runs/`.
        name: end of the name of such a folder; None: the data set's name.
        preset: name of the preset that `config` comes from, for config.json; None: it comes from none.
        console: where progress goes; None: stderr.
        listeners: callbacks that are called once an interval is saved; their own state is not saved.

    With `devices` above 1, these share each batch. Where TF_CONFIG names several workers, each of them calls this with
    the same options.

    Ctrl-C and SIGTERM end the run early and save what there is. Raises `InputError`, and writes nothing, when an option
    does not fit the data or the devices, the data cannot be had, a worker cannot be reached, or the folder cannot be
    used. Raises `TrainingError` when a loss becomes NaN or infinite, memory does not suffice, or another worker ends.
    After an exception, a folder without a generator is removed; `resume` continues from any other.
    """
    config, console = config or TrainConfig(), console or Console(stderr=True)
    log = console_log(console)
    if cluster.is_chief():
        run_folder.check_output(output)
    devices = _start(config, log)
    with worker_errors(devices), memory_errors():
        # Set-up: the chief's options, the data, the compiled networks.
        config = broadcast_config(devices, config)
        dataset = dataset or load_data(config.data)
        setup = prepare_training(config, dataset, devices, log, gan=gan, probe=probe)
        if not devices.is_chief:
            return run_worker(setup)

        # The folder, for this process alone.
        record = metadata.new_metadata(
            config,
            setup.dataset.describe(),
            device=devices.description,
            total_steps=setup.schedule.total_steps,
            preset=preset,
            probe=setup.probe.sha256,
            given=_given(gan=gan, probe=probe, grid=grid),
        )
        folder = run_folder.new_run(output, name or setup.dataset.title)
        with training_state.locked(folder):
            return _run(setup, folder, record, console, grid=grid, listeners=listeners, fresh=True)


def resume(
    run: str | Path,
    *,
    config: TrainConfig | None = None,
    dataset: Dataset | None = None,
    gan: GAN | None = None,
    probe: Probe | None = None,
    grid: callbacks.SampleGrid | None = None,
    console: Console | None = None,
    listeners: Sequence[keras.callbacks.Callback] = (),
) -> TrainingResult:
    """Resumes an interrupted run from its last complete interval, in the same folder.

    The result is that of the run in one go: to the last bit with `deterministic` on a CPU, to rounding otherwise. What
    came after that interval is removed from log.csv and samples/ first. A run that was interrupted in its first
    interval starts again; a finished one is left as it is. Of several workers only the chief needs the folder.

    Args:
        run: a run folder.
        config: must be what was recorded, but for the options in `metadata.CHANGEABLE`; None: just that. (A worker that
            is not the chief takes `devices` and `deterministic` from it.)
        dataset, gan, probe, grid: must be given again where they were given to `train`.
        console: where progress goes; None: stderr.
        listeners: as for `train`.

    Raises `InputError`, and changes nothing, for a folder that is not a run folder, another configuration, data set or
    network than it began with, a folder that another process trains in, and one whose states are all damaged. Raises
    `TrainingError` as `train` does.
    """
    folder, console = Path(run), console or Console(stderr=True)
    log = console_log(console)
    if not cluster.is_chief():
        config = config or TrainConfig()
        devices = _start(config, log)
        with worker_errors(devices), memory_errors():
            config = broadcast_config(devices, None)
            return run_worker(
                prepare_training(config, dataset or load_data(config.data), devices, log, gan=gan, probe=probe)
            )

    # What the run recorded; other options are refused.
    record = metadata.load(folder)
    config = (config or record.config).with_auto(record.config.precision)
    metadata.check_options(record, config)
    metadata.check_given(record, _given(gan=gan, probe=probe, grid=grid))
    if record.is_finished:
        log(f"{folder} is finished: there is nothing to resume")
        return read_result(folder, record)

    # The newest whole state, for this process alone.
    with training_state.locked(folder):
        saved, damaged = training_state.latest(folder)
        check_resumable(folder, saved, damaged)
        devices = _start(config, log)
        for line in (*metadata.changed_versions(record), *damaged):
            warnings.warn(line, stacklevel=2)
        with worker_errors(devices), memory_errors():
            # Set-up, as in `train`, with the data set that the run really used.
            data = replace(config.data, dataset=record.dataset.name, dataset_fallback="none")
            asked = replace(config, data=data, init_from=None if saved else config.init_from)
            asked = broadcast_config(devices, asked)
            dataset = dataset or load_data(asked.data)
            metadata.check_dataset(record, dataset.describe())
            setup = prepare_training(asked, dataset, devices, log, saved=saved, gan=gan, probe=probe)
            metadata.check_probe(record, setup.probe.sha256)
            record = metadata.resumed_metadata(record, config, devices.description, saved.step if saved else 0)
            return _run(setup, folder, record, console, grid=grid, listeners=listeners, fresh=False)


def _given(**objects: object) -> list[str]:
    """Returns the names of the objects that are given in place of what the options describe."""
    return [name for name, given in objects.items() if given is not None]


def _start(config: TrainConfig, log: Callable[[str], None]) -> DeviceSetup:
    """Starts TensorFlow, joins the other workers, and prints what the run trains on."""
    devices = start(config.devices, seed=config.seed, deterministic=config.deterministic, log=log)
    there = devices.description
    log(f"device: {there}" if devices.is_chief else f"{there}; {devices.chief} writes the run folder")
    return devices


def _run(
    setup: TrainingSetup,
    folder: Path,
    record: RunMetadata,
    console: Console,
    *,
    grid: callbacks.SampleGrid | None,
    listeners: Sequence[keras.callbacks.Callback],
    fresh: bool,
) -> TrainingResult:
    """Trains from the state of the set-up to the end, and writes the folder.

    fresh: whether the folder was made for this run; a failure before the first generator removes it then.
    """
    config, gan, schedule, saved, devices = setup.config, setup.gan, setup.schedule, setup.saved, setup.devices
    log = console_log(console)

    # Callbacks, in the order in which they are called.
    run_log = callbacks.RunLog(folder / run_folder.LOG)
    generator = callbacks.GeneratorCheckpoint(folder / run_folder.GENERATOR)
    discriminator = callbacks.DiscriminatorCheckpoint(folder / run_folder.DISCRIMINATOR)
    grid = grid or callbacks.SampleGrid(seed=0)
    grid.folder = folder / run_folder.SAMPLES
    stopping = stopping_callbacks(config.stopping, setup.dataset, gan.adversarial_loss, schedule, log)
    interrupt = callbacks.StopOnInterrupt(devices.any_worker, look_every=devices.look_every)
    first = [
        callbacks.FiniteLosses(),  # nothing is saved of a step whose loss is NaN
        run_log,  # a row of log.csv
        generator,  # its average
        discriminator,  # beside it
        grid,  # a grid of samples and, in the end, an animation of all grids
        *_tensorboard(config, folder, grid),  # after the log and the grid, which it shows
        callbacks.Progress(console, total_images=schedule.total_images, first_image=saved.images if saved else 0),
        *stopping,  # after all that shows the interval as it was trained: in the end they may put back an earlier one
    ]
    state = callbacks.TrainingState(
        folder, [*first, interrupt], interval_steps=schedule.interval_steps, total_steps=schedule.total_steps
    )
    called = [
        *first,
        state,  # the state of all of them: whatever is written of this interval is there before it
        *listeners,  # they find the interval complete
        interrupt,  # last, so that it hears a signal that comes while others save
    ]

    # The loop.
    first_step = state.restore(gan, saved)
    if not fresh:
        log(resume_message(folder, saved, schedule))
    with loss_errors(gan, folder), report_failure(folder, gan, state, log, remove=fresh):
        metadata.save(folder, record)
        remove_later_results(folder, saved, run_log, grid)
        if saved is not None:
            for network in (generator, discriminator):
                network.set_model(gan)
                network.save_missing()
        fit_intervals(
            gan,
            setup.dataset,
            called,
            schedule,
            seed=config.seed,
            first_step=first_step,
            validation=setup.probe.batches,
        )
        generator.save()  # a stopping callback may have put back the average of an earlier interval

    # The result.
    stopped_by, interval = stop_reason(stopping)
    step = int(scalar(gan.step))
    ended = RunResult(
        images=int(scalar(gan.images_seen)),
        steps=step,
        seconds=run_log.last_row.get("seconds", 0.0),
        compile_seconds=round(run_log.compile_seconds or 0.0, 3),
        interrupted=interrupt.interrupted,
        stopped_by=None if interrupt.interrupted else stopped_by,
        interval=interval,
    )
    record = replace(record, result=ended, sha256=files.sha256(generator.path))
    metadata.save(folder, record)
    if interrupt.interrupted:
        log(f"Interrupted at step {step:,}; {resume_hint(folder, state.last)}")
    result = read_result(folder, record, signal=interrupt.signal)
    devices.broadcast(result.as_dict())
    return result


def _tensorboard(config: TrainConfig, folder: Path, grid: callbacks.SampleGrid) -> list[keras.callbacks.Callback]:
    if not config.tensorboard:
        return []
    return [callbacks.TensorBoard(folder / run_folder.TENSORBOARD, grid=grid, config=config.as_dict())]
