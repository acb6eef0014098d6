"""Stops a training that has reached its target or no longer improves."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from gan.models.ema import averaged
from gan.training.callbacks.improvement import Judgement, Mode, Monitor, MonitorState, Rule
from gan.utils.arguments import checked


class EarlyStoppingState(MonitorState):
    """State of `ToleranceEarlyStopping`, in JSON types."""

    stopped_by: Literal["target", "patience"] | None


class ToleranceEarlyStopping(Rule[EarlyStoppingState]):
    """Stops training when `monitor` reaches `target` or no longer improves, and reports the reason in one line.

    A value counts as an improvement if it is better than the last improvement by more than

        max(min_delta, min_rel_delta * |last improvement|, noise_sigmas * logs[monitor + "_stderr"])

    This rule only decides how long to wait. The weights that are kept are the ones with the best value, or the last of
    several equal best values.

    Reaching the target only nominates a model: among many evaluations, some fall below any bound by chance. Confirm the
    model with one evaluation on fresh samples. The callback works with any Keras model.

    >>> model.fit(x, y, validation_data=held_out, callbacks=[ToleranceEarlyStopping("val_loss", "min", patience=3)])

    Args:
        monitor: name of a log, such as "val_error_rate_upper". An unknown name raises `InputError` at the first
            evaluation. An epoch without an evaluation (no `val_` logs) does not count.
        mode: "min": lower is better; "max": higher is better.
        target: value that is good enough. None: training stops by patience only.
        patience: number of evaluations without improvement after which training stops; >= 1.
        min_delta, min_rel_delta, noise_sigmas: minimum improvement, see above; each >= 0.
        start_from_epoch: first epoch to check (numbered from 0).
        restore_best_weights: whether to restore the weights of the best epoch when training ends for any reason. If the
            target was reached, its epoch is the best one. The weights are those of `model.generator_ema`, or of the
            whole model if it has none. The other variables of a GAN do not change.
        log: function that is called with each message.

    Attributes: `stopped_by` ("target", "patience" or None), `best` (NaN if there is no value yet), `best_epoch`
    (numbered from 0), `kept_epoch` (the epoch whose weights are restored at the end, or None), `best_weights` (list of
    arrays; None if there are none yet, or if no weights are kept).
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
        log: Callable[[str], object] = print,
    ) -> None:
        super().__init__(log)
        self._judgement = Judgement(
            mode,
            target=target,
            patience=patience,
            min_delta=min_delta,
            min_rel_delta=min_rel_delta,
            noise_sigmas=noise_sigmas,
        )
        self._monitor = Monitor(monitor, self._judgement, start_from_epoch=start_from_epoch, log=log)
        self.restore_best_weights = restore_best_weights
        self.reset()

    def reset(self) -> None:
        self._monitor.reset()
        self.stopped_by: Literal["target", "patience"] | None = None
        self.best_weights: list[np.ndarray] | None = None

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

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        outcome = self._monitor.judge(epoch, logs)
        if outcome is not None and self.best_epoch == epoch and self.restore_best_weights:
            self.best_weights = [np.array(weight) for weight in averaged(self.model).get_weights()]
        if outcome == "target" or outcome == "patience":
            self.stopped_by = outcome
            self.model.stop_training = True
            self.log(self._reason(epoch))

    def _reason(self, epoch: int) -> str:
        if self.stopped_by == "target":
            reason = f"reached the target {self._judgement.target:.6g}"
        else:
            reason = f"did not improve enough for {self._judgement.waited} evaluations"
        value = f"{self._monitor.name} {self._monitor.value:.6g}"
        return f"Stopped by {self.stopped_by} at interval {epoch + 1}: {value} {reason}; {self._monitor.best}."

    def conclude(self) -> None:
        if self.stopped_by is None:
            self.log(f"Early stopping never fired: {self._monitor.best}.")
        if self.best_weights is not None:
            averaged(self.model).set_weights(self.best_weights)

    def get_state(self) -> EarlyStoppingState:
        """Returns the state in JSON types. `get_arrays` returns the best weights."""
        return {"stopped_by": self.stopped_by, **self._monitor.get_state()}

    def restore(self, state: EarlyStoppingState) -> None:
        """Restores a state. Raises `InputError` for the state of another monitor."""
        self._monitor.set_state(state)
        self.stopped_by = state["stopped_by"]

    def get_arrays(self) -> list[np.ndarray]:
        """Returns the best weights. [] if there are none."""
        return list(self.best_weights or [])

    def set_arrays(self, arrays: Sequence[np.ndarray]) -> None:
        """Restores what `get_arrays` returned: the best weights at the time of the state."""
        self.best_weights = [np.array(array) for array in arrays] or None
