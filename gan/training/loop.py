"""The training loop: one Keras epoch per interval, starting at any interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import tensorflow as tf

from gan.config import TrainConfig
from gan.data.dataset import Dataset
from gan.errors import InputError
from gan.models.gan import GAN
from gan.saving.training_state import State
from gan.utils.single_training import SingleTraining


@dataclass(frozen=True)
class Schedule:
    """Length of a run and of its intervals, in train steps.

    `images_per_step` is the number of real images that D sees in a train step. `first_step` and `first_interval` are
    the numbers of steps and intervals that were complete at the start. They count if the last complete interval was
    shorter, because the run had another length.
    """

    total_steps: int
    interval_steps: int
    images_per_step: int
    first_step: int = 0
    first_interval: int = 0

    @property
    def intervals(self) -> int:
        """Number of intervals. The last interval may be shorter."""
        return self.first_interval - (self.first_step - self.total_steps) // self.interval_steps

    def complete_intervals(self, step: int) -> int:
        """Returns the number of intervals that are complete after `step`, a step at which an interval may begin."""
        return self.first_interval + (step - self.first_step) // self.interval_steps

    @property
    def images_per_interval(self) -> int:
        """Number of real images that D sees in an interval."""
        return self.interval_steps * self.images_per_step

    @property
    def total_images(self) -> int:
        """Number of real images that D sees in the whole run."""
        return self.total_steps * self.images_per_step


def make_schedule(config: TrainConfig, dataset: Dataset, saved: State | None = None) -> Schedule:
    """Returns the schedule of a run, from the state `saved` if it is resumed.

    Raises `InputError` when a batch is larger than the training split.
    """
    options = config.optimization
    total_steps = options.total_steps(len(dataset.train))
    batch_size = options.batch_size * options.critic_steps
    if batch_size > len(dataset.train):
        raise InputError(
            "A batch is larger than the training split",
            expected=f"batch_size * critic_steps <= {len(dataset.train)} training images",
            received=f"batch_size={options.batch_size}, critic_steps={options.critic_steps}",
        )
    start = (saved.step, saved.interval) if saved else (0, 0)
    return Schedule(total_steps, config.interval_steps(total_steps), batch_size, *start)


def fit_intervals(
    gan: GAN,
    dataset: Dataset,
    callbacks: Sequence[keras.callbacks.Callback],
    schedule: Schedule,
    *,
    seed: int,
    first_step: int = 0,
    validation: tf.data.Dataset | None = None,
) -> None:
    """Fits a GAN with one Keras epoch per interval. The callbacks see a single training of many epochs.

    A single call of `fit` would warn if the last epoch is shorter. It also cannot start in the middle of a pass over
    the data.

    Args:
        first_step: step to start at, the first step of an interval. With `schedule.total_steps`, no step is taken and
            only the `on_train_begin` and `on_train_end` of the callbacks are called.
        validation: batches on which the metrics of `compile` are computed after each interval. None: no evaluation.
    """
    callback_list = SingleTraining(list(callbacks), add_history=True, model=gan, epochs=schedule.intervals)
    with callback_list.training():
        for step in range(first_step, schedule.total_steps, schedule.interval_steps):
            interval = schedule.complete_intervals(step)
            steps = min(schedule.interval_steps, schedule.total_steps - step)
            batches = dataset.train.batches(
                schedule.images_per_step, steps=steps, seed=seed, first_step=step, reshuffle_each_iteration=False
            )
            callback_list.set_params({"epochs": schedule.intervals, "steps": steps})
            gan.fit(
                batches,
                validation_data=validation,
                initial_epoch=interval,
                epochs=interval + 1,
                callbacks=callback_list,
                verbose=0,
                shuffle=False,
            )
            if gan.stop_training:
                break
