"""Whether a logged number still improves: what early stopping and the learning rate are decided by."""

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from gan.errors import InputError, Whole, check, check_not_negative, check_whole
from gan.training.callbacks.resumable import ResumableCallback, State

Mode = Literal["min", "max"]
_NUMBER = r"^-?(inf|nan|\d+(\.\d+)?(e[+-]?\d+)?)$"
Number = Annotated[str, Meta(pattern=_NUMBER, description="a number as text")]
Outcome = Literal["improved", "not improved", "target", "patience"]


class JudgementState(TypedDict):
    """What a judgement remembers, in JSON."""

    best: Number
    best_epoch: Whole | None
    reference: Number
    waited: Whole


class Judgement:
    """Judges one value after the other. Plain Python.

    A value is an improvement when it is better than the last improvement by more than

        max(min_delta, min_rel_delta * |last improvement|, noise_sigmas * stderr)

    The first one that is a number is an improvement on nothing. That is for patience; the best value is simply the
    best, of equals the last. NaN is neither an improvement nor the best.

    Args:
        mode: "min": lower is better; "max": higher is.
        target: value that is good enough: <= target (min) or >= target (max); None: there is none.
        patience: successive values without improvement after which patience is exhausted; a whole number >= 1.
        min_delta: least improvement, in the unit of the value; >= 0.
        min_rel_delta: least improvement as a share of the last one; >= 0.
        noise_sigmas: least improvement in standard errors of the value; >= 0.

    Attributes: `best` (the worst possible value, infinite, before there is one), `best_epoch` (None then), `waited`
    (values since the last improvement). Raises `InputError` for a bad option.
    """

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
        """Forgets every value."""
        self.best = self._reference = self._sign * math.inf
        self.best_epoch: int | None = None
        self.waited = 0

    def judge(self, epoch: int, value: float, stderr: float = 0.0) -> Outcome:
        """Takes the value of an epoch (numbered from 0) in.

        "target" when it reaches the target; it is the best then, however little better. Otherwise "improved", "not
        improved", or "patience" when it is the `patience`-th or a later one without improvement. `stderr`: standard
        error of the value; NaN (unknown) counts as 0.
        """
        reached = self.target is not None and self._sign * (self.target - value) >= 0
        counts = not math.isnan(value) and value != self._sign * math.inf
        if reached or (counts and self._sign * value <= self._sign * self.best):
            self.best, self.best_epoch = value, epoch
        gain = self._sign * (self._reference - value)  # NaN for NaN, and between equal infinities
        if reached or gain > self._least_gain(stderr):
            self._reference, self.waited = value, 0
            return "target" if reached else "improved"
        self.waited += 1
        return "patience" if self.waited >= self.patience else "not improved"

    def _least_gain(self, stderr: float) -> float:
        if math.isinf(self._reference):  # no share of it is finite
            return 0.0
        noise = 0.0 if math.isnan(stderr) else self.noise_sigmas * stderr
        return max(self.min_delta, self.min_rel_delta * abs(self._reference), noise)

    def get_state(self) -> JudgementState:
        """What `judge` remembers, for JSON (which has no infinity: values are text). `set_state` is the inverse."""
        return {
            "best": repr(self.best),
            "best_epoch": self.best_epoch,
            "reference": repr(self._reference),
            "waited": self.waited,
        }

    def set_state(self, state: JudgementState) -> None:
        """Resumes where `get_state` was called."""
        self.best, self.best_epoch = float(state["best"]), state["best_epoch"]
        self._reference, self.waited = float(state["reference"]), state["waited"]


class MonitorState(JudgementState):
    """What a monitor remembers, in JSON."""

    monitor: str
    found: bool
    waits: bool


class Monitor:
    """Looks `name` up among the logs of each epoch, with `<name>_stderr` where there is one, and judges it.

    A `val_` name is there only in epochs after which an evaluation ran; all other names in every one. In the first
    epoch that should have it a missing one is taken for misspelt: `InputError`, naming the keys that are there. Epochs
    without an evaluation are not judged; should the very first have none, `log` tells so. Later ones that lack the
    name are not judged either. Epochs before `start_from_epoch` are looked at for a misspelt name only.
    """

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
        """Forgets every epoch."""
        self.judgement.reset()
        self.value = math.nan
        self._found = False
        self._waits = False

    def judge(self, epoch: int, logs: Mapping[str, float] | None) -> Outcome | None:
        """The outcome of the epoch (numbered from 0), None where nothing is judged; the value is in `value` then."""
        logs = logs or {}
        if self.name not in logs:
            self._miss(epoch, logs)
            return None
        self._found = True
        if epoch < self.start_from_epoch:
            return None
        self.value = float(logs[self.name])
        return self.judgement.judge(epoch, self.value, float(logs.get(f"{self.name}_stderr", 0.0)))

    def _miss(self, epoch: int, logs: Mapping[str, float]) -> None:
        if self._found:
            return
        if not self.name.startswith("val_") or any(key.startswith("val_") for key in logs):
            raise InputError("Unknown `monitor`", expected=f"one of {sorted(logs)}", received=f"monitor={self.name!r}")
        if not self._waits:
            self._waits = True
            self.log(f"No evaluation ran in interval {epoch + 1}: {self.name} is judged from the first evaluation on.")

    @property
    def best(self) -> str:
        """The best value and its interval, in words."""
        if not self._found:
            return f"{self.name} was never among the logs"
        if self.judgement.best_epoch is None:
            return f"{self.name} was never a number that counts"
        return f"best {self.name} {self.judgement.best:.6g} at interval {self.judgement.best_epoch + 1}"

    def get_state(self) -> MonitorState:
        """What the next epoch is judged by, for JSON; `set_state` is the inverse."""
        return {"monitor": self.name, "found": self._found, "waits": self._waits, **self.judgement.get_state()}

    def set_state(self, state: MonitorState) -> None:
        """Resumes where `get_state` was called. Raises `InputError` for the state of another monitor."""
        received = state["monitor"]
        if received != self.name:
            raise InputError("Bad state", expected=f"that of monitor={self.name!r}", received=f"monitor={received!r}")
        self.judgement.set_state(state)
        self._found, self._waits = state["found"], state["waits"]


class Rule(ResumableCallback[State]):
    """A callback that judges epochs and has a conclusion when training ends. A subclass gives `conclude`.

    After an error there is no conclusion: the training did not end, so nothing is said of it and no weights are put
    back. `loop.fit_intervals` tells of the error by `logs={"failed": True}`.

    Args:
        log: takes each line.
    """

    def __init__(self, log: Callable[[str], object]) -> None:
        super().__init__()
        self.log = log

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        if not (logs or {}).get("failed"):
            self.conclude()

    def conclude(self) -> None:
        """Acts on the end of a training that no error ended."""
        raise NotImplementedError
