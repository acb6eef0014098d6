"""What the callbacks that judge a training have in common."""

from collections.abc import Callable
from typing import Any

import keras


class Rule(keras.callbacks.Callback):
    """A callback that judges epochs and has a conclusion when training ends. A subclass gives `conclude`.

    After an error there is no conclusion: the training did not end, so nothing is said of it and no weights are put
    back. `fitting.fit_intervals` tells of the error by `logs={"broken_off": True}`.

    Args:
        say: takes each line.
    """

    def __init__(self, say: Callable[[str], Any]) -> None:
        super().__init__()
        self.say = say

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if not (logs or {}).get("broken_off"):
            self.conclude()

    def conclude(self) -> None:
        """Acts on the end of a training that no error ended."""
        raise NotImplementedError
