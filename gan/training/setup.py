"""All that a training run is made of, from its options: data, networks, schedule and what is measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from gan.config import DataConfig, TrainConfig
from gan.data.dataset import Dataset
from gan.data.load import load_dataset
from gan.distributed import replicas
from gan.distributed.devices import Fleet
from gan.models.build import build_gan, compile_gan
from gan.models.gan import GAN
from gan.saving import models
from gan.saving.metadata import check_card
from gan.saving.training_state import State
from gan.training.callbacks import TrainingState
from gan.training.loop import Schedule, fit_intervals, schedule_of
from gan.training.monitoring import Watch, check_monitor, stopping_callbacks, watch
from gan.utils import tensorflow as runtime


@dataclass(frozen=True)
class Prepared:
    """A run that is ready for its first step."""

    config: TrainConfig
    dataset: Dataset
    fleet: Fleet
    gan: GAN
    schedule: Schedule
    watched: Watch

    def rules(self, say: Callable[[str], None]) -> list[keras.callbacks.Callback]:
        """The callbacks that may end the run early; `say` prints a line."""
        return stopping_callbacks(
            self.config.stopping,
            self.dataset,
            self.gan.adversarial_loss,
            intervals=self.schedule.intervals,
            images_per_interval=self.schedule.interval_steps * self.schedule.images_per_step,
            say=say,
        )

    def keeper(self, run: Path | None, parts: Sequence[keras.callbacks.Callback]) -> TrainingState:
        """What keeps the state of these callbacks, and of the GAN, in a run folder (None: in no file)."""
        return TrainingState(
            run,
            parts,
            interval_steps=self.schedule.interval_steps,
            total_steps=self.schedule.total_steps,
            images_per_step=self.schedule.images_per_step,
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


def compiled(config: TrainConfig, dataset: Dataset, fleet: Fleet, say: Callable[[str], None]) -> Prepared:
    """Builds and compiles what the options ask for. Raises `InputError` when it does not fit the data or devices."""
    schedule = schedule_of(config, dataset)
    replicas.check_shares(fleet.replicas, schedule.images_per_step, config.optimization.critic_steps)
    if config.stopping.tolerance is not None:
        check_card(dataset.name, models.find_classifier(config.stopping.extractor).card, dataset.image_shape)
    per_interval = schedule.interval_steps * schedule.images_per_step
    with fleet.strategy.scope(), runtime.precision(config.precision):
        gan = build_gan(config, dataset)
    watched = watch(config.stopping, dataset, images_per_interval=per_interval)
    with fleet.strategy.scope():
        compile_gan(gan, config, schedule.total_steps, watched.metrics)
    check_monitor(config.stopping, gan)
    say(
        f"{dataset.title}: {len(dataset.train):,} training images; {schedule.total_steps:,} steps of "
        f"{schedule.images_per_step}, that is {schedule.total_steps * schedule.images_per_step:,} images, in "
        f"{config.precision}"
    )
    if watched.left_out is not None:
        say(f"val_pairwise_ssim is not measured: {watched.left_out}")
    return Prepared(config, dataset, fleet, gan, schedule, watched)
