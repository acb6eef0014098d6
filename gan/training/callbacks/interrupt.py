"""Ends training cleanly before its end: on Ctrl-C or SIGTERM, between two steps; or after an epoch, for a pause."""

import signal
from collections.abc import Callable
from typing import Any

import keras

from gan.errors import check_whole
from gan.utils.arguments import checked


class StopOnInterrupt(keras.callbacks.Callback):
    """Sets `model.stop_training` on the first SIGINT or SIGTERM during training. A second signal acts immediately.

    `signal` is the number of the received signal (None: no signal), and `interrupted` is True after a signal. The
    callback must be the last, so that it notices a signal that arrives while others save. Python handles signals in the
    main thread only; in another thread, the callback does nothing.

    Args:
        any_worker: returns True if a flag is True in any process of the training. All processes call it at the same
            steps, so that they stop at the same step. A signal in another process counts as SIGINT. None: this is the
            only process.
        look_every: number of steps between two calls of `any_worker`. It is also called at the end of an epoch.
    """

    @checked
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
        self._restore_handlers()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if (batch + 1) % self.look_every == 0:
            self._check()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._check()

    def _check(self) -> None:
        if self.any_worker(self.interrupted):
            self.signal = self.signal or signal.SIGINT
            self.model.stop_training = True

    def _stop(self, signum: int, frame: Any) -> None:
        self.signal = signum
        self._restore_handlers()

    def _restore_handlers(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}


class PauseAfter(keras.callbacks.Callback):
    """Sets `model.stop_training` at the end of an epoch, so that the training can be resumed later.

    `paused` is True after that. The callback must follow the one that saves the state.

    Args:
        epochs: number of complete epochs after which the training pauses; those of earlier processes count.
    """

    @checked
    def __init__(self, epochs: int) -> None:
        super().__init__()
        check_whole("epochs", epochs, 1)
        self.epochs = epochs
        self.paused = False

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if epoch + 1 >= self.epochs and not self.model.stop_training:
            self.paused = self.model.stop_training = True
