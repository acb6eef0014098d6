"""Ctrl-C ends training between two steps, with everything saved."""

import signal
from typing import Any

import keras


class StopOnInterrupt(keras.callbacks.Callback):
    """Turns the first SIGINT during training into `model.stop_training`; a second one interrupts at once.

    `interrupted` tells whether that happened. Signals reach a program's main thread only: used elsewhere, the
    callback does nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.interrupted = False
        self._previous: Any = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        try:
            self._previous = signal.signal(signal.SIGINT, self._stop)
        except ValueError:  # not the main thread
            self._previous = None

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.interrupted:
            self.model.stop_training = True

    def _stop(self, signum: int, frame: Any) -> None:
        self.interrupted = True
        signal.signal(signal.SIGINT, self._previous)
