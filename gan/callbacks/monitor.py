"""One number among the logs of an epoch, found by name and judged."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from gan.callbacks.judgement import Judgement, JudgementState, Outcome
from gan.checks import check, check_whole
from gan.errors import InputError


class MonitorState(JudgementState):
    """What a monitor remembers, in JSON."""

    monitor: str
    found: bool
    waits: bool


class Monitor:
    """Looks `name` up among the logs of each epoch, with `<name>_stderr` where there is one, and judges it.

    A `val_` name is there only in epochs after which an evaluation ran; all other names in every one. In the first
    epoch that should have it a missing one is taken for misspelt: `InputError`, naming the keys that are there. Epochs
    without an evaluation are not judged; should the very first have none, `say` tells so. Later ones that lack the
    name are not judged either. Epochs before `start_from_epoch` are looked at for a misspelt name only.
    """

    def __init__(
        self, name: str, judgement: Judgement, *, start_from_epoch: int = 0, say: Callable[[str], Any] = print
    ) -> None:
        check(isinstance(name, str) and bool(name), "monitor", "the name of a log", name)
        check_whole("start_from_epoch", start_from_epoch, 0)
        self.name = name
        self.judgement = judgement
        self.start_from_epoch = start_from_epoch
        self.say = say
        self.reset()

    def reset(self) -> None:
        """Forgets every epoch."""
        self.judgement.reset()
        self.value = math.nan
        self._found = False
        self._waits = False

    def judge(self, epoch: int, logs: Mapping[str, Any] | None) -> Outcome | None:
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

    def _miss(self, epoch: int, logs: Mapping[str, Any]) -> None:
        if self._found:
            return
        if not self.name.startswith("val_") or any(key.startswith("val_") for key in logs):
            raise InputError("Unknown `monitor`", expected=f"one of {sorted(logs)}", received=f"monitor={self.name!r}")
        if not self._waits:
            self._waits = True
            self.say(f"No evaluation ran in interval {epoch + 1}: {self.name} is judged from the first evaluation on.")

    @property
    def best(self) -> str:
        """The best value and its interval, in words."""
        if not self._found:
            return f"{self.name} was never among the logs"
        if self.judgement.best_epoch is None:
            return f"{self.name} was never a number that counts"
        return f"best {self.name} {self.judgement.best:.6g} at interval {self.judgement.best_epoch + 1}"

    def get_state(self) -> dict[str, Any]:
        """What the next epoch is judged by, for JSON; `set_state` is the inverse."""
        return {"monitor": self.name, "found": self._found, "waits": self._waits, **self.judgement.get_state()}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Goes on where `get_state` was called. Raises `InputError` for the state of another monitor."""
        received = state.get("monitor")
        if received != self.name:
            raise InputError("Bad state", expected=f"that of monitor={self.name!r}", received=f"monitor={received!r}")
        self.judgement.set_state(state)
        self._found, self._waits = bool(state["found"]), bool(state["waits"])
