"""Saves all that resume needs after every complete interval, and puts it back."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from gan.distributed.replicas import scalar
from gan.errors import InputError, Json, TrainingError, convert
from gan.saving import training_state
from gan.saving.training_state import State
from gan.training.callbacks.interrupt import StopOnInterrupt
from gan.training.callbacks.resumable import HasArrays, HasState

_PARTS = ("generator", "discriminator", "generator_ema", "g_optimizer", "d_optimizer", "augment")
"""Attributes of a GAN whose variables are saved, beside its counters. Latents and the data's order are functions of
(seed, step)."""


class TrainingState(keras.callbacks.Callback):
    """Writes a `State` at the end of every epoch that is complete; stands after the callbacks that it saves.

    Saved are the variables of the networks and optimizers, and the state of every callback that has `get_state` (a
    JSON dict) and `set_state`, and of those with `get_arrays` (a list of arrays) and `set_arrays`, too:
    `resumable.HasState`, `resumable.HasArrays`. They are put back after every callback's `on_train_begin`, so that one
    which is reset there still resumes. A callback whose `state_type`, a TypedDict, says what its state looks like
    gets no other one.

    Args:
        run: the run folder, whose `state/` is written; None: nothing is written, only put back (by workers of a run
            that another process writes: of the callbacks' states they need those that they have).
        callbacks: those of the training.
        interval_steps, total_steps: an interval is complete at a multiple of the one, and at the other.

    Raises `TrainingError` when a variable is NaN or infinite: such a state is not written.
    """

    def __init__(
        self,
        run: Path | None,
        callbacks: Sequence[keras.callbacks.Callback],
        *,
        interval_steps: int,
        total_steps: int,
    ) -> None:
        super().__init__()
        self.run = run
        self.interval_steps = interval_steps
        self.total_steps = total_steps
        self.last: State | None = None
        seen: Counter[str] = Counter()
        self._savable: dict[str, HasState] = {}
        self._callbacks = list(callbacks)
        for callback in self._callbacks:
            if isinstance(callback, HasState):
                name = type(callback).__name__
                self._savable[f"{name}.{seen[name]}" if seen[name] else name] = callback
                seen[name] += 1

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        if self.last is None:
            return
        for name, callback in self._savable.items():
            if isinstance(callback, HasArrays):
                prefix = f"callbacks/{name}/"
                callback.set_arrays(
                    [self.last.arrays[key] for key in sorted(self.last.arrays) if key.startswith(prefix)]
                )
            callback.set_state(self.last.callbacks[name])

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if self.run is None:
            return
        step = int(scalar(self.model.step))
        if step != min((epoch + 1) * self.interval_steps, self.total_steps):
            return  # interrupted in the middle of an interval
        arrays = {name: np.asarray(variable) for name, variable in variables_of(self.model).items()}
        bad = [name for name, array in arrays.items() if not np.isfinite(array).all()]
        if bad:
            raise TrainingError(f"{_plain(bad[0])} is NaN or infinite at step {step}; that state is not saved.")
        for name, callback in self._savable.items():
            if isinstance(callback, HasArrays):
                arrays |= {f"callbacks/{name}/{i:06d}": array for i, array in enumerate(callback.get_arrays())}
        interrupted = any(part.interrupted for part in self._callbacks if isinstance(part, StopOnInterrupt))
        ruled = any(getattr(part, "stopped_by", None) for part in self._callbacks)
        now = State(
            interval=epoch + 1,
            step=step,
            images=int(scalar(self.model.images_seen)),
            stopped=bool(self.model.stop_training) and (ruled or not interrupted),
            callbacks={name: dict(callback.get_state()) for name, callback in self._savable.items()},
            arrays=arrays,
        )
        training_state.save(self.run, now)
        self.last = State(now.interval, now.step, now.images)  # to tell of it; its arrays are on the disk

    def restore(self, gan: keras.Model, saved: State | None) -> int:
        """Puts the variables back now, and the callbacks' states when training begins; None: nothing.

        Returns the step from which training continues: the last one where a callback has stopped it.

        Raises `InputError`, and changes nothing, when the state is not of such networks, optimizers and callbacks.
        """
        if saved is None:
            return 0
        variables = variables_of(gan)
        given = {name: array for name, array in saved.arrays.items() if not name.startswith("callbacks/")}
        ours = [f"{name} {tuple(v.shape)} {v.dtype}" for name, v in variables.items()]
        theirs = [f"{name} {array.shape} {array.dtype}" for name, array in given.items()]
        if ours != theirs:
            different = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
            raise InputError(
                "The state does not fit these networks and optimizers",
                expected=f"{len(ours)} variables" + "".join(f", such as {one}" for one in ours[different:][:1]),
                received=f"{len(theirs)}" + "".join(f", such as {one}" for one in theirs[different:][:1]),
            )
        if not (set(saved.callbacks) == set(self._savable) if self.run else set(saved.callbacks) >= set(self._savable)):
            raise InputError(
                "The state is of other callbacks",
                expected=", ".join(sorted(self._savable)),
                received=", ".join(sorted(saved.callbacks)),
            )
        states = dict(saved.callbacks)
        for name, callback in self._savable.items():
            kind = getattr(callback, "state_type", dict[str, Json])
            states[name] = convert(states[name], kind, f"the state of step {saved.step}", f"callbacks.{name}")
        for name, variable in variables.items():
            variable.assign(given[name])
        self.last = replace(saved, callbacks=states)
        return self.total_steps if saved.stopped else saved.step


def variables_of(gan: keras.Model) -> dict[str, keras.Variable]:
    """The variables of a GAN by part, place and name, such as `generator/003/conv2d/kernel`, then its counters."""
    found = {}
    for part in _PARTS:
        owner = getattr(gan, part)
        for place, variable in enumerate(owner.variables if owner is not None else ()):
            found[f"{part}/{place:03d}/{_unnumbered(variable.path)}"] = variable
    return found | {name: getattr(gan, name) for name in training_state.COUNTERS}


def _unnumbered(path: str) -> str:
    """A path without the numbers that tell one `conv2d` of a process from the next: another process counts anew."""
    return re.sub(r"_\d+(?=[_/]|$)", "", path)


def _plain(name: str) -> str:
    return re.sub(r"/\d+/", " ", name, count=1)
