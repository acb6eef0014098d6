"""Starts and resumes training runs, from the set-up to the result. Read from top to bottom.

All workers call the same functions. The chief decides and writes. It broadcasts what the other workers need.
"""

import os
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import keras
from rich.console import Console

from gan.config import TrainConfig
from gan.data.load import DatasetLike
from gan.distributed import cluster
from gan.distributed.agreement import broadcast_config
from gan.distributed.devices import DeviceSetup, start, worker_errors
from gan.distributed.replicas import scalar
from gan.errors import check
from gan.models.gan import GAN
from gan.saving import files, metadata, run_folder, training_state
from gan.saving.extension import extended_config, has_new_length
from gan.saving.initial_checkpoint import check_unchanged, find_start
from gan.saving.metadata import RunMetadata, RunResult
from gan.training import callbacks
from gan.training.confirmation import CONFIRM_SHARE
from gan.training.feedback import load_feedback, make_feedback
from gan.training.loop import fit_intervals
from gan.training.monitoring import Probe, stop_reason, stopping_callbacks
from gan.training.recovery import (
    check_no_dataset,
    check_resumable,
    console_log,
    device_errors,
    finished_message,
    length_message,
    loss_errors,
    moved_message,
    new_place_hint,
    remove_later_results,
    report_failure,
    resume_hint,
    resume_message,
)
from gan.training.result import TrainingResult, read_result
from gan.training.setup import ConfigLike, TrainingSetup, load_data, named_dataset, prepare_training, preset_config
from gan.training.summary import augmentation_summary, confirmation_summary
from gan.training.worker import run_worker
from gan.utils.arguments import checked
from gan.utils.global_state import restored


@restored()
@checked
def train(
    config: ConfigLike = None,
    *,
    dataset: DatasetLike | None = None,
    gan: GAN | None = None,
    probe: Probe | None = None,
    grid: callbacks.SampleGrid | None = None,
    output: str | os.PathLike[str] | None = None,
    feedback: str | os.PathLike[str] | None = None,
    name: str | None = None,
    preset: str | None = None,
    console: Console | None = None,
    listeners: Sequence[keras.callbacks.Callback] = (),
) -> TrainingResult:
    """Trains a GAN and writes a run folder.

    The folder holds generator.keras, discriminator.keras, config.json, log.csv, samples/ and state/. With feedback, it
    holds a copy of it, from which the run resumes: feedback.jsonl and feedback.npy.

    Args:
        config: options, or the name of a preset. None: the preset `mnist`.
        dataset: images to use instead of the dataset of `config.data`: a dataset such as `Dataset.from_arrays(...)`,
            the name or folder of a dataset, arrays (images, labels), or a `tf.data.Dataset`.
        gan: networks to use instead of the networks of `config.model`, on one device only. They are compiled with
            `config.optimization`, and their counters start at 0.
        probe: metrics and validation batches to use instead of the probe of `config.stopping`.
        grid: callback that draws samples after each interval. None: a grid of samples.
        feedback: JSON lines of the samples that people called wrong, to read instead of the file of `config.feedback`.
            They are samples of the generator of `config.init_from`.
        output: the run folder. None: a new numbered folder in `runs/`.
        name: last part of the name of a numbered folder. None: the name of the dataset.
        preset: name of the preset that `config` is based on, for config.json. None: no preset, or the one named by
            `config`.
        console: console for progress and messages. None: stderr.
        listeners: callbacks that are called after an interval is saved. Their own state is not saved. One that is a
            `callbacks.PauseAfter` ends the run early, as Ctrl-C does, so that `resume` continues it.

    If `config.devices` is greater than 1, the devices share each batch. If TF_CONFIG names several workers, each worker
    must call this function with the same options.

    Ctrl-C and SIGTERM end the run early and save its current results. Raises `InputError`, and writes nothing, when an
    option does not fit the data or the devices, the data is not available, a worker cannot be reached, or the folder
    cannot be used. Raises `TrainingError` when a loss becomes NaN or infinite, memory runs out, a GPU fails, or another
    worker ends. After an exception, a folder without a generator is removed. All other folders can be resumed with
    `resume`.
    """
    config, preset = preset_config(config, preset)
    config, dataset = named_dataset(config, dataset)
    if feedback is not None and config.feedback is None:
        config = replace(config, feedback=os.fspath(feedback))
    if gan is None:
        config.check_start()
    check(name is None or Path(name).name == name, "name", "the last part of a folder name", name)
    console = console or Console(stderr=True)
    log = console_log(console)
    if cluster.is_chief():
        run_folder.check_output(output)
    devices = _start(config, log)
    with worker_errors(devices), device_errors():
        # Set-up: the chief's options, the data and the compiled networks.
        config = broadcast_config(devices, config)
        dataset = dataset or load_data(config.data)
        said = None
        if config.feedback is not None and config.init_from is not None:  # only the chief has these files
            said = make_feedback(feedback or config.feedback, config.init_from)
        setup = prepare_training(config, dataset, devices, log, feedback=said, gan=gan, probe=probe)
        if not devices.is_chief:
            return run_worker(setup)

        # The run folder, locked against other processes.
        record = metadata.new_metadata(
            setup.config,
            setup.dataset.describe(),
            device=devices.description,
            total_steps=setup.schedule.total_steps,
            preset=preset,
            probe=setup.probe.sha256,
            features=None if setup.probe.features is None else setup.probe.features.sha256,
            feedback=None if said is None else said.record,
            given=_given(gan=gan, probe=probe, grid=grid),
        )
        if gan is None and config.init_from is not None:
            record = replace(record, init_sha256=find_start(config.init_from).sha256)
        folder = run_folder.new_run(output, name or setup.dataset.title)
        with training_state.locked(folder):
            return _run(setup, folder, record, console, grid=grid, listeners=listeners, fresh=True)


