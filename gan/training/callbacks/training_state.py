"""Saves the training state after every complete interval, and restores it when a run is resumed."""

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
from gan.training.callbacks.resumable import HasState, collect_arrays, restore_states
from gan.utils.arguments import checked

_PARTS = ("generator", "discriminator", "generator_ema", "g_optimizer", "d_optimizer", "augment")
"""Attributes of a GAN whose variables are saved, in addition to its counters. The latents and the order of the data
need no state, because they are functions of (seed, step)."""

_MEANS = "step_means"
"""Name of the array with the running means of the logs, of which lazy penalties keep the last."""


class TrainingState(keras.callbacks.Callback):
    """Writes a `State` at the end of every complete epoch. It must come after the callbacks whose state it saves.

    A state has the variables of the networks and optimizers, and the state of each callback with `get_state` (a JSON
    dict) and `set_state`: `resumable.HasState`. Callbacks may also have `get_arrays` (a list of arrays) and
    `set_arrays`: `resumable.HasArrays`. All are restored after the `on_train_begin` of the other callbacks, so that a
    callback that resets itself there still resumes. If a callback has a `state_type`, a TypedDict, it defines the valid
    states.

    Args:
        run: the run folder; states are written to its `state/`. None: nothing is written, only restored. This is for
            workers other than the chief, which restore only the states of their own callbacks.
        callbacks: callbacks of the training.
        interval_steps, total_steps: an interval is complete after `interval_steps`, counted from the restored state,
            and at `total_steps`.

    Raises `TrainingError` when a variable is NaN or infinite. The state is then not written.
    """

    @checked
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
        self._start = (0, 0)  # interval and step of the restored state
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
        restore_states(self._savable, self.last)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        step = int(scalar(self.model.step))
        interval, first_step = self._start
        if step != min(first_step + (epoch + 1 - interval) * self.interval_steps, self.total_steps):
            return  # interrupted in the middle of an interval
        # read on every worker, because several workers add up their means
        means = np.stack([np.asarray(variable) for variable in self.model.step_means.variables])
        if self.run is None:
            return
        arrays = {name: np.asarray(variable) for name, variable in variables_of(self.model).items()}
        bad = [name for name, array in arrays.items() if not np.isfinite(array).all()]
        if bad:
            raise TrainingError(f"{_readable_name(bad[0])} is NaN or infinite at step {step}; this state is not saved.")
        arrays[_MEANS] = means
        arrays |= collect_arrays(self._savable)
        interrupted = any(part.interrupted for part in self._callbacks if isinstance(part, StopOnInterrupt))
        stopped_by_rule = any(getattr(part, "stopped_by", None) for part in self._callbacks)
        now = State(
            interval=epoch + 1,
            step=step,
            images=int(scalar(self.model.images_seen)),
            stopped=bool(self.model.stop_training) and (stopped_by_rule or not interrupted),
            callbacks={name: dict(callback.get_state()) for name, callback in self._savable.items()},
            arrays=arrays,
        )
        training_state.save(self.run, now)
        self.last = State(now.interval, now.step, now.images)  # for messages only; the arrays are on the disk

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Saves again what callbacks decided after the last epoch, such as a last confirmation."""
        changed = [name for name, one in self._savable.items() if getattr(one, "changed_at_end", False)]
        if self.run is None or not changed or (logs or {}).get("failed"):
            return
        saved, _ = training_state.latest(self.run)
        if saved is not None:
            states = {name: dict(self._savable[name].get_state()) for name in changed}
            training_state.save(self.run, replace(saved, callbacks={**saved.callbacks, **states}))

    def restore(self, gan: keras.Model, saved: State | None) -> int:
        """Restores the variables now, and the states of the callbacks when training begins. None: restores nothing.

        Returns the step at which training continues. If a callback had stopped the run, it is the last step.

        Raises `InputError`, and changes nothing, when the state does not fit the networks, optimizers and callbacks.
        """
        if saved is None:
            return 0
        variables = variables_of(gan)
        given = {name: array for name, array in saved.arrays.items() if not name.startswith(("callbacks/", _MEANS))}
        ours = [f"{name} {tuple(v.shape)} {v.dtype}" for name, v in variables.items()]
        theirs = [f"{name} {array.shape} {array.dtype}" for name, array in given.items()]
        if ours != theirs:
            different = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
            raise InputError(
                "The state does not fit these networks and optimizers",
                expected=f"{len(ours)} variables" + "".join(f", such as {one}" for one in ours[different:][:1]),
                received=f"{len(theirs)} variables" + "".join(f", such as {one}" for one in theirs[different:][:1]),
            )
        if not (set(saved.callbacks) == set(self._savable) if self.run else set(saved.callbacks) >= set(self._savable)):
            raise InputError(
                "The state belongs to other callbacks",
                expected=", ".join(sorted(self._savable)),
                received=", ".join(sorted(saved.callbacks)),
            )
        for name, callback in self._savable.items():  # before anything changes; `set_state` converts again
            kind = getattr(callback, "state_type", dict[str, Json])
            convert(saved.callbacks[name], kind, f"the state of step {saved.step}", f"callbacks.{name}")
        for name, variable in variables.items():
            variable.assign(given[name])
        if _MEANS in saved.arrays:  # not in states of earlier revisions
            gan.step_means.restore(saved.arrays[_MEANS])
        self.last = saved
        self._start = (saved.interval, saved.step)
        gan.stop_training = saved.stopped
        return self.total_steps if saved.stopped else saved.step


def variables_of(gan: keras.Model) -> dict[str, keras.Variable]:
    """Returns {part/position/name: variable}, such as `generator/003/conv2d/kernel`, then the counters of the GAN."""
    variables = {}
    for part in _PARTS:
        owner = getattr(gan, part)
        for position, variable in enumerate(owner.variables if owner is not None else ()):
            variables[f"{part}/{position:03d}/{_remove_numbers(variable.path)}"] = variable
    return variables | {name: getattr(gan, name) for name in training_state.COUNTERS}


def _remove_numbers(path: str) -> str:
    """Removes the layer numbers, as in `conv2d_1`, from a path. They differ between processes."""
    return re.sub(r"_\d+(?=[_/]|$)", "", path)


def _readable_name(name: str) -> str:
    return re.sub(r"/\d+/", " ", name, count=1)
