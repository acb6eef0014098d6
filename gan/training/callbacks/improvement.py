"""Decides whether a logged number still improves, for early stopping and learning rate reduction."""

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from gan.errors import InputError, Whole, check, check_not_negative, check_whole
from gan.training.callbacks.resumable import ResumableCallback, State
from gan.utils.arguments import checked

Mode = Literal["min", "max"]
_NUMBER = r"^-?(inf|nan|\d+(\.\d+)?(e[+-]?\d+)?)$"
Number = Annotated[str, Meta(pattern=_NUMBER, description="a number as text")]
Outcome = Literal["improved", "not improved", "target", "patience"]


class JudgementState(TypedDict):
    """State of `Judgement`, in JSON types."""

    best: Number
    best_epoch: Whole | None
    reference: Number
    waited: Whole


class Judgement:
    """Decides for one value after another whether it is an improvement. Plain Python.

    A value is an improvement if it is better than the last improvement by more than

        max(min_delta, min_rel_delta * |last improvement|, noise_sigmas * stderr)

    The first value that is a number is always an improvement. This rule only decides how long to wait. The best value
    does not need a minimum improvement; of several equal values, the last counts as the best. NaN is neither an
    improvement nor the best value.

    Args:
        mode: "min": lower is better; "max": higher is better.
        target: value that is good enough: <= target (min) or >= target (max). None: no target.
        patience: number of consecutive values without improvement after which patience is exhausted; >= 1.
        min_delta: minimum improvement in the unit of the value; >= 0.
        min_rel_delta: minimum improvement relative to the last improvement; >= 0.
        noise_sigmas: minimum improvement in standard errors of the value; >= 0.

    Attributes: `best` (the worst possible, infinite value if there is none yet), `best_epoch` (None if there is none
    yet), `waited` (number of values since the last improvement). Raises `InputError` for an invalid option.
    """

    @checked
    def __init__(
        self,
        mode: Mode,
        *,
        target: float | None = None,
        patience: int = 5,
        min_delta: float = 0.0,
        min_rel_delta: float = 0.0,
        noise_sigmas: float = 2.0,
    ) -> None:
        check(mode in ("min", "max"), "mode", "'min' or 'max'", mode)
        check(target is None or not math.isnan(target), "target", "a number", target)
        check_whole("patience", patience, 1)
        deltas = {"min_delta": min_delta, "min_rel_delta": min_rel_delta, "noise_sigmas": noise_sigmas}
        for name, value in deltas.items():
            check_not_negative(name, value)
        self.mode = mode
        self.target = target
        self.patience = patience
        self.min_delta = min_delta
        self.min_rel_delta = min_rel_delta
        self.noise_sigmas = noise_sigmas
        self._sign = 1.0 if mode == "min" else -1.0
        self.reset()

    def reset(self) -> None:
        """Discards all values."""
        self.best = self._reference = self._sign * math.inf
        self.best_epoch: int | None = None
        self.waited = 0

    def set_best(self, epoch: int, value: float) -> None:
        """Makes this value the best one, although another may be better. Any later number is better than NaN."""
        self.best, self.best_epoch = (self._sign * math.inf if math.isnan(value) else value), epoch

    def judge(self, epoch: int, value: float, stderr: float = 0.0) -> Outcome:
        """Adds the value of an epoch (numbered from 0) and returns the outcome.

        "target" means that the value reaches the target; it then counts as the best value. Otherwise, the outcome is
        "improved", "not improved", or "patience" for the `patience`-th value without improvement and later ones.
        `stderr` is the standard error of the value; NaN (unknown) counts as 0.
        """
        reached = self.target is not None and self._sign * (self.target - value) >= 0
        counts = not math.isnan(value) and value != self._sign * math.inf
        if reached or (counts and self._sign * value <= self._sign * self.best):
            self.best, self.best_epoch = value, epoch
        gain = self._sign * (self._reference - value)  # NaN for NaN, and between equal infinities
        if reached or gain > self._min_gain(stderr):
            self._reference, self.waited = value, 0
            return "target" if reached else "improved"
        self.waited += 1
        return "patience" if self.waited >= self.patience else "not improved"

    def _min_gain(self, stderr: float) -> float:
        if math.isinf(self._reference):  # a share of infinity is not a usable limit
            return 0.0
        noise = 0.0 if math.isnan(stderr) else self.noise_sigmas * stderr
        return max(self.min_delta, self.min_rel_delta * abs(self._reference), noise)

    def get_state(self) -> JudgementState:
        """Returns the state in JSON types. Values are text because JSON has no infinity. `set_state` is the inverse."""
        return {
            "best": repr(self.best),
            "best_epoch": self.best_epoch,
            "reference": repr(self._reference),
            "waited": self.waited,
        }

    def set_state(self, state: JudgementState) -> None:
        """Restores a state that `get_state` returned."""
        self.best, self.best_epoch = float(state["best"]), state["best_epoch"]
        self._reference, self.waited = float(state["reference"]), state["waited"]


