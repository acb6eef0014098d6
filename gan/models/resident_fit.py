"""`fit` with images that lie on the device: when that is possible, and the train function for it."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import keras
import tensorflow as tf

from gan.data.resident import ResidentBatches, Source, bytes_on_device, resident_batches
from gan.models import step_loop
from gan.models.step_loop import CPU
from gan.models.xla import XlaModel
from gan.utils.gpu import memory_for_data
from gan.utils.types import Tensor

CPU_BYTES = 2**28
"""Largest size of images and labels on a CPU, in bytes. `Split` keeps larger images out of TensorFlow, too."""


class ResidentModel(XlaModel):
    """Base class of `GAN`: `fit` trains on images that lie on the device, if they fit, in loops of many steps.

    A subclass sets `data_on_device`, as `GAN.compile` describes it.
    """

    data_on_device: bool | str = "auto"
    _resident: ResidentBatches | None = None
    _step_loop: step_loop.StepLoop | None = None

    def set_data_on_device(self, data_on_device: bool | str) -> None:
        """Sets where `fit` keeps images, as `GAN.compile` describes it."""
        self.data_on_device, self._step_loop = data_on_device, None

    @contextmanager
    def resident_fit(self, options: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
        """Replaces the data of `fit` by the numbers of their batches, and the train function by a `StepLoop`.

        Args:
            options: arguments of `fit`, by name.

        Yields the arguments for Keras. They are as before if the data are no batches of `Split.batches`, or are not to
        lie on the device. Warns if that was asked for and is impossible.
        """
        batches = resident_batches(options.get("x"))
        if batches is None:
            yield dict(options)
            return
        on, reason = decide(self, batches.source, self.data_on_device)
        if self.data_on_device is True and not on:
            warnings.warn(f"The images stay on the host: {reason}", stacklevel=4)
        if not on:
            yield dict(options)
            return
        streamed, self._resident = self.train_function, batches
        self.train_function = None
        try:
            yield {**options, "x": batches.numbers(self.steps_per_execution)}
        finally:
            self._resident, self.train_function = None, streamed

    def make_train_function(self, force: bool = False) -> None:
        """Makes the train function of `keras.Model`, as in `XlaModel`. Inside `resident_fit`, it is a `StepLoop`."""
        if self._resident is None:
            super().make_train_function(force)
            return
        self.check_train_function()
        if force or self._step_loop is None or not self._step_loop.fits(self._resident):
            self._step_loop = step_loop.StepLoop(self, self._resident)
        self._step_loop.batches = self._resident
        self.train_function = self._step_loop


def decide(gan: ResidentModel, source: Source, asked: bool | str) -> tuple[bool, str]:
    """Returns whether `fit` keeps the images of a split on the device that trains a compiled GAN, and why.

    asked: "auto": on a CPU, and with XLA on a GPU. True: wherever it is possible.
    """
    if not asked:
        return False, "it was turned off"
    reason = obstacle(gan, source)
    if reason is not None:
        return False, reason
    if asked == "auto" and tf.config.get_visible_devices("GPU") and not gan.jit_compile:
        return False, "without XLA, TensorFlow gathers images on the host"
    return True, "they fit"


def obstacle(gan: ResidentModel, source: Source) -> str | None:
    """Returns in a few words why the images of a split cannot lie on the device that trains a GAN. None: they can."""
    with gan.distribute_strategy.scope():
        if tf.distribute.has_strategy():
            return "a strategy distributes the training"
    if gan.run_eagerly:
        return "the steps run eagerly"
    owner = next(one for one in type(gan).__mro__ if "train_step" in vars(one))
    if "train_step" in vars(gan) or keras.saving.get_registered_name(owner) != "gan>GAN":
        return "the train step is not that of GAN"
    size, limit = bytes_on_device(source), CPU_BYTES if step_loop.device(gan) == CPU else memory_for_data()
    if size is None:
        return "they are in a file, since they do not fit in memory"
    return f"they have {size:,} bytes, more than {limit:,}" if size > limit else None
