"""Counters of a GAN: train steps and images seen. They are saved, with the running means of the logs."""

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from gan.models.resident_fit import ResidentModel
from gan.utils.types import Tensor

_MEANS = "step_means"
"""Name of the running means of the logs in a saved file."""


class CountedModel(ResidentModel):
    """A model that counts its train steps and the real images that they used.

    Attributes:
        step: number of train steps so far, an int64 variable.
        images_seen: number of real images in these steps, an int64 variable.
    """

    def add_counters(self) -> None:
        """Creates the counters. A constructor calls this once."""
        self._step = self._add_counter("step")
        self.images_seen = self._add_counter("images_seen")
        self._step_of_optimizer = False

    def _add_counter(self, name: str) -> keras.Variable:
        return self.add_weight(
            name=name, dtype="int64", initializer="zeros", trainable=False, aggregation="only_first_replica"
        )

    @property
    def step(self) -> keras.Variable:
        """Number of train steps so far: int64 [].

        A file of an earlier revision has no counters. After loading one, `step` is the iteration count of G's optimizer
        and `images_seen` starts at 0.
        """
        if self._step_of_optimizer and self.compiled:
            with tf.init_scope():
                self._step.assign(self.g_optimizer.iterations)
            self._step_of_optimizer = False
        return self._step

    def save_own_variables(self, store: dict[str, Tensor]) -> None:
        """Saves the counters, and the running means of the logs, since lazy penalties keep the last one."""
        super().save_own_variables(store)
        if self.compiled:
            store[_MEANS] = np.stack([np.asarray(variable) for variable in self.step_means.variables])

    def load_own_variables(self, store: Mapping[str, Tensor]) -> None:
        """Loads the counters. For a file without them see `step`: Keras loads the optimizers only later."""
        self._step_of_optimizer = not store.keys()
        if not self._step_of_optimizer:
            super().load_own_variables({name: store[name] for name in store.keys() if name != _MEANS})  # noqa: SIM118
        if _MEANS in store.keys() and self.compiled:  # noqa: SIM118 - an HDF5 store is not a mapping
            self.step_means.restore(np.asarray(store[_MEANS]))
