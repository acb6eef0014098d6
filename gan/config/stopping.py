"""Options of the measurements after each interval, and of the rules that stop a run."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

from gan.config.fields import convert_fields
from gan.errors import InputError, Options, check, check_not_negative, check_share, check_whole
from gan.tolerance import check_confirmation, next_confidence

FEWEST_CONFIRMED, MOST_CONFIRMED = 200, 10**7
"""Minimum and maximum of `confirm_num`."""

HIGHER_IS_BETTER = ("val_classes_seen", "real_accuracy", "fake_accuracy")


@dataclass(frozen=True)
class StoppingConfig(Options):
    """Options of the measurements after each interval, and of the rules that stop a run."""

    probe: str = "auto"
    """Classifier that measures samples after each interval: folder, pretrained name, none or auto (MNIST: mnist-probe).

    `auto`: `mnist-probe` if it suits the dataset, otherwise no classifier: features are compared, without error rates.
    `none`: nothing is measured.
    """
    features: str | None = None
    """Model for the features of the probe: FILE.keras or FILE.keras:LAYER. None: the classifier, or a random network.

    Any Keras model of such images will do. The random network is fixed, and serves data without a classifier.
    """
    eval_num: int = 2_000
    """Samples measured after each interval, and validation images to compare with, at most all of them.

    Short intervals use fewer.
    """
    tolerance: float | None = None
    """Stop when fresh samples confirm at most this error rate. None: never.

    This is the tolerance, the error rate that is accepted, from 0 to 1. A sample is an error if the classifier does not
    read its label; without labels, if the classifier is less than 90 % sure. An interval is nominated when the upper
    bound of its error rate, measured by `probe`, is within the tolerance. `classifier` then confirms it on fresh
    samples; otherwise the run continues.
    """
    tolerance_per_class: float | None = None
    """With `tolerance`: highest accepted error rate of each class, a further condition. None: no such condition."""
    classifier: str = "mnist-classifier"
    """With `tolerance`: classifier that confirms a generator and sets the exit status."""
    confirm_num: int = 100_000
    """With `tolerance`: maximum number of samples of one confirmation."""
    when_refuted: Literal["continue", "reduce"] = "continue"
    """With `tolerance`: after a confirmation without success, continue, or also reduce (halve) both learning rates.

    With `reduce`, the learning rates are constant otherwise.
    """
    monitor: str | None = None
    """Column of log.csv to watch, such as val_frechet_distance; stop when it stops improving. None: no monitor."""
    monitor_mode: Literal["min", "max"] = "min"
    """With `monitor`: whether lower (min) or higher (max) values are better."""
    patience: int = 5
    """With `monitor`: intervals without improvement after which `when_stale` applies."""
    min_delta: float = 0.0
    """With `monitor`: smallest change that counts as an improvement, in units of the metric."""
    min_rel_delta: float = 0.0
    """With `monitor`: smallest improvement that counts, as a share of the last improvement's value."""
    noise_sigmas: float = 2.0
    """With `monitor`: smallest improvement that counts, in standard errors. The largest of the three limits applies."""
    when_stale: Literal["stop", "reduce"] = "stop"
    """With `monitor`, each time `patience` runs out: stop the run, or reduce (halve) both learning rates.

    With `reduce`, the learning rates are constant otherwise.
    """
    on_collapse: Literal["warn", "stop", "restore"] = "warn"
    """On mode collapse, or if D dominates: warn, stop, or stop and restore the last healthy generator.

    `restore` puts back the averaged generator of the last healthy interval.
    """

    def __post_init__(self) -> None:
        convert_fields(self)
        check(bool(self.probe.strip()), "probe", "auto, none, or a classifier", self.probe)
        check_whole("eval_num", self.eval_num, 50)
        check_whole("patience", self.patience, 1)
        check_whole("confirm_num", self.confirm_num, FEWEST_CONFIRMED, MOST_CONFIRMED)
        if self.tolerance is not None:
            check_share("tolerance", self.tolerance)
        if self.tolerance_per_class is not None:
            check_share("tolerance_per_class", self.tolerance_per_class)
        for name in ("min_delta", "min_rel_delta", "noise_sigmas"):
            check_not_negative(name, getattr(self, name))
        if self.probe == "none" and (self.tolerance is not None or (self.monitor or "").startswith("val_")):
            raise InputError("Nothing would be measured", expected="a probe", received="probe=none")
        if self.probe == "none" and self.features is not None:
            received = f"probe=none, features={self.features}"
            raise InputError("Options without effect", expected="a probe, or no features", received=received)
        if self.tolerance is not None and self.monitor is not None and self.when_stale == "stop":
            received = f"tolerance={self.tolerance}, monitor={self.monitor}"
            raise InputError("Two stopping rules", expected="tolerance or monitor", received=received)
        if self.monitor is None:
            names = ("monitor_mode", "patience", "min_delta", "min_rel_delta", "noise_sigmas", "when_stale")
            self._check_idle("monitor", "a monitor, such as val_frechet_distance", names)
        if self.tolerance is None:
            self._check_idle("tolerance", "a tolerance", ("tolerance_per_class", "confirm_num", "when_refuted"))
        if self.monitor in HIGHER_IS_BETTER and self.monitor_mode == "min":
            raise InputError("Bad `monitor_mode`", expected=f"max for {self.monitor}", received="min")

    @property
    def constant_rate(self) -> bool:
        """Whether the learning rates are constant until a callback reduces them."""
        return "reduce" in (self.when_stale, self.when_refuted)

    def check_confirmable(self) -> None:
        """Raises `InputError` for a tolerance that even samples without any error would not confirm.

        A new run must call this. The record of an old run may have such a tolerance.
        """
        num, confidence = self.confirm_num, next_confidence([], is_last=True)
        for name in ("tolerance", "tolerance_per_class"):
            tolerance = getattr(self, name)
            if tolerance is not None:
                check_confirmation(
                    name, tolerance, num, confidence, outcomes=f"{num:,} samples", larger="--confirm-num {}"
                )

    def _check_idle(self, needed: str, expected: str, names: Sequence[str]) -> None:
        """Raises `InputError` for options that have no effect without the option `needed`."""
        defaults = {field.name: field.default for field in fields(self)}
        idle = [f"{name}={getattr(self, name)}" for name in names if getattr(self, name) != defaults[name]]
        if idle:
            received = f"{needed}=None, {', '.join(idle)}"
            raise InputError("Options without effect", expected=expected, received=received)
