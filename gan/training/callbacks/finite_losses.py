"""Ends a training whose loss is NaN or infinite, even if the graph leaves out its own checks."""

import math

import keras

from gan.distributed.replicas import scalar
from gan.errors import TrainingError


class FiniteLosses(keras.callbacks.Callback):
    """Raises `TrainingError` when `d_loss` or `g_loss` is NaN or infinite after a graph call or an epoch.

    This callback must be the first, so that nothing is saved after the error. Inside the graph, `GAN` checks each loss
    before it updates a weight. XLA (`compile(jit_compile=True)`) leaves that check out. Training since the last
    state, at most one interval, is then lost.
    """

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._check(logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._check(logs)

    def _check(self, logs: dict[str, float] | None) -> None:
        for name in ("d_loss", "g_loss"):
            value = float((logs or {}).get(name, 0.0))
            if not math.isfinite(value):
                became = "NaN" if math.isnan(value) else "Inf"
                step = int(scalar(self.model.step))
                raise TrainingError(f"{name} became {became} at or before step {step}. A lower learning rate may help.")
