"""Prepares a training run from its options: data, networks, schedule and probe."""

from collections.abc import Callable
from dataclasses import dataclass

from gan.config import DataConfig, TrainConfig
from gan.data.dataset import Dataset
from gan.data.load import as_dataset, load_dataset
from gan.distributed import replicas
from gan.distributed.devices import DeviceSetup
from gan.errors import InputError
from gan.models.build import build_gan, compile_gan
from gan.models.gan import GAN
from gan.sampling.labels import describe_classes
from gan.saving import metadata, models
from gan.saving.training_state import State
from gan.training.loop import Schedule, make_schedule
from gan.training.monitoring import Probe, check_monitor, make_probe
from gan.training.sync import agree_on_start, broadcast_weights
from gan.utils import tensorflow as runtime


@dataclass(frozen=True)
class TrainingSetup:
    """A run that is ready for its first step, or for the step after the state `saved`."""

    config: TrainConfig
    dataset: Dataset
    devices: DeviceSetup
    gan: GAN
    schedule: Schedule
    probe: Probe
    saved: State | None = None


def load_data(options: DataConfig, given: object = None) -> Dataset:
    """Returns the dataset that was given, of any kind that `as_dataset` accepts. None: loads the one in the options."""
    if given is not None:
        return as_dataset(given)
    return load_dataset(options.dataset, fallback=options.dataset_fallback, **options.loading)


def prepare_training(
    config: TrainConfig,
    dataset: Dataset,
    devices: DeviceSetup,
    log: Callable[[str], None],
    *,
    saved: State | None = None,
    gan: GAN | None = None,
    probe: Probe | None = None,
) -> TrainingSetup:
    """Builds and compiles the networks, identically on every worker. Each worker must call this.

    Args:
        config: options that `broadcast_config` returned.
        log: prints a line. Only the chief calls it.
        saved: state to resume from; only the chief needs it. None: the run starts at step 0.
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
    schedule = make_schedule(config, dataset)
    saved = agree_on_start(devices, dataset, saved)
    replicas.check_shares(devices.replicas, schedule.images_per_step, config.optimization.critic_steps)
    if config.stopping.tolerance is not None:
        card = models.find_classifier(config.stopping.classifier).card
        metadata.check_card(dataset.name, card, dataset.image_shape)

    # The networks, the probe, and the compiled GAN with both.
    with devices.strategy.scope(), runtime.precision(config.precision):
        gan = gan or build_gan(config, dataset)
    probe = probe or make_probe(config.stopping, dataset, images_per_interval=schedule.images_per_interval)
    with devices.strategy.scope():
        compile_gan(gan, config, schedule.total_steps, probe.metrics)
    check_monitor(config.stopping, gan)
    if saved is None:
        for counter in (gan.step, gan.images_seen):  # a given GAN may have been trained before
            counter.assign(0)
        broadcast_weights(devices, gan)
    if devices.is_chief:
        log(
            f"{dataset.title}: {len(dataset.train):,} training images; {schedule.total_steps:,} steps of "
            f"{schedule.images_per_step} images, {schedule.total_images:,} images in total; {config.precision}"
        )
        if dataset.class_names:
            log(f"classes: {describe_classes(dataset.class_names)}")
        if probe.left_out is not None:
            log(f"val_pairwise_ssim is not measured: {probe.left_out}")
    return TrainingSetup(config, dataset, devices, gan, schedule, probe, saved)
