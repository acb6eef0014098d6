"""Stops a training that has reached its target or no longer improves."""

import inspect
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, NotRequired

import keras
import numpy as np

from gan.errors import InputError, Whole, as_json, check
from gan.models.ema import averaged
from gan.tolerance import Confirmation, Verdict
from gan.training.callbacks.confirmations import (
    LEAST_NUM,
    MAX_NUM,
    Attempt,
    Confirmations,
    Outcomes,
    as_outcomes,
    as_texts,
    describe,
    numbers,
)
from gan.training.callbacks.improvement import Judgement, Mode, Monitor, MonitorState, Number, Rule
from gan.utils.arguments import checked

Confirm = Callable[[keras.Model, Attempt], tuple[int, int] | Outcomes | None]
"""(model, attempt) -> (wrong, total) of outcomes that were never used before, or None to postpone the confirmation."""

Condition = Callable[[keras.Model], Sequence[str]]
"""model -> conditions that it does not meet, as text; empty if it may be confirmed."""


class EarlyStoppingState(MonitorState):
    """State of `ToleranceEarlyStopping`, in JSON types."""

    stopped_by: Literal["target", "patience"] | None
    refuted: NotRequired[bool]
    confirmations: NotRequired[tuple[Confirmation, ...]]
    epoch: NotRequired[Whole]
    value: NotRequired[Number]