@restored()
@checked
def resume(
    run: str | os.PathLike[str],
    *,
    images: int | None = None,
    config: TrainConfig | None = None,
    dataset: DatasetLike | None = None,
    gan: GAN | None = None,
    probe: Probe | None = None,
    grid: callbacks.SampleGrid | None = None,
    console: Console | None = None,
    listeners: Sequence[keras.callbacks.Callback] = (),
) -> TrainingResult:
    """Resumes an interrupted run from its last complete interval, in the same folder, or makes a run longer.

    The result is the same as without the interruption: bit-identical with `deterministic` on a CPU, otherwise equal up
    to rounding. Results newer than that interval are first removed from log.csv and samples/. A run that was
    interrupted in its first interval starts again. A finished run is not changed, unless it gets a new length. With
    several workers, only the chief needs the folder.

    A run with a new length keeps its state and its intervals. From the next step on, its learning rate follows the
    schedule of the new length. A constant learning rate stays constant, so the result is the same as of a run which had
    this length from the start.

    Args:
        run: a run folder.
        images: new length of the run, in real images that D sees from its start. None: as in `config`.
        config: the recorded options; only the options in `metadata.CHANGEABLE` may differ. None: the recorded options.
            (A worker other than the chief reads `devices` and `deterministic` from it.)
        dataset: images of the run, if they were given to `train`, or if they moved: a dataset, its name, its folder,
            or (images, labels). They must be the same training images as at the start. None: the recorded dataset.
        gan, probe, grid: must be given again if they were given to `train`.
        console: console for progress and messages. None: stderr.
        listeners: as for `train`.

    Raises `InputError`, and changes nothing, when `run` is not a run folder, another process trains in it, or all its
    states are damaged. The same holds when the configuration, dataset or networks differ from the start of the run, and
    for a new length that is shorter than the run is, or of a run that was stopped early. Raises `TrainingError` as
    `train` does.
    """
    folder, console = files.as_path(run, "run"), console or Console(stderr=True)
    log = console_log(console)
    if not cluster.is_chief():
        config, dataset = named_dataset(config or TrainConfig(), dataset)
        devices = _start(config, log)
        with worker_errors(devices), device_errors():
            config = broadcast_config(devices, None)
            return run_worker(
                prepare_training(config, dataset or load_data(config.data), devices, log, gan=gan, probe=probe)
            )

    # The recorded options. Other options raise an error.
    record = metadata.load(folder)
    config = (config or record.config).with_auto(record.config.precision, record.config.jit)
    if images is not None:
        config = replace(config, optimization=replace(config.optimization, images=images, epochs=None, steps=None))
    config, dataset = named_dataset(config, dataset)
    metadata.check_options(record, config)
    metadata.check_given(record, _given(gan=gan, probe=probe, grid=grid))
    if record.is_finished and not has_new_length(record, config):
        check_no_dataset(folder, record, config)
        log(finished_message(folder, record))
        return read_result(folder, record)

    # The newest intact state, locked against other processes.
    with training_state.locked(folder):
        saved, damaged = training_state.latest(folder)
        check_resumable(folder, saved, damaged)
        config = extended_config(folder, record, config, saved)
        devices = _start(config, log)
        for line in (*metadata.changed_versions(record), *damaged):
            warnings.warn(line, stacklevel=3)
        with worker_errors(devices), device_errors():
            # Set-up as in `train`, with the dataset that the run actually used, or its new place.
            has_moved = config.data.dataset != record.config.data.dataset
            data = replace(config.data, dataset_fallback="none")
            data = data if has_moved else replace(data, dataset=record.dataset.name)
            start = None if saved else config.init_from
            if start is not None:
                check_unchanged(start, record.init_sha256)
            said = None if record.feedback is None else load_feedback(folder, record.feedback, start)
            asked = replace(config, data=data, init_from=start, feedback=None)
            if record.measures_nothing:  # an earlier revision did not measure data without a classifier
                asked = replace(asked, stopping=replace(asked.stopping, probe="none", features=None))
            asked = broadcast_config(devices, asked)
            with nullcontext() if has_moved else new_place_hint(folder, record):
                dataset = dataset or load_data(asked.data)
            metadata.check_dataset(record.dataset, dataset.describe())
            if has_moved:
                log(moved_message(record, dataset))
            setup = prepare_training(asked, dataset, devices, log, saved=saved, feedback=said, gan=gan, probe=probe)
            features = None if setup.probe.features is None else setup.probe.features.sha256
            metadata.check_probe(record, setup.probe.sha256, features)
            if has_new_length(record, config):
                log(length_message(record, setup))
            record = metadata.resumed_metadata(
                record,
                replace(config, jit=setup.config.jit),
                devices.description,
                saved.step if saved else 0,
                total_steps=setup.schedule.total_steps,
                dataset=dataset.name if has_moved else None,
            )
            return _run(setup, folder, record, console, grid=grid, listeners=listeners, fresh=False)


