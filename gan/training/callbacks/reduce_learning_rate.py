"""Reduces the learning rates when a logged number no longer improves, or a confirmation does not succeed."""

from collections.abc import Callable
from typing import TypedDict

import keras

from gan.distributed.replicas import scalar
from gan.errors import InputError, Whole, check, check_positive, check_whole
from gan.training.callbacks.early_stopping import ToleranceEarlyStopping
from gan.training.callbacks.improvement import Judgement, Mode, Monitor, MonitorState, Rule
from gan.utils.arguments import checked


class ReduceLRState(MonitorState):
    """State of `ReduceLROnTolerance`, in JSON types."""

    reductions: Whole
    cooling: Whole


class ReduceLROnTolerance(Rule[ReduceLRState]):
    """Multiplies the learning rates by `factor` when `monitor` has not improved for `patience` evaluations.

    `model.g_optimizer` and `model.d_optimizer` get the same factor, which keeps the two networks balanced. In a model
    without them, only `model.optimizer` is changed. Each reduction is reported in one line. If there was none, that is
    reported at the end. `ToleranceEarlyStopping` explains what an improvement is, and which epochs count.

    >>> gan.fit(batches, callbacks=[ReduceLROnTolerance("val_frechet_distance", "min")], validation_data=..., epochs=20)

    Args:
        monitor, mode, patience, min_delta, min_rel_delta, noise_sigmas, start_from_epoch, log: as for
            `ToleranceEarlyStopping`.
        factor: factor for the learning rates; above 0, below 1.
        cooldown: number of evaluations after a reduction during which a lack of improvement does not count.
        min_learning_rate: lower bound of the learning rates; > 0.

    The learning rate must be constant: a schedule raises `InputError` when training begins. The attribute `reductions`
    is the number of reductions so far.
    """

    state_type = ReduceLRState

    @checked
    def __init__(
        self,
        monitor: str,
        mode: Mode,
        *,
        factor: float = 0.5,
        patience: int = 3,
        min_delta: float = 0.0,
        min_rel_delta: float = 0.0,
        noise_sigmas: float = 2.0,
        cooldown: int = 0,
        min_learning_rate: float = 1e-6,
        start_from_epoch: int = 0,
        log: Callable[[str], object] = print,
    ) -> None:
        super().__init__(log)
        check(0 < factor < 1, "factor", "a number above 0 and below 1", factor)
        check_whole("cooldown", cooldown, 0)
        check_positive("min_learning_rate", min_learning_rate)
        self._judgement = Judgement(
            mode,
            patience=patience,
            min_delta=min_delta,
            min_rel_delta=min_rel_delta,
            noise_sigmas=noise_sigmas,
        )
        self._monitor = Monitor(monitor, self._judgement, start_from_epoch=start_from_epoch, log=log)
        self.factor = factor
        self.cooldown = cooldown
        self.min_learning_rate = min_learning_rate
        self.reset()

    def reset(self) -> None:
        self._monitor.reset()
        self.reductions = 0
        self._cooling = 0

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        super().on_train_begin(logs)
        check_constant_rates(self.model)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        outcome = self._monitor.judge(epoch, logs)
        if outcome is None:
            return
        if self._cooling:
            self._cooling -= 1
            self._judgement.waited = 0
        elif outcome == "patience":
            self._reduce(epoch)

    def _reduce(self, epoch: int) -> None:
        waited, self._judgement.waited = self._judgement.waited, 0
        changes = lower_rates(self.model, self.factor, self.min_learning_rate)
        if changes:
            self.reductions += 1
            self._cooling = self.cooldown
            value = f"{self._monitor.name} {self._monitor.value:.6g} did not improve enough for {waited} evaluations"
            self.log(f"Learning rate lowered at interval {epoch + 1} ({changes}): {value}; {self._monitor.best}.")

    def conclude(self) -> None:
        if not self.reductions:
            self.log(f"The learning rate was never lowered: {self._monitor.best}.")

    def get_state(self) -> ReduceLRState:
        """Returns the state in JSON types. The learning rates are part of the optimizers' own state."""
        return {"reductions": self.reductions, "cooling": self._cooling, **self._monitor.get_state()}

    def restore(self, state: ReduceLRState) -> None:
        """Restores a state. Raises `InputError` for the state of another monitor."""
        self._monitor.set_state(state)
        self.reductions, self._cooling = state["reductions"], state["cooling"]