class MonitorState(JudgementState):
    """State of `Monitor`, in JSON types."""

    monitor: str
    found: bool
    waits: bool


class Monitor:
    """Reads the log `name` of each epoch, with `<name>_stderr` if it exists, and judges its value.

    The logs contain a `val_` name only after epochs with an evaluation, and any other name after every epoch. If the
    first epoch that should have the name does not, the name is considered misspelled: `InputError` lists the existing
    names. Epochs without an evaluation are not judged; if the first epoch has none, `log` reports it. Later epochs
    without the name are not judged either. Epochs before `start_from_epoch` are only checked for a misspelled name.
    """

    @checked
    def __init__(
        self, name: str, judgement: Judgement, *, start_from_epoch: int = 0, log: Callable[[str], object] = print
    ) -> None:
        check(isinstance(name, str) and bool(name), "monitor", "the name of a log", name)
        check_whole("start_from_epoch", start_from_epoch, 0)
        self.name = name
        self.judgement = judgement
        self.start_from_epoch = start_from_epoch
        self.log = log
        self.reset()

    def reset(self) -> None:
        """Discards all epochs."""
        self.judgement.reset()
        self.value = math.nan
        self._found = False
        self._reported = False

    def judge(self, epoch: int, logs: Mapping[str, float] | None) -> Outcome | None:
        """Returns the outcome of an epoch (numbered from 0), and sets `value`. None: the epoch is not judged."""
        logs = logs or {}
        if self.name not in logs:
            self._check_missing(epoch, logs)
            return None
        self._found = True
        if epoch < self.start_from_epoch:
            return None
        self.value = float(logs[self.name])
        return self.judgement.judge(epoch, self.value, float(logs.get(f"{self.name}_stderr", 0.0)))

    def _check_missing(self, epoch: int, logs: Mapping[str, float]) -> None:
        if self._found:
            return
        if not self.name.startswith("val_") or any(key.startswith("val_") for key in logs):
            raise InputError("Unknown `monitor`", expected=f"one of {sorted(logs)}", received=f"monitor={self.name!r}")
        if not self._reported:
            self._reported = True
            self.log(
                f"No evaluation in interval {epoch + 1}: monitoring of {self.name} starts at the first evaluation."
            )

    @property
    def best(self) -> str:
        """Description of the best value and its interval."""
        if not self._found:
            return f"the logs never contained {self.name}"
        if self.judgement.best_epoch is None:
            return f"{self.name} never had a valid value"
        return f"best {self.name} {self.judgement.best:.6g} at interval {self.judgement.best_epoch + 1}"

    def get_state(self) -> MonitorState:
        """Returns the state in JSON types. `set_state` is the inverse."""
        return {"monitor": self.name, "found": self._found, "waits": self._reported, **self.judgement.get_state()}

    def set_state(self, state: MonitorState) -> None:
        """Restores a state that `get_state` returned. Raises `InputError` for the state of another monitor."""
        received = state["monitor"]
        if received != self.name:
            raise InputError(
                "The state belongs to another monitor",
                expected=f"monitor={self.name!r}",
                received=f"monitor={received!r}",
            )
        self.judgement.set_state(state)
        self._found, self._reported = state["found"], state["waits"]


class Rule(ResumableCallback[State]):
    """Base of callbacks that judge epochs and act at the end of a training. Subclasses implement `conclude`.

    After an error, `conclude` is not called: no summary is printed and no weights are restored. `SingleTraining`
    signals an error with `logs={"failed": True}`.

    Args:
        log: function that is called with each message.
    """

    @checked
    def __init__(self, log: Callable[[str], object]) -> None:
        super().__init__()
        self.log = log

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        if not (logs or {}).get("failed"):
            self.conclude()

    def conclude(self) -> None:
        """Prints a summary and restores weights after a training that ended without an error."""
        raise NotImplementedError
