"""Reduces the learning rates when a logged number no longer improves."""

from collections.abc import Callable

import keras

from gan.distributed.replicas import scalar
from gan.errors import InputError, Whole, check, check_positive, check_whole
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
        for name, optimizer in self._optimizers().items():
            try:
                optimizer.learning_rate = float(scalar(optimizer.learning_rate))
            except TypeError as error:  # Keras raises it on assignment to a schedule
                raise InputError(
                    f"The learning rate of {name} cannot be lowered",
                    expected="a constant learning rate",
                    received="a LearningRateSchedule",
                ) from error

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
        changes = []
        for name, optimizer in self._optimizers().items():
            old = float(scalar(optimizer.learning_rate))
            new = max(old * self.factor, self.min_learning_rate)
            if new < old:
                optimizer.learning_rate = new
                changes.append(f"{name} {old:.3g} -> {new:.3g}")
        if changes:
            self.reductions += 1
            self._cooling = self.cooldown
            value = f"{self._monitor.name} {self._monitor.value:.6g} did not improve enough for {waited} evaluations"
            rates = ", ".join(changes)
            self.log(f"Learning rate lowered at interval {epoch + 1} ({rates}): {value}; {self._monitor.best}.")

    def conclude(self) -> None:
        if not self.reductions:
            self.log(f"The learning rate was never lowered: {self._monitor.best}.")

    def _optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        names = ("g_optimizer", "d_optimizer") if hasattr(self.model, "g_optimizer") else ("optimizer",)
        return {name: getattr(self.model, name) for name in names}

    def get_state(self) -> ReduceLRState:
        """Returns the state in JSON types. The learning rates are part of the optimizers' own state."""
        return {"reductions": self.reductions, "cooling": self._cooling, **self._monitor.get_state()}

    def restore(self, state: ReduceLRState) -> None:
        """Restores a state. Raises `InputError` for the state of another monitor."""
        self._monitor.set_state(state)
        self.reductions, self._cooling = state["reductions"], state["cooling"]
