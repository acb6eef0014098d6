"""Callbacks whose state is saved with a training run, and restored when the run is resumed."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Generic, Protocol, TypeVar, runtime_checkable

import keras
import numpy as np

from gan.errors import convert
from gan.saving.training_state import State as SavedState

State = TypeVar("State", bound=Mapping[str, object])


@runtime_checkable
class HasState(Protocol):
    """A callback whose state `TrainingState` saves: a JSON object.

    A callback needs only these two methods. An optional attribute `state_type`, a TypedDict, defines the valid states.
    """

    def get_state(self) -> Mapping[str, object]:
        """Returns what the next epoch depends on, in JSON types."""

    def set_state(self, state: dict[str, object]) -> None:
        """Restores what `get_state` returned."""


@runtime_checkable
class HasArrays(Protocol):
    """A callback whose state has arrays too, such as weights that it may restore."""

    def get_arrays(self) -> Sequence[np.ndarray]:
        """Returns the arrays. [] if there are none."""

    def set_arrays(self, arrays: Sequence[np.ndarray]) -> None:
        """Restores what `get_arrays` returned."""


def collect_arrays(callbacks: Mapping[str, HasState]) -> dict[str, np.ndarray]:
    """Returns the arrays of callbacks under the names that `restore_states` looks for in a training state."""
    return {
        f"callbacks/{name}/{i:06d}": array
        for name, callback in callbacks.items()
        if isinstance(callback, HasArrays)
        for i, array in enumerate(callback.get_arrays())
    }


def restore_states(callbacks: Mapping[str, HasState], saved: SavedState) -> None:
    """Restores the states and arrays of callbacks, by name, from a training state."""
    for name, callback in callbacks.items():
        if isinstance(callback, HasArrays):
            prefix = f"callbacks/{name}/"
            callback.set_arrays([saved.arrays[key] for key in sorted(saved.arrays) if key.startswith(prefix)])
        callback.set_state(saved.callbacks[name])


class ResumableCallback(keras.callbacks.Callback, Generic[State]):
    """Base of callbacks with a state. Each training begins with a reset, unless `set_state` was called before it.

    A subclass defines `state_type`, `reset`, `get_state` and `restore`. If its state has arrays, it also defines
    `get_arrays` and `set_arrays`. An `on_train_begin` of the subclass must first call the method of this class.
    """

    state_type: ClassVar[type]
    """TypedDict of JSON types that defines the valid states."""

    def __init__(self) -> None:
        super().__init__()
        self._resumed = False

    def reset(self) -> None:
        """Discards all epochs."""
        raise NotImplementedError

    def get_state(self) -> State:
        """Returns what the next epoch depends on, in JSON types."""
        raise NotImplementedError

    def restore(self, state: State) -> None:
        """Restores a state of the right type. Raises `InputError` if the state belongs to other options."""
        raise NotImplementedError

    def set_state(self, state: State) -> None:
        """Restores what `get_state` returned. The beginning of the next training does not reset it.

        Raises `InputError`, and changes nothing, if `state` is not a valid state of this callback.
        """
        self.restore(convert(state, self.state_type, f"the state of {type(self).__name__}"))
        self._resumed = True

    def get_arrays(self) -> list[np.ndarray]:
        """Returns the arrays that belong to the state. [] if there are none."""
        return []

    def set_arrays(self, arrays: Sequence[np.ndarray]) -> None:
        """Restores what `get_arrays` returned at the time of the state."""

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        if not self._resumed:
            self.reset()
        self._resumed = False
