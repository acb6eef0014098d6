"""`fit` with images that lie on the device: when that is possible, and the train function for it."""

import warnings
from collections.abc import Callable, Iterator, Mapping
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
    _step_loops: step_loop.StepLoops
    _streamed: Callable[[Iterator[Tensor]], Tensor] | None = None

    def set_data_on_device(self, data_on_device: bool | str) -> None:
        """Sets where `fit` keeps images, as `GAN.compile` describes it."""
        self.data_on_device, self._step_loops, self._streamed = data_on_device, step_loop.StepLoops(), None

    @contextmanager
    def resident_fit(self, options: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
        """Replaces the data of `fit` by the numbers of their batches, and the train function by one for them.

        Args:
            options: arguments of `fit`, by name.

        Yields the arguments for Keras. They are as before if the data are no batches of `Split.batches`, or are not to
        lie on the device. Warns if that was asked for and is impossible. After `fit`, the GAN does not keep the data.
        """
        batches, on, reason = resident_batches(options.get("x")), False, "only batches of `Split.batches` can leave it"
        if batches is not None:
            on, reason = decide(self, batches.source, self.data_on_device)
        if self.data_on_device is True and not on:
            warnings.warn(f"The images stay on the host: {reason}", stacklevel=4)
        resident = batches if on else None
        with self.training_on(resident):
            yield dict(options) if resident is None else {**options, "x": resident.numbers(self.steps_per_execution)}

    @contextmanager
    def training_on(self, batches: ResidentBatches | None) -> Iterator[None]:
        """Makes train functions for other data inside, also in a callback of `fit`. None: streamed batches."""
        outer, function, with_xla = self._resident, self.train_function, self.jit_compile
        if outer is None:
            self._streamed = function
        self._resident, self.train_function = batches, self._streamed if batches is None else None
        try:
            yield
        finally:
            if batches is None:
                self._streamed = self.train_function
            self._resident, self.train_function = outer, function
            if outer is None:
                self.train_function, self._streamed = self._streamed, None
            elif self.jit_compile != with_xla:
                self.make_train_function(force=True)

    def give_up_xla(self) -> None:
        """Makes the plain train function, also after saving and loading."""
        self._streamed = None
        super().give_up_xla()

    def make_train_function(self, force: bool = False) -> None:
        """Makes the train function of `keras.Model`, as in `XlaModel`. Inside `resident_fit`, it is for its batches."""
        if self._resident is None:
            super().make_train_function(force)
            return
        self.check_train_function()
        if force:
            self._step_loops = step_loop.StepLoops()
        if force or self.train_function is None:
            self.train_function = self._step_loops.train_function(self, self._resident)


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
