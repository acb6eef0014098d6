"""Ctrl-C and SIGTERM end training between two steps, with everything saved."""

import signal
from collections.abc import Callable
from typing import Any

import keras


class StopOnInterrupt(keras.callbacks.Callback):
    """Turns the first SIGINT or SIGTERM during training into `model.stop_training`; a second one acts at once.

    `signal` is the number of the one that came, None without one, and `interrupted` says whether. Stands last, so that
    one that comes while others save is heard, too. Signals reach a program's main thread only: used elsewhere, the
    callback does nothing.

    Args:
        any_worker: tells whether a flag holds in any process of the training. All of them ask it at the same steps, and
            so all stop at the same one. The signal of another process counts as a SIGINT. None: this process is alone.
        look_every: steps from one question to the next; the end of an epoch asks as well.
    """

    def __init__(self, any_worker: Callable[[bool], bool] | None = None, *, look_every: int = 1) -> None:
        super().__init__()
        self.any_worker = any_worker or bool
        self.look_every = look_every
        self.signal: int | None = None
        self._previous: dict[int, Any] = {}

    @property
    def interrupted(self) -> bool:
        return self.signal is not None

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._previous[number] = signal.signal(number, self._stop)
            except ValueError:  # not the main thread
                return

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        self._let_go()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if (batch + 1) % self.look_every == 0:
            self._look()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._look()

    def _look(self) -> None:
        if self.any_worker(self.interrupted):
            self.signal = self.signal or signal.SIGINT
            self.model.stop_training = True

    def _stop(self, signum: int, frame: Any) -> None:
        self.signal = signum
        self._let_go()

    def _let_go(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}
