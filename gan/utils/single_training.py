"""Presents several calls of `fit` to callbacks as a single training."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import keras


class SingleTraining(keras.callbacks.CallbackList):
    """A list of callbacks that see several calls of `fit` as a single training. Each call gets it as `callbacks=`.

    The arguments are those of `keras.callbacks.CallbackList`. `epochs=` tells the callbacks the planned length.

    >>> callback_list = SingleTraining(callbacks, model=model, epochs=epochs)
    >>> with callback_list.training():
    ...     for epoch in range(epochs):
    ...         model.fit(batches(epoch), initial_epoch=epoch, epochs=epoch + 1, callbacks=callback_list)
    """

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        pass

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        pass

    @contextmanager
    def training(self) -> Iterator[None]:
        """Calls `on_train_begin` and `on_train_end` of the callbacks.

        After an error, `on_train_end` gets `logs={"failed": True}`. Exceptions in callbacks are then suppressed, so
        that they cannot hide the error.
        """
        try:
            super().on_train_begin()
            yield
        except BaseException:
            for callback in self.callbacks:
                with suppress(Exception):
                    callback.on_train_end({"failed": True})
            raise
        super().on_train_end()
