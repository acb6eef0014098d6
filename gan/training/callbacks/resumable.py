"""Callbacks whose state is saved with a training run, and put back when the run is resumed."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Generic, Protocol, TypeVar, runtime_checkable

import keras
import numpy as np

from gan.errors import convert

State = TypeVar("State", bound=Mapping[str, object])


@runtime_checkable
class HasState(Protocol):
    """A callback whose state `TrainingState` saves: a JSON object.

    Any callback with these two methods is one. An attribute `state_type`, a TypedDict, says what states it accepts.
    """

    def get_state(self) -> Mapping[str, object]:
        """Returns what the next epoch depends on, in JSON types."""

    def set_state(self, state: dict[str, object]) -> None:
        """Puts back what `get_state` returned."""


@runtime_checkable
class HasArrays(Protocol):
    """A callback with arrays beside its state, such as weights that it may put back."""

    def get_arrays(self) -> Sequence[np.ndarray]:
        """Returns the arrays; [] where there are none."""

    def set_arrays(self, arrays: Sequence[np.ndarray]) -> None:
        """Puts back what `get_arrays` returned."""


class ResumableCallback(keras.callbacks.Callback, Generic[State]):
    """A callback with a state. The beginning of a training resets it, unless its state was set after the last one.

    A subclass gives `state_type`, `reset`, `get_state` and `restore`, and `get_arrays` with `set_arrays` where its
    state has arrays. Its own `on_train_begin` calls this one first.
    """

    state_type: ClassVar[type]
    """A TypedDict of JSON types: what a state looks like."""

    def __init__(self) -> None:
        super().__init__()
        self._resumed = False

    def reset(self) -> None:
        """Forgets every epoch."""
        raise NotImplementedError

    def get_state(self) -> State:
        """Returns what the next epoch depends on, in JSON types."""
        raise NotImplementedError

    def restore(self, state: State) -> None:
        """Takes over a state of the right type. Raises `InputError` for that of other options."""
        raise NotImplementedError

    def set_state(self, state: State) -> None:
        """Resumes where `get_state` was called, in the next training too: its beginning does not reset this.

        Raises `InputError`, and changes nothing, for what is not a state of this callback.
        """
        self.restore(convert(state, self.state_type, f"the state of {type(self).__name__}"))
        self._resumed = True

    def get_arrays(self) -> list[np.ndarray]:
        """Returns the arrays that belong to the state; [] where there are none."""
        return []

    def set_arrays(self, arrays: Sequence[np.ndarray]) -> None:
        """Takes what `get_arrays` returned, as of `set_state`."""

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        if not self._resumed:
            self.reset()
        self._resumed = False
