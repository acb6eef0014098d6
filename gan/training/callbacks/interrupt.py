"""Ctrl-C and SIGTERM end training between two steps, with everything saved."""

import signal
from collections.abc import Callable
from typing import Any

import keras

LOOK_EVERY = 20
"""Steps after which several processes ask each other for signals."""


class StopOnInterrupt(keras.callbacks.Callback):
    """Turns the first SIGINT or SIGTERM during training into `model.stop_training`; a second one acts at once.

    `signal` is the number of the one that came, None without one, and `interrupted` says whether. Stands last, so that
    one that comes while others save is heard, too. Signals reach a program's main thread only: used elsewhere, the
    callback does nothing.

    Args:
        anywhere: for a training by several processes: tells whether what it is given is true in any of them. All of
            them ask it at the same steps, every `LOOK_EVERY` and at the end of an epoch, and so all stop at the same.
            The signal of another process counts as a SIGINT. None: this process is alone.
    """

    def __init__(self, anywhere: Callable[[bool], bool] | None = None) -> None:
        super().__init__()
        self.anywhere = anywhere
        self.signal: int | None = None
        self._previous: dict[int, Any] = {}

    @property
    def interrupted(self) -> bool:
        return self.signal is not None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._previous[number] = signal.signal(number, self._stop)
            except ValueError:  # not the main thread
                return

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._let_go()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.anywhere is None or (batch + 1) % LOOK_EVERY == 0:
            self._look()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._look()

    def _look(self) -> None:
        if self.anywhere is None:
            stop = self.interrupted
        elif stop := self.anywhere(self.interrupted):
            self.signal = self.signal or signal.SIGINT
        if stop:
            self.model.stop_training = True

    def _stop(self, signum: int, frame: Any) -> None:
        self.signal = signum
        self._let_go()

    def _let_go(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}
