"""All that a training run is made of, from its options: data, networks, schedule and what is measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from gan.config import DataConfig, TrainConfig
from gan.data.dataset import Dataset
from gan.data.load import load_dataset
from gan.distributed import replicas
from gan.distributed.devices import DeviceSetup
from gan.models.build import build_gan, compile_gan
from gan.models.gan import GAN
from gan.saving import models
from gan.saving.metadata import check_card
from gan.saving.training_state import State
from gan.training.callbacks import TrainingState
from gan.training.loop import Schedule, fit_intervals, schedule_of
from gan.training.monitoring import Probe, check_monitor, make_probe, stopping_callbacks
from gan.utils import tensorflow as runtime


@dataclass(frozen=True)
class TrainingSetup:
    """A run that is ready for its first step."""

    config: TrainConfig
    dataset: Dataset
    device_setup: DeviceSetup
    gan: GAN
    schedule: Schedule
    watched: Probe

    def rules(self, log: Callable[[str], None]) -> list[keras.callbacks.Callback]:
        """The callbacks that may end the run early; `log` prints a line."""
        return stopping_callbacks(
            self.config.stopping,
            self.dataset,
            self.gan.adversarial_loss,
            intervals=self.schedule.intervals,
            images_per_interval=self.schedule.interval_steps * self.schedule.images_per_step,
            log=log,
        )

    def keeper(self, run: Path | None, parts: Sequence[keras.callbacks.Callback]) -> TrainingState:
        """What keeps the state of these callbacks, and of the GAN, in a run folder (None: in no file)."""
        return TrainingState(
            run,
            parts,
            interval_steps=self.schedule.interval_steps,
            total_steps=self.schedule.total_steps,
        )

    def restored(self, keeper: TrainingState, saved: State | None) -> int:
        """Puts a state back, if there is one; returns the step that training goes on from."""
        if saved is None:
            return 0
        keeper.restore(self.gan, saved)
        return self.schedule.total_steps if saved.stopped else saved.step

    def fit(self, callbacks: list[keras.callbacks.Callback], first_step: int) -> None:
        """Trains from a step to the end."""
        fit_intervals(
            self.gan,
            self.dataset,
            callbacks,
            self.schedule,
            seed=self.config.seed,
            first_step=first_step,
            validation=self.watched.batches,
        )


def load(options: DataConfig) -> Dataset:
    """The data set that a run asks for."""
    return load_dataset(options.dataset, fallback=options.dataset_fallback, **options.loading)


def prepare_training(
    config: TrainConfig, dataset: Dataset, device_setup: DeviceSetup, log: Callable[[str], None]
) -> TrainingSetup:
    """Builds and compiles what the options ask for. Raises `InputError` when it does not fit the data or devices."""
    schedule = schedule_of(config, dataset)
    replicas.check_shares(device_setup.replicas, schedule.images_per_step, config.optimization.critic_steps)
    if config.stopping.tolerance is not None:
        check_card(dataset.name, models.find_classifier(config.stopping.classifier).card, dataset.image_shape)
    per_interval = schedule.interval_steps * schedule.images_per_step
    with device_setup.strategy.scope(), runtime.precision(config.precision):
        gan = build_gan(config, dataset)
    watched = make_probe(config.stopping, dataset, images_per_interval=per_interval)
    with device_setup.strategy.scope():
        compile_gan(gan, config, schedule.total_steps, watched.metrics)
    check_monitor(config.stopping, gan)
    log(
        f"{dataset.title}: {len(dataset.train):,} training images; {schedule.total_steps:,} steps of "
        f"{schedule.images_per_step}, that is {schedule.total_steps * schedule.images_per_step:,} images, in "
        f"{config.precision}"
    )
    if watched.left_out is not None:
        log(f"val_pairwise_ssim is not measured: {watched.left_out}")
    return TrainingSetup(config, dataset, device_setup, gan, schedule, watched)
