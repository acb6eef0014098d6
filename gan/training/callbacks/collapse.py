"""Warns of a GAN that goes wrong before one sees it in the pictures."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypedDict, get_args

import numpy as np

from gan.callbacks.ailments import COLLAPSE, WON, Ailments
from gan.callbacks.averaged import averaged
from gan.callbacks.rule import Rule
from gan.checks import check, check_whole
from gan.errors import InputError
from gan.json_types import Must, Whole

Action = Literal["warn", "stop", "restore"]

ADVICE = {
    COLLAPSE: "A lower learning rate, a penalty on D or a more various latent may help",
    WON: "A lower learning rate of D, or a stronger penalty on it, may help",
}


class CollapseState(TypedDict):
    """The state of `CollapseMonitor`, in JSON."""

    in_a_row: Annotated[
        dict[str, Whole], Must(lambda counts: set(counts) == {COLLAPSE, WON}, "a count for each ailment")
    ]
    healthy_epoch: Whole | None
    told: bool
    stopped_by: Literal["collapse"] | None


class CollapseMonitor(Rule):
    """Says in one line when the generator has collapsed to few pictures, or the discriminator has won.

    It reads what is there of these logs; `Ailments` holds the limits, and what they were measured on:
    `val_classes_seen` (metric `ClassHistogram`), `val_coverage`, `val_pairwise_ssim` beside `val_pairwise_ssim_real`
    (metric `PairwiseSSIM`), `real_accuracy` and `fake_accuracy`, `real_score` - `fake_score`. When none of them ever
    was, it says so in the end; otherwise it is silent as long as all is well.

    >>> gan.compile(..., metrics=[PairwiseSSIM(), ClassHistogram(probe, 10)])
    >>> gan.fit(batches, validation_data=held_out, callbacks=[CollapseMonitor(action="stop")], epochs=20)

    Args:
        action: "warn": says so, once until it is over; "stop": ends training, too; "restore": ends training and puts
            back the averaged generator (`generator_ema`; the weights of a model without one) of the last epoch
            without any sign.
        patience: evaluations in a row with signs of the same ailment before it is believed; >= 1.
        start_from_epoch: epochs before this one (numbered from 0) are not judged: a young generator draws blots, which
            look like a collapse.
        ailments: the limits; None: `Ailments()`.
        say: takes each line.

    Attributes: `ailing` (ailments that are there now), `healthy_epoch` (the last one without any sign; None before),
    `stopped_by` ("collapse" when this callback ended the training, or None), `kept_epoch` (the one whose weights it
    puts back in the end, or None).
    """

    state_type = CollapseState

    def __init__(
        self,
        *,
        action: Action = "warn",
        patience: int = 2,
        start_from_epoch: int = 2,
        ailments: Ailments | None = None,
        say: Callable[[str], Any] = print,
    ) -> None:
        super().__init__(say)
        check(action in get_args(Action), "action", f"one of {get_args(Action)}", action)
        check_whole("patience", patience, 1)
        check_whole("start_from_epoch", start_from_epoch, 0)
        self.action = action
        self.patience = patience
        self.start_from_epoch = start_from_epoch
        self.ailments = ailments or Ailments()
        self._resumed = False
        self._reset()

    def _reset(self) -> None:
        self.healthy_epoch: int | None = None
        self._in_a_row = {COLLAPSE: 0, WON: 0}
        self._told = False
        self.stopped_by: Literal["collapse"] | None = None
        self._healthy_weights: list[np.ndarray] | None = None

    @property
    def ailing(self) -> list[str]:
        return [ailment for ailment, count in self._in_a_row.items() if count >= self.patience]

    @property
    def kept_epoch(self) -> int | None:
        return self.healthy_epoch if self.stopped_by and self.action == "restore" else None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if not self._resumed:
            self._reset()
        self._resumed = False
        self.stopped_by = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        found = self.ailments.signs(logs or {})
        self._told = self._told or bool(found)
        if epoch < self.start_from_epoch:
            return
        for ailment, signs in found.items():
            was, now = self._in_a_row[ailment], self._in_a_row[ailment] + 1 if signs else 0
            self._in_a_row[ailment] = now
            if now == self.patience or (now > self.patience and self.action != "warn"):
                self._believe(epoch, ailment, signs)
            elif was >= self.patience and not now:
                self.say(f"{ailment}: no sign of it any more at interval {epoch + 1}.")
        if found and not any(self._in_a_row.values()):
            self.healthy_epoch = epoch
            if self.action == "restore":
                self._healthy_weights = [np.array(weight) for weight in averaged(self.model).get_weights()]

    def _believe(self, epoch: int, ailment: str, signs: Sequence[str]) -> None:
        then = ""
        if self.action != "warn":
            self.stopped_by, self.model.stop_training = "collapse", True
            then = " Training stops."
        if self.action == "restore":
            healthy = self.healthy_epoch
            last = "no interval was healthy" if healthy is None else f"interval {healthy + 1}, healthy, is put back"
            then = f" Training stops; {last}."
        self.say(f"{ailment} at interval {epoch + 1}: {', '.join(signs)}. {ADVICE[ailment]}.{then}")

    def conclude(self) -> None:
        if not self._told:
            self.say("The collapse monitor saw nothing: none of the logs that it reads was there.")
        if self.stopped_by and self._healthy_weights is not None:
            averaged(self.model).set_weights(self._healthy_weights)

    def get_state(self) -> dict[str, Any]:
        """What the next epoch is judged by, for JSON. The weights of the last healthy epoch: `get_arrays`."""
        return {
            "in_a_row": dict(self._in_a_row),
            "healthy_epoch": self.healthy_epoch,
            "told": self._told,
            "stopped_by": self.stopped_by,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Goes on where `get_state` was called, in the next training too: its beginning does not reset this."""
        if state.keys() != self.get_state().keys() or state["in_a_row"].keys() != self._in_a_row.keys():
            raise InputError("Bad state", expected="what get_state() gave", received=repr(state))
        self._in_a_row = dict(state["in_a_row"])
        self.healthy_epoch, self._told = state["healthy_epoch"], state["told"]
        self.stopped_by = state["stopped_by"]
        self._resumed = True

    def get_arrays(self) -> list[np.ndarray]:
        """The weights of the last healthy epoch; [] where there are none, or none are kept."""
        return list(self._healthy_weights or [])

    def set_arrays(self, arrays: Sequence[np.ndarray]) -> None:
        """Takes what `get_arrays` gave: the weights of the last healthy epoch as of `set_state`."""
        self._healthy_weights = [np.array(array) for array in arrays] or None
