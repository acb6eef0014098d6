"""Prepares a training run from its options: data, networks, schedule and probe."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

from gan.config import PRESETS, DataConfig, TrainConfig
from gan.data.dataset import Dataset
from gan.data.load import DatasetLike, as_dataset, load_dataset
from gan.distributed import replicas
from gan.distributed.devices import DeviceSetup
from gan.errors import InputError, did_you_mean
from gan.evaluation.features import RANDOM
from gan.models import jit
from gan.models.build import build_gan, compile_gan, log_nothing
from gan.models.gan import GAN
from gan.models.networks.inputs import NetworkInputs
from gan.models.resident_fit import decide
from gan.sampling.labels import describe_classes
from gan.saving.training_state import State
from gan.training.confirmation import SampleConfirmation, make_confirmation, sample_budget
from gan.training.feedback import Feedback, agree_on_feedback
from gan.training.loop import Schedule, make_schedule
from gan.training.monitoring import Probe, check_monitor, find_probe, make_probe
from gan.training.sync import agree_on_start, broadcast_weights
from gan.utils import tensorflow as runtime

ConfigLike = Annotated[TrainConfig | str | None, "a TrainConfig, or the name of a preset"]


@dataclass(frozen=True)
class TrainingSetup:
    """A run that is ready for its first step, or for the step after the state `saved`."""

    config: TrainConfig
    dataset: Dataset
    devices: DeviceSetup
    gan: GAN
    schedule: Schedule
    probe: Probe
    confirmation: SampleConfirmation | None = None
    feedback: Feedback | None = None
    saved: State | None = None


def load_data(options: DataConfig) -> Dataset:
    """Loads the dataset that the options name."""
    return load_dataset(options.dataset, fallback=options.dataset_fallback, **options.loading)


def preset_config(config: ConfigLike, preset: str | None) -> tuple[TrainConfig, str | None]:
    """Returns the options and the name of the preset that they are based on. A name stands for a preset.

    Raises `InputError` for an unknown name.
    """
    if not isinstance(config, str):
        return config or TrainConfig(), preset
    if config not in PRESETS:
        names = f"{list(PRESETS)}{did_you_mean(config, PRESETS)}"
        expected = f"a TrainConfig, or the name of a preset: one of {names}; dataset= names a dataset"
        raise InputError("Unknown preset", expected=expected, received=f"config={config!r}")
    return PRESETS[config], preset or config


def named_dataset(config: TrainConfig, dataset: DatasetLike | None) -> tuple[TrainConfig, Dataset | None]:
    """Returns the options with the name of the dataset, if it is given by its name, and otherwise the dataset itself.

    Raises `InputError` for anything else than a dataset, a name, a folder, or arrays (images, labels).
    """
    if isinstance(dataset, (str, os.PathLike)):
        return replace(config, data=replace(config.data, dataset=os.fspath(dataset))), None
    return config, None if dataset is None else as_dataset(dataset)


def _check_fit(gan: GAN, dataset: Dataset) -> None:
    """Raises `InputError` unless a given GAN has the image shape and the classes of a dataset."""
    shape, classes = tuple(gan.generator.output_shape[1:]), NetworkInputs.of(gan.generator).num_classes
    if shape != dataset.image_shape or classes not in (0, dataset.num_classes):
        raise InputError(
            "The given GAN does not fit the dataset",
            expected=f"images of shape {dataset.image_shape}, and {dataset.num_classes} classes or none",
            received=f"images of shape {shape}, and {classes} classes",
        )


def prepare_training(
    config: TrainConfig,
    dataset: Dataset,
    devices: DeviceSetup,
    log: Callable[[str], None],
    *,
    saved: State | None = None,
    feedback: Feedback | None = None,
    gan: GAN | None = None,
    probe: Probe | None = None,
) -> TrainingSetup:
    """Builds and compiles the networks, identically on every worker. Each worker must call this.

    Args:
        config: options that `broadcast_config` returned.
        log: prints a line. Only the chief calls it.
        saved: state to resume from; only the chief needs it. None: the run starts at step 0.
        feedback: what people called wrong; only the chief needs it. None: no feedback.
        gan, probe: as for `train`.

    Raises `InputError` when the options do not fit the data or the devices.
    """
    # Checks that do not need the networks.
    if gan is not None and devices.replicas > 1:
        raise InputError(
            "A given GAN trains on one device",
            expected="devices=1, or networks built from `config.model`",
            received=f"{devices.replicas} replicas",
        )
    saved = agree_on_start(devices, dataset, saved)
    schedule = make_schedule(config, dataset, saved)
    if gan is not None:
        _check_fit(gan, dataset)
    replicas.check_shares(devices.replicas, schedule.images_per_step, config.optimization.critic_steps)
    confirmation = make_confirmation(
        config.stopping,
        dataset,
        devices,
        probe=find_probe(config.stopping, dataset) if probe is None else None,
        seed=config.seed,
    )

    # The networks, the probe, and the compiled GAN with both.
    tell = log if devices.is_chief else log_nothing  # only the chief prints
    with devices.strategy.scope(), runtime.precision(config.precision):
        gan = gan or build_gan(config, dataset, tell)
    probe = probe or make_probe(config.stopping, dataset, images_per_interval=schedule.images_per_interval)
    rejected = agree_on_feedback(devices, feedback, config.feedback_share)
    with devices.strategy.scope():
        compile_gan(gan, config, schedule.total_steps, probe.metrics, rejected)
        title, batch_size = f"{config.model.arch} on {dataset.title}", config.optimization.batch_size
        xla = jit.decide(gan, config.jit, title=title, batch_size=batch_size, log=tell)
        gan.jit_compile = xla.on
        asked = {"on": True, "off": False}.get(config.data_on_device, "auto")
        on_device, reason = decide(gan, dataset.train, asked)
        if config.data_on_device == "on" and not on_device:
            tell(f"the images stay on the host: {reason}")
        gan.set_data_on_device(on_device and asked)
    config = replace(config, jit="on" if xla.on else "off")
    check_monitor(config.stopping, gan, probe)
    if saved is None:
        for counter in (gan.step, gan.images_seen):  # a given GAN may have been trained before
            counter.assign(0)
        gan.adaptation.reset()
        broadcast_weights(devices, gan)
    if devices.is_chief:
        log(
            f"{dataset.title}: {len(dataset.train):,} training images; {schedule.total_steps:,} steps of "
            f"{schedule.images_per_step} images, {schedule.total_images:,} images in total; {config.precision}"
            + (", XLA" if xla.on else "")
            + (", images on the device" if on_device else "")
        )
        if feedback is not None:
            share = f"{100 * config.feedback_share:g} %"
            log(f"feedback: {len(feedback.images):,} samples that people called wrong are {share} of D's loss")
        if config.freeze_d:
            kept = f"{len(gan.optimizer.d_variables)} of {len(gan.discriminator.trainable_variables)}"
            log(
                f"freeze_d: the first {config.freeze_d} layers of the discriminator stay, so it trains {kept} variables"
            )
        if dataset.class_names:
            log(f"classes: {describe_classes(dataset.class_names)}")
        if probe.features is not None and probe.sha256 is None:
            which = "the fixed random network" if probe.features.name == RANDOM else probe.features.name
            log(f"no classifier suits the data: intervals are compared by features of {which}, without error rates")
        if probe.left_out is not None:
            log(f"val_pairwise_ssim is not measured: {probe.left_out}")
        if config.stopping.tolerance is not None and confirmation is not None:
            line = probe.why_only_at_end(
                config.stopping.tolerance,
                budget=sample_budget(schedule.total_images),
                min_num=confirmation.min_num,
            )
            if line is not None:
                log(line)
    return TrainingSetup(config, dataset, devices, gan, schedule, probe, confirmation, feedback, saved)