class RefusalState(TypedDict):
    """State of `ReduceLROnRefusal`, in JSON types."""

    reductions: Whole
    seen: Whole


class ReduceLROnRefusal(Rule[RefusalState]):
    """Multiplies the learning rates by `factor` after each confirmation that did not end the training.

    >>> stop = ToleranceEarlyStopping("val_error_rate_upper", "min", target=0.02, confirm=confirm)
    >>> gan.fit(batches, callbacks=[stop, ReduceLROnRefusal(stop)], validation_data=held_out, epochs=20)

    Args:
        stopping: early stopping with `confirm`, called before this callback.
        factor: factor for the learning rates; above 0, below 1.
        min_learning_rate: lower bound of the learning rates; > 0.
        log: function that is called with each message.

    The learning rate must be constant: a schedule raises `InputError` when training begins. The attribute `reductions`
    is the number of reductions so far.
    """

    state_type = RefusalState

    @checked
    def __init__(
        self,
        stopping: ToleranceEarlyStopping,
        *,
        factor: float = 0.5,
        min_learning_rate: float = 1e-6,
        log: Callable[[str], object] = print,
    ) -> None:
        super().__init__(log)
        check(stopping.confirm is not None, "stopping", "early stopping with `confirm`", stopping)
        check(0 < factor < 1, "factor", "a number above 0 and below 1", factor)
        check_positive("min_learning_rate", min_learning_rate)
        self.stopping = stopping
        self.factor = factor
        self.min_learning_rate = min_learning_rate
        self.reset()

    def reset(self) -> None:
        self.reductions = self._seen = 0

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        super().on_train_begin(logs)
        check_constant_rates(self.model)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        done = self.stopping.confirmations
        is_refused = len(done) > self._seen and done[-1].verdict != "within" and not done[-1].is_last
        self._seen = len(done)
        changes = lower_rates(self.model, self.factor, self.min_learning_rate) if is_refused else ""
        if changes:
            self.reductions += 1
            self.log(f"Learning rate lowered at interval {epoch + 1} ({changes}): the confirmation did not succeed.")

    def conclude(self) -> None:
        """Does nothing: the early stopping reports its confirmations."""

    def get_state(self) -> RefusalState:
        """Returns the state in JSON types. The learning rates are part of the optimizers' own state."""
        return {"reductions": self.reductions, "seen": self._seen}

    def restore(self, state: RefusalState) -> None:
        """Restores a state."""
        self.reductions, self._seen = state["reductions"], state["seen"]


def check_constant_rates(model: keras.Model) -> None:
    """Raises `InputError` unless the learning rates of a model, or of both networks of a GAN, are constant."""
    for name, optimizer in _optimizers(model).items():
        try:
            optimizer.learning_rate = float(scalar(optimizer.learning_rate))
        except TypeError as error:  # Keras raises it on assignment to a schedule
            raise InputError(
                f"The learning rate of {name} cannot be lowered",
                expected="a constant learning rate",
                received="a LearningRateSchedule",
            ) from error


def lower_rates(model: keras.Model, factor: float, least: float) -> str:
    """Multiplies the learning rates by `factor`, down to `least`. Returns the changes as text; "" if there are none."""
    changes = []
    for name, optimizer in _optimizers(model).items():
        old = float(scalar(optimizer.learning_rate))
        new = max(old * factor, least)
        if new < old:
            optimizer.learning_rate = new
            changes.append(f"{name} {old:.3g} -> {new:.3g}")
    return ", ".join(changes)


def _optimizers(model: keras.Model) -> dict[str, keras.optimizers.Optimizer]:
    names = ("g_optimizer", "d_optimizer") if hasattr(model, "g_optimizer") else ("optimizer",)
    return {name: getattr(model, name) for name in names}