def _given(**objects: object) -> list[str]:
    """Returns the names of the objects that are used instead of the ones that the options describe."""
    return [name for name, given in objects.items() if given is not None]


def _start(config: TrainConfig, log: Callable[[str], None]) -> DeviceSetup:
    """Starts TensorFlow, connects to the other workers, and prints the devices of the run."""
    devices = start(config.devices, seed=config.seed, deterministic=config.deterministic, log=log)
    description = devices.description
    log(f"device: {description}" if devices.is_chief else f"{description}; {devices.chief} writes the run folder")
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
    """Trains from the state of the set-up to the end, and writes the run folder.

    fresh: whether the folder was created for this run. If so, a failure before the first generator is saved removes it.
    """
    config, gan, schedule, saved, devices = setup.config, setup.gan, setup.schedule, setup.saved, setup.devices
    log = console_log(console)

    # Callbacks, in the order of their calls.
    stopping = stopping_callbacks(
        config.stopping, setup.dataset, gan.adversarial_loss, schedule, log, setup.confirmation
    )
    confirming = [rule for rule in stopping if isinstance(rule, callbacks.ToleranceEarlyStopping) and rule.confirm]
    others = [rule for rule in stopping if rule not in confirming]
    run_log = callbacks.RunLog(folder / run_folder.LOG, sources=confirming)
    if setup.confirmation is not None and not config.deterministic:
        setup.confirmation.time_left = run_log.time_left(CONFIRM_SHARE, schedule.total_images)
    generator = callbacks.GeneratorCheckpoint(folder / run_folder.GENERATOR)
    discriminator = callbacks.DiscriminatorCheckpoint(folder / run_folder.DISCRIMINATOR)
    grid = grid or callbacks.SampleGrid(seed=0)
    grid.folder = folder / run_folder.SAMPLES
    interrupt = callbacks.StopOnInterrupt(devices.any_worker, look_every=devices.look_every)
    first = [
        callbacks.FiniteLosses(),  # first, so that nothing is saved after a step with a NaN loss
        *confirming,  # before the log, which contains the result of a confirmation
        run_log,  # a row of log.csv
        generator,  # the averaged generator (EMA)
        discriminator,
        grid,  # a grid of samples, and an animation of all grids at the end
        *_tensorboard(config, folder, grid, confirming),  # after the grid, because it shows its image
        callbacks.Progress(console, total_images=schedule.total_images, first_image=saved.images if saved else 0),
        *others,  # after the callbacks that show the interval as trained, because these may restore an earlier one
    ]
    state = callbacks.TrainingState(
        folder, [*first, interrupt], interval_steps=schedule.interval_steps, total_steps=schedule.total_steps
    )
    called = [
        *first,
        state,  # after them, so that a saved state implies that the other files of the interval are complete
        *listeners,  # after the state, so that they find a complete interval
        interrupt,  # last, so that it notices a signal that arrives while others save
    ]

    # The loop.
    first_step = state.restore(gan, saved)
    if not fresh:
        log(resume_message(folder, saved, schedule))
    with loss_errors(gan, folder), report_failure(folder, gan, state, log, remove=fresh):
        if setup.feedback is not None:
            setup.feedback.save(folder)  # before the record of it
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
        generator.save()  # a stopping callback may have restored the generator of an earlier interval

    # The result.
    stopped_by, interval = stop_reason(stopping)
    step = int(scalar(gan.step))
    paused = any(one.paused for one in listeners if isinstance(one, callbacks.PauseAfter)) and stopped_by is None
    interrupted = interrupt.interrupted or (paused and step < schedule.total_steps)
    ended = RunResult(
        images=int(scalar(gan.images_seen)),
        steps=step,
        seconds=run_log.last_row.get("seconds", 0.0),
        compile_seconds=round(run_log.compile_seconds or 0.0, 3),
        interrupted=interrupted,
        stopped_by=None if interrupted else stopped_by,
        interval=interval,
        confirmations=tuple(one for rule in confirming for one in rule.confirmations),
    )
    used = replace(record.config, jit="on" if gan.jit_compile else "off")  # XLA may have failed in its first step
    record = replace(record, config=used, result=ended, sha256=files.sha256(generator.path))
    metadata.save(folder, record)
    if interrupted:
        log(f"{'Paused' if paused else 'Interrupted'} at step {step:,}; {resume_hint(folder, state.last)}")
    result = read_result(folder, record, signal=interrupt.signal)
    for line in (*augmentation_summary(folder), *confirmation_summary(folder, record)):
        log(line)
    devices.broadcast(result.as_dict())
    return result


def _tensorboard(
    config: TrainConfig, folder: Path, grid: callbacks.SampleGrid, sources: Sequence[callbacks.ToleranceEarlyStopping]
) -> list[keras.callbacks.Callback]:
    if not config.tensorboard:
        return []
    log = folder / run_folder.TENSORBOARD
    return [callbacks.TensorBoard(log, grid=grid, config=config.as_dict(), sources=sources)]