class ToleranceEarlyStopping(Rule[EarlyStoppingState]):
    """Stops training when `monitor` reaches `target` or no longer improves, and reports the reason in one line.

    A value counts as an improvement if it is better than the last improvement by more than

        max(min_delta, min_rel_delta * |last improvement|, noise_sigmas * logs[monitor + "_stderr"])

    This rule only decides how long to wait. The weights that are kept are the ones with the best value, or the last of
    several equal best values. The callback works with any Keras model.

    >>> model.fit(x, y, validation_data=held_out, callbacks=[ToleranceEarlyStopping("val_loss", "min", patience=3)])

    Reaching the target only nominates a model: among many evaluations, some fall below any bound by chance. With
    `confirm`, the training ends only if a nomination is *confirmed* on fresh outcomes: if the upper bound of their
    error rate is within `tolerance`. Otherwise it continues, and the next nomination waits until the model has improved
    accordingly, see `Confirmations`. At the end, the best model is confirmed for the last time. All upper bounds hold
    together with 95 % confidence. A second `fit` is a new training: its outcomes must be new ones, too.

    >>> def confirm(model, attempt):  # attempt: 1, 2, ...
    ...     x, y = fresh_examples(seed=attempt, num=attempt.num)
    ...     return int((model.predict(x).argmax(axis=1) != y).sum()), len(y)
    >>> stop = ToleranceEarlyStopping("val_error_rate_upper", "min", target=0.02, confirm=confirm)

    Args:
        monitor: name of a log, such as "val_error_rate_upper". An unknown name raises `InputError` at the first
            evaluation. An epoch without an evaluation (no `val_` logs) does not count.
        mode: "min": lower is better; "max": higher is better.
        target: value that is good enough. None: training stops by patience only.
        patience: number of evaluations without improvement after which training stops; >= 1.
        min_delta, min_rel_delta, noise_sigmas: minimum improvement, see above; each >= 0.
        start_from_epoch: first epoch to check (numbered from 0).
        restore_best_weights: whether to restore the weights of the best epoch when training ends for any reason. If the
            target was reached, its epoch is the best one. With `confirm`, it is the confirmed epoch, or else the best
            one; one that was refuted gives way to any that reaches the target. The weights are those of
            `model.generator_ema`, or of the whole model if it has none. The other variables of a GAN do not change.
        confirm: function (model, attempt) -> (wrong, total) of outcomes that were never used before, such as new
            samples or a part of the test data. `attempt` is a whole number, 1, 2, ..., with more attributes: `Attempt`.
            `Outcomes` adds conditions that the model does not meet, which rule out `within`. None postpones the
            confirmation. With None instead of a function, reaching the target ends the training.
        tolerance: error rate to confirm, from 0 to 1. None: `target`, for mode "min".
        condition: function model -> conditions that it does not meet, as text. It is called before a confirmation,
            which is left out if there are any. None: no condition.
        budget: outcomes of all confirmations but the last one. None: no limit.
        min_num, max_num: minimum and maximum number of outcomes that `attempt.num` asks for.
        log: function that is called with each message.

    Attributes: `stopped_by` ("target", "patience" or None), `best` (NaN if there is no value yet), `best_epoch`
    (numbered from 0), `kept_epoch` (the epoch whose weights are restored at the end, or None), `best_weights` (list of
    arrays; None if there are none yet, or if no weights are kept), `confirmations` (list of `Confirmation`), `verdict`
    (of the last confirmation, or None), `numbers` (of the last epoch's confirmation, for a log), `changed_at_end`
    (whether a confirmation came after the last epoch, so that a saved state does not have it).
    """

    state_type = EarlyStoppingState

    @checked
    def __init__(
        self,
        monitor: str,
        mode: Mode,
        *,
        target: float | None = None,
        patience: int = 5,
        min_delta: float = 0.0,
        min_rel_delta: float = 0.0,
        noise_sigmas: float = 2.0,
        start_from_epoch: int = 0,
        restore_best_weights: bool = True,
        confirm: Confirm | None = None,
        tolerance: float | None = None,
        condition: Condition | None = None,
        budget: int | None = None,
        min_num: int = LEAST_NUM,
        max_num: int = MAX_NUM,
        log: Callable[[str], object] = print,
    ) -> None:
        super().__init__(log)
        self._judgement = Judgement(
            mode,
            target=target if confirm is None else None,
            patience=patience,
            min_delta=min_delta,
            min_rel_delta=min_rel_delta,
            noise_sigmas=noise_sigmas,
        )
        self._monitor = Monitor(monitor, self._judgement, start_from_epoch=start_from_epoch, log=log)
        self.restore_best_weights = restore_best_weights
        self.confirm = confirm
        self.condition = condition
        self._plans: Confirmations | None = None
        if confirm is None:
            given = {"tolerance": tolerance, "condition": condition, "budget": budget}
            given |= {"min_num": None if min_num == LEAST_NUM else min_num}
            given |= {"max_num": None if max_num == MAX_NUM else max_num}
            idle = ", ".join(f"{name}={value!r}" for name, value in given.items() if value is not None)
            if idle:
                expected = "`confirm` as well: a function (model, attempt) -> (wrong, total)"
                raise InputError("Options without effect", expected=expected, received=f"confirm=None, {idle}")
        else:
            _check_function("confirm", confirm, "(model, attempt) -> (wrong, total)", (None, 1))
            if condition is not None:
                _check_function("condition", condition, "(model) -> conditions that are not met", (None,))
            check(target is not None, "target", "a number, which nominates a model to confirm", target)
            if tolerance is None:
                expected = "the error rate to confirm, from 0 to 1"
                check(mode == "min" and 0 <= target <= 1, "tolerance", expected, tolerance)  # type: ignore[operator]
            self._plans = Confirmations(
                target if tolerance is None else tolerance,  # type: ignore[arg-type]
                target=target,  # type: ignore[arg-type]
                sign=1 if mode == "min" else -1,
                budget=budget,
                min_num=min_num,
                max_num=max_num,
            )
        self.reset()

    def reset(self) -> None:
        self._monitor.reset()
        self.stopped_by: Literal["target", "patience"] | None = None
        self.best_weights: list[np.ndarray] | None = None
        self.numbers: dict[str, float] = {}
        self._epoch, self._batch = 0, -1
        self._ended = False  # whether the last confirmation is done
        self._is_refuted = False  # whether the best model was refuted, or does not meet a condition
        self.changed_at_end = False
        if self._plans is not None:
            self._plans.done = []

    @property
    def confirmations(self) -> list[Confirmation]:
        return [] if self._plans is None else list(self._plans.done)

    @property
    def verdict(self) -> Verdict | None:
        return self.confirmations[-1].verdict if self.confirmations else None

    @property
    def best(self) -> float:
        return float("nan") if self.best_epoch is None else self._judgement.best

    @property
    def best_epoch(self) -> int | None:
        return self._judgement.best_epoch

    @property
    def kept_epoch(self) -> int | None:
        return self.best_epoch if self.restore_best_weights else None

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        super().on_train_begin(logs)
        self.stopped_by = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._batch = -1

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self._batch = batch

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        params = self.params or {}
        epochs, steps = params.get("epochs"), params.get("steps")
        # A signal may arrive in the last step of an epoch. A resumed training does not repeat this epoch.
        is_complete = not self.model.stop_training or (steps is not None and self._batch + 1 >= steps)
        before = (self.best, self.best_epoch, self.best_weights, self._is_refuted)
        self._epoch, self._ended, self.numbers = epoch, False, {} if self._plans is None else numbers(None)
        outcome = self._monitor.judge(epoch, logs)
        if outcome is not None and self._is_refuted and self._reaches(self._monitor.value):
            self._judgement.set_best(epoch, self._monitor.value)  # it may be within, which a refuted one is not
        if outcome is not None and self.best_epoch == epoch:
            self._is_refuted = False
            self.best_weights = self._weights() if self.restore_best_weights else None
        if self._plans is not None and is_complete:
            if outcome is not None and not self._confirm_nominee(self._plans, epoch, epochs):
                self._refute(*before)
            if self.stopped_by is None and (outcome == "patience" or (epochs is not None and epoch + 1 >= epochs)):
                self._confirm_best(self._plans)
        if self.stopped_by is None and (outcome == "target" or outcome == "patience"):
            self.stopped_by = outcome
            self.model.stop_training = True
            self.log(self._reason(epoch))

    def _confirm_nominee(self, plans: Confirmations, epoch: int, epochs: int | None) -> bool:
        """Confirms the model of this epoch if that is due. Stops the training if it is within the tolerance.

        Returns False if the model must not count as the best one: it was refuted, or does not meet a condition.
        """
        attempt = plans.plan(self._monitor.value, interval=epoch + 1, intervals=epochs)
        if attempt is None:
            return True
        self.numbers["nominated"] = 1.0
        started = time.monotonic()
        unmet = () if self.condition is None else as_texts(self.condition(self.model))
        if unmet:
            self.log(f"Interval {epoch + 1} is not confirmed yet: {'; '.join(unmet)}.")
            return self.best_epoch != epoch
        done = self._confirm(plans, attempt, self._monitor.value, epoch, started)
        if done is not None and done.verdict == "within":
            self.stopped_by, self.model.stop_training = "target", True
            self._judgement.set_best(epoch, self._monitor.value)
            if self.restore_best_weights:
                self.best_weights = self._weights()
        is_refuted = done is not None and (done.verdict == "exceeded" or bool(done.unmet))
        return not is_refuted or self.best_epoch != epoch

    def _reaches(self, value: float) -> bool:
        return self._plans is not None and self._plans.reaches(value)

    def _refute(self, value: float, epoch: int | None, weights: list[np.ndarray] | None, was_refuted: bool) -> None:
        """Puts back the best model before this epoch, if it reaches the target and was not refuted.

        Otherwise this epoch remains the best one, until a later one reaches the target or has a better value.
        """
        if epoch is not None and not was_refuted and self._reaches(value):
            self._judgement.set_best(epoch, value)
            self.best_weights = weights
        else:
            self._is_refuted = True

    def _confirm_best(self, plans: Confirmations) -> None:
        """Confirms the best model for the last time. The weights of the model do not change."""
        self._ended = True
        current, kept = self._weights(), self.kept_epoch
        if self.best_weights is not None:
            averaged(self.model).set_weights(self.best_weights)
        value = self.best if kept is not None else self._monitor.value
        epoch = self._epoch if kept is None else kept
        try:
            done = self._confirm(plans, plans.plan_last(value), value, epoch, time.monotonic())
            again = None if done is None else plans.plan_again()
            if again is not None:
                done = self._confirm(plans, again, value, epoch, time.monotonic()) or done
        finally:  # also if `confirm` raises an error
            averaged(self.model).set_weights(current)
        if done is not None and kept is None and self.restore_best_weights:
            self._judgement.set_best(self._epoch, value)  # no value was a number, so this model was measured
            self.best_weights = current
        if done is not None and done.verdict == "within":
            self.stopped_by, self.model.stop_training = "target", True

    def _confirm(
        self, plans: Confirmations, attempt: Attempt, value: float, epoch: int, started: float
    ) -> Confirmation | None:
        """Calls `confirm` for the model of `epoch`, and reports the result. None: it was postponed."""
        assert self.confirm is not None
        if not attempt.is_last:
            nominee = f"{self._monitor.name} {value:.6g} nominates interval {epoch + 1}"
            self.log(f"{nominee}: confirming it on {attempt.num:,} fresh outcomes.")
        found = self.confirm(self.model, attempt)
        if found is None:
            if not attempt.is_last:
                self.log(f"The confirmation of interval {epoch + 1} is postponed.")
            return None
        seconds = round(time.monotonic() - started, 3)
        done = plans.add(attempt, as_outcomes(found), value=value, interval=epoch + 1, seconds=seconds)
        self.numbers = numbers(done, nominated=self.numbers.get("nominated") == 1)  # also before the last confirmation
        self.log(describe(done, plans.tolerance))
        return done

    def _weights(self) -> list[np.ndarray]:
        return [np.array(weight) for weight in averaged(self.model).get_weights()]

    def _reason(self, epoch: int) -> str:
        if self.stopped_by == "target":
            reason = f"reached the target {self._judgement.target:.6g}"
        else:
            reason = f"did not improve enough for {self._judgement.waited} evaluations"
        value = f"{self._monitor.name} {self._monitor.value:.6g}"
        return f"Stopped by {self.stopped_by} at interval {epoch + 1}: {value} {reason}; {self._monitor.best}."

    def conclude(self) -> None:
        if self._plans is None and self.stopped_by is None:
            self.log(f"Early stopping never fired: {self._monitor.best}.")
        if self._plans is not None and not self._ended and self.stopped_by is None:
            if self.model.stop_training:
                self.log(f"The training ended before its tolerance was confirmed: {self._monitor.best}.")
            else:  # a training loop that does not tell its number of epochs, or a run that was complete already
                self._confirm_best(self._plans)
                self.changed_at_end = True
        if self.best_weights is not None:
            averaged(self.model).set_weights(self.best_weights)

    def get_state(self) -> EarlyStoppingState:
        """Returns the state in JSON types. `get_arrays` returns the best weights."""
        state: Any = {"stopped_by": self.stopped_by, **self._monitor.get_state()}
        if self._plans is not None:
            state["confirmations"] = [as_json(one) for one in self._plans.done]
            state |= {"refuted": self._is_refuted, "epoch": self._epoch, "value": repr(self._monitor.value)}
        return state

    def restore(self, state: EarlyStoppingState) -> None:
        """Restores a state. Raises `InputError` for the state of another monitor."""
        self._monitor.set_state(state)
        self.stopped_by = state["stopped_by"]
        if self._plans is not None:
            self._plans.done = list(state.get("confirmations", ()))
            self._is_refuted = state.get("refuted", False)
            self._epoch, self._monitor.value = state.get("epoch", 0), float(state.get("value", "nan"))
            self._ended = self.verdict == "within" or any(one.is_last for one in self._plans.done[-1:])

    def get_arrays(self) -> list[np.ndarray]:
        """Returns the best weights. [] if there are none."""
        return list(self.best_weights or [])

    def set_arrays(self, arrays: Sequence[np.ndarray]) -> None:
        """Restores what `get_arrays` returned: the best weights at the time of the state."""
        self.best_weights = [np.array(array) for array in arrays] or None


def _check_function(name: str, function: Callable[..., object], expected: str, arguments: Sequence[object]) -> None:
    """Raises `InputError` unless a function can be called with these arguments."""
    try:
        signature = inspect.signature(function)
    except ValueError:  # a function that has none, such as some of C
        return
    except TypeError as error:
        raise InputError(f"Bad `{name}`", expected=f"a function {expected}", received=repr(function)) from error
    try:
        signature.bind(*arguments)
    except TypeError as error:
        received = f"{function!r}: {error}"
        raise InputError(f"Bad `{name}`", expected=f"a function {expected}", received=received) from error
