"""The loop of a training run: one Keras epoch an interval, from any of them on."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import keras
import tensorflow as tf

from gan.config import TrainConfig
from gan.data.dataset import Dataset
from gan.errors import InputError
from gan.models.gan import GAN


@dataclass(frozen=True)
class Schedule:
    """Length of a run and of its intervals, in train steps; `images_per_step` counts the reals that D sees."""

    total_steps: int
    interval_steps: int
    images_per_step: int

    @property
    def intervals(self) -> int:
        """Number of intervals; the last may be shorter."""
        return -(-self.total_steps // self.interval_steps)

    @property
    def images_per_interval(self) -> int:
        """Images seen in an interval."""
        return self.interval_steps * self.images_per_step

    @property
    def total_images(self) -> int:
        """Images seen in the whole run."""
        return self.total_steps * self.images_per_step


def make_schedule(config: TrainConfig, dataset: Dataset) -> Schedule:
    """Returns the schedule of a run. Raises `InputError` when a batch is larger than the training split."""
    options = config.optimization
    total_steps = options.total_steps(len(dataset.train))
    batch_size = options.batch_size * options.critic_steps
    if batch_size > len(dataset.train):
        raise InputError(
            "A batch is larger than the data",
            expected=f"batch_size * critic_steps of at most the {len(dataset.train)} training images",
            received=f"batch_size={options.batch_size}, critic_steps={options.critic_steps}",
        )
    return Schedule(total_steps, config.interval_steps(total_steps), batch_size)


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
    """Fits one Keras epoch an interval. The callbacks see one training of many epochs; the last may be shorter.

    (One `fit` of many epochs cannot end on a shorter one without a warning, nor begin in the middle of a pass.)

    Args:
        first_step: where an interval of the schedule begins, or its end: then only the callbacks' beginning and end
            happen.
        validation: what the metrics of `compile` are computed on after each interval; None: they are not.
    """
    together = _OneTraining(list(callbacks), add_history=True, model=gan)
    with together.training():
        for step in range(first_step, schedule.total_steps, schedule.interval_steps):
            interval = step // schedule.interval_steps
            steps = min(schedule.interval_steps, schedule.total_steps - step)
            batches = dataset.train.batches(schedule.images_per_step, steps=steps, seed=seed, first_step=step)
            gan.fit(
                batches,
                validation_data=validation,
                initial_epoch=interval,
                epochs=interval + 1,
                callbacks=together,
                verbose=0,
                shuffle=False,
            )
            if gan.stop_training:
                break


class _OneTraining(keras.callbacks.CallbackList):
    """Callbacks that do not hear where one `fit` of a training ends and the next begins."""

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        pass

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        pass

    @contextmanager
    def training(self) -> Iterator[None]:
        """The beginning and the end. After an error each callback hears of it, and none can hide the error."""
        try:
            super().on_train_begin()
            yield
        except BaseException:
            for callback in self.callbacks:
                with suppress(Exception):
                    callback.on_train_end({"failed": True})
            raise
        super().on_train_end()
