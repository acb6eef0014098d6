"""Detects mode collapse and a dominating discriminator."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypedDict, get_args

import numpy as np
from msgspec import Meta

from gan.errors import Whole, check, check_positive, check_share, check_whole
from gan.models.ema import averaged
from gan.training.callbacks.improvement import Rule
from gan.utils.arguments import checked

Failure = Literal["Mode collapse", "The discriminator dominates"]
COLLAPSE: Failure = "Mode collapse"
DISCRIMINATOR_DOMINATES: Failure = "The discriminator dominates"
SIGNALS = (
    "val_classes_seen",
    "val_coverage",
    "val_pairwise_ssim",
    "val_pairwise_ssim_real",
    "real_accuracy",
    "fake_accuracy",
    "real_score",
    "fake_score",
)
"""Names of the logs that are read. The first four need validation data and metrics. Every `GAN` logs the others."""


@dataclass(frozen=True, kw_only=True)
class FailureSigns:
    """Limits beyond which a logged number is a sign of mode collapse, or of a dominating discriminator.

    None disables a sign. The defaults separate healthy from failed runs on `mnist5k`, measured with 500 samples and the
    features of `mnist-probe`. A row is one run unless it says otherwise. The numbers are from the third interval on
    (8,000 images per interval; mlp: 12,000). In the first two, even a healthy generator may generate 1 class of 10.

                                      classes  similarity      coverage     lower accuracy   gap
        limit                         < 7.5    > .12           < .2         > .97            > 10
        healthy
          mnist, 3 seeds              10       .01 to .03      .93 to .94   .65 to .74       .7 to 1.0
          mnist-mlp, 3 seeds          10       -.01 to .03     .26 to .85   .68 to .88       .3 to .6
          mnist-unconditional         10       -.01 to .02     .51 to .82   .67 to .89       .8 to 2.4
        collapsed
          G's rate 25 times higher    9, 10    .84 to .93      .12 to .19   .86 to .93       3.9 to 6.2
          latent dimension 1          3 to 7   .20 to .35      .01 to .02   .93 to .97       5.9 to 8.4
        D dominates
          G's rate 250 times higher   1        1.00                         1.00             14
          D's rate 100 times G's      1, 2     .23 to .43      .01          .99 to 1.00      4,700 to 13,000
          D's rate 10 times G's       1 to 10  .12 to .92      .01          .87 to .98       53 to 1,070
          D's rate 200 times G's, mlp 1        -.25 to -.19                 .88 to 1.00      6 to 26

    The last three runs have no penalty, and the first of these three has a D of width 64. A rate is a learning rate.
    One sign is enough to detect a failure. A generator that never learned anything shows signs of both failures.
    """

    num_classes: int = 10
    """Number of classes in the data."""
    min_classes_share: float | None = 0.75
    """Minimum share of the classes that the samples show (`val_classes_seen` / num_classes)."""
    min_coverage: float | None = 0.2
    """Minimum `val_coverage`."""
    max_similarity: float | None = 0.12
    """Maximum (val_pairwise_ssim - real) / (1 - real), where real is `val_pairwise_ssim_real`. 0: samples as diverse as
    the data; 1: all samples of a class are identical."""
    max_accuracy: float | None = 0.97
    """Maximum of min(`real_accuracy`, `fake_accuracy`)."""
    max_gap: float | None = 10.0
    """Maximum `real_score` - `fake_score`, in logits. None for a loss whose scores have no scale (Wasserstein)."""

    def __post_init__(self) -> None:
        check_whole("num_classes", self.num_classes, 1)
        for name in ("min_classes_share", "min_coverage", "max_similarity", "max_accuracy"):
            if getattr(self, name) is not None:
                check_share(name, getattr(self, name))
        if self.max_gap is not None:
            check_positive("max_gap", self.max_gap)
        limits = (self.min_classes_share, self.min_coverage, self.max_similarity, self.max_accuracy, self.max_gap)
        check(any(limit is not None for limit in limits), "limits", "at least one that is not None", limits)

    def signs(self, logs: Mapping[str, float]) -> dict[Failure, list[str]]:
        """Returns {failure: descriptions of its signs}.

        The list is empty if the failure has no sign. A failure has no entry if `logs` has none of its numbers. Numbers
        that are missing, NaN or infinite are ignored.
        """
        known = {name: float(logs[name]) for name in SIGNALS if name in logs and math.isfinite(logs[name])}
        found = {COLLAPSE: self._collapse(known), DISCRIMINATOR_DOMINATES: self._domination(known)}
        return {failure: [sign for sign in signs if sign] for failure, signs in found.items() if signs}

    def _collapse(self, known: Mapping[str, float]) -> list[str]:
        """Returns a description for each sign that `known` allows to check. It is empty if all is well."""
        signs = []
        if self.min_classes_share is not None and "val_classes_seen" in known:
            seen = known["val_classes_seen"]
            few = seen < self.min_classes_share * self.num_classes
            signs.append(f"the samples show {seen:.0f} of {self.num_classes} classes" if few else "")
        if self.min_coverage is not None and "val_coverage" in known:
            coverage = known["val_coverage"]
            signs.append(f"the samples cover {coverage:.1%} of the data" if coverage < self.min_coverage else "")
        if self.max_similarity is not None and {"val_pairwise_ssim", "val_pairwise_ssim_real"} <= known.keys():
            fake, real = known["val_pairwise_ssim"], known["val_pairwise_ssim_real"]
            alike = fake - real > self.max_similarity * (1 - real)
            signs.append(f"the samples are alike (SSIM {fake:.2f}; data {real:.2f})" if alike else "")
        return signs

    def _domination(self, known: Mapping[str, float]) -> list[str]:
        signs = []
        if self.max_accuracy is not None and {"real_accuracy", "fake_accuracy"} <= known.keys():
            real, fake = known["real_accuracy"], known["fake_accuracy"]
            sure = min(real, fake) > self.max_accuracy
            signs.append(f"D recognizes {real:.1%} of the real and {fake:.1%} of the fake images" if sure else "")
        if self.max_gap is not None and {"real_score", "fake_score"} <= known.keys():
            gap = known["real_score"] - known["fake_score"]
            signs.append(f"the mean logits of real and fake images differ by {gap:.4g}" if gap > self.max_gap else "")
        return signs


Action = Literal["warn", "stop", "restore"]

ADVICE = {
    COLLAPSE: "A lower learning rate, a penalty on D or more latent dimensions may help",
    DISCRIMINATOR_DOMINATES: "A lower learning rate or a stronger penalty for D may help",
}


Counts = Annotated[
    dict[Failure, Whole],
    Meta(min_length=2, description="a count for each failure"),
]


class CollapseState(TypedDict):
    """State of `CollapseMonitor`, in JSON types."""

    in_a_row: Counts
    healthy_epoch: Whole | None
    told: bool
    stopped_by: Literal["collapse"] | None


class CollapseMonitor(Rule[CollapseState]):
    """Reports, in one line, mode collapse of the generator or a dominating discriminator.

    The callback reads the following logs, if they exist: `val_classes_seen` (metric `ClassHistogram`), `val_coverage`,
    `val_pairwise_ssim` with `val_pairwise_ssim_real` (metric `PairwiseSSIM`), `real_accuracy` with `fake_accuracy`, and
    `real_score` with `fake_score`. `FailureSigns` has the limits, and the measurements behind them. Without a failure,
    nothing is printed. If none of these logs ever exists, the callback reports that at the end.

    >>> gan.compile(..., metrics=[PairwiseSSIM(), ClassHistogram(probe, 10)])
    >>> gan.fit(batches, validation_data=held_out, callbacks=[CollapseMonitor(action="stop")], epochs=20)

    Args:
        action: "warn": reports a failure once, until it is over. "stop": also stops training. "restore": stops training
            and restores the averaged generator (`generator_ema`, or all weights of a model that has none) of the last
            epoch without any sign.
        patience: number of consecutive evaluations with signs of the same failure before it is reported; >= 1.
        start_from_epoch: first epoch to check (numbered from 0). Early samples are blots, which look like a collapse.
        failure_signs: the limits. None: `FailureSigns()`.
        log: function that is called with each message.

    Attributes: `failing` (the current failures), `healthy_epoch` (the last epoch without any sign, or None),
    `stopped_by` ("collapse" if this callback stopped the training, or None), `kept_epoch` (the epoch whose weights are
    restored at the end, or None).
    """

    state_type = CollapseState

    @checked
    def __init__(
        self,
        *,
        action: Action = "warn",
        patience: int = 2,
        start_from_epoch: int = 2,
        failure_signs: FailureSigns | None = None,
        log: Callable[[str], object] = print,
    ) -> None:
        super().__init__(log)
        check(action in get_args(Action), "action", f"one of {get_args(Action)}", action)
        check_whole("patience", patience, 1)
        check_whole("start_from_epoch", start_from_epoch, 0)
        self.action = action
        self.patience = patience
        self.start_from_epoch = start_from_epoch
        self.failure_signs = failure_signs or FailureSigns()
        self.reset()

    def reset(self) -> None:
        self.healthy_epoch: int | None = None
        self._in_a_row: dict[Failure, int] = {COLLAPSE: 0, DISCRIMINATOR_DOMINATES: 0}
        self._has_logs = False
        self.stopped_by: Literal["collapse"] | None = None
        self._healthy_weights: list[np.ndarray] | None = None

    @property
    def failing(self) -> list[Failure]:
        return [failure for failure, count in self._in_a_row.items() if count >= self.patience]

    @property
    def kept_epoch(self) -> int | None:
        return self.healthy_epoch if self.stopped_by and self.action == "restore" else None

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        super().on_train_begin(logs)
        self.stopped_by = None

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        found = self.failure_signs.signs(logs or {})
        self._has_logs = self._has_logs or bool(found)
        if epoch < self.start_from_epoch:
            return
        for failure, signs in found.items():
            was, now = self._in_a_row[failure], self._in_a_row[failure] + 1 if signs else 0
            self._in_a_row[failure] = now
            if now == self.patience or (now > self.patience and self.action != "warn"):
                self._report(epoch, failure, signs)
            elif was >= self.patience and not now:
                self.log(f"{failure}: no longer detected at interval {epoch + 1}.")
        if found and not any(self._in_a_row.values()):
            self.healthy_epoch = epoch
            if self.action == "restore":
                self._healthy_weights = [np.array(weight) for weight in averaged(self.model).get_weights()]

    def _report(self, epoch: int, failure: Failure, signs: Sequence[str]) -> None:
        consequence = ""
        if self.action != "warn":
            self.stopped_by, self.model.stop_training = "collapse", True
            consequence = " Training stops."
        if self.action == "restore":
            healthy = self.healthy_epoch
            restored = "no interval was healthy" if healthy is None else f"healthy interval {healthy + 1} is restored"
            consequence = f" Training stops; {restored}."
        self.log(f"{failure} at interval {epoch + 1}: {', '.join(signs)}. {ADVICE[failure]}.{consequence}")

    def conclude(self) -> None:
        if not self._has_logs:
            self.log("The collapse monitor had nothing to check: the logs contain none of the numbers that it reads.")
        if self.stopped_by and self._healthy_weights is not None:
            averaged(self.model).set_weights(self._healthy_weights)

    def get_state(self) -> CollapseState:
        """Returns the state in JSON types. `get_arrays` returns the weights of the last healthy epoch."""
        return {
            "in_a_row": dict(self._in_a_row),
            "healthy_epoch": self.healthy_epoch,
            "told": self._has_logs,
            "stopped_by": self.stopped_by,
        }

    def restore(self, state: CollapseState) -> None:
        """Restores a state."""
        self._in_a_row = dict(state["in_a_row"])
        self.healthy_epoch, self._has_logs = state["healthy_epoch"], state["told"]
        self.stopped_by = state["stopped_by"]

    def get_arrays(self) -> list[np.ndarray]:
        """Returns the weights of the last healthy epoch. [] if there is none, or if `action` is not "restore"."""
        return list(self._healthy_weights or [])

    def set_arrays(self, arrays: Sequence[np.ndarray]) -> None:
        """Restores what `get_arrays` returned: the weights of the last healthy epoch at the time of the state."""
        self._healthy_weights = [np.array(array) for array in arrays] or None
