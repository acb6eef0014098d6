"""Options: what is measured each interval, and what a run does about it."""

from dataclasses import dataclass, fields
from typing import Literal

from gan.errors import InputError, Options, check, check_not_negative, check_share, check_whole

HIGHER_IS_BETTER = ("val_classes_seen", "real_accuracy", "fake_accuracy")


@dataclass(frozen=True)
class StoppingConfig(Options):
    """What is measured each interval, and what a run does about it."""

    probe: str = "auto"
    """Classifier that judges each interval: a folder or a pretrained name; auto: mnist-probe if it suits; or none."""
    eval_num: int = 2_000
    """Validation images, and as many fakes, that are compared each interval; in short intervals fewer."""
    tolerance: float | None = None
    """Error rate that one accepts: the run ends when an interval is within it, and is judged on fresh samples then."""
    classifier: str = "mnist-classifier"
    """With --tolerance: the classifier that judges then, not the probe; a folder or a pretrained name."""
    monitor: str | None = None
    """Stop when this number, such as val_frechet_distance, does not improve any more; None: at the planned length."""
    monitor_mode: Literal["min", "max"] = "min"
    """Whether lower or higher values of it are better."""
    patience: int = 5
    """With --monitor: intervals without an improvement that one waits for."""
    min_delta: float = 0.0
    """With --monitor: improvements up to this one do not count."""
    min_rel_delta: float = 0.0
    """With --monitor: improvements up to this share of the value do not count."""
    noise_sigmas: float = 2.0
    """With --monitor: improvements up to that many standard errors do not count."""
    when_stale: Literal["stop", "reduce"] = "stop"
    """With --monitor, when patience is at its end: stop, or halve both learning rates (constant otherwise)."""
    on_collapse: Literal["warn", "stop", "restore"] = "warn"
    """On mode collapse, or when D dominates: say so, or stop, or stop with the average of the last healthy interval."""

    def __post_init__(self) -> None:
        check(bool(self.probe.strip()), "probe", "auto, none, or a classifier", self.probe)
        check_whole("eval_num", self.eval_num, 50)
        check_whole("patience", self.patience, 1)
        if self.tolerance is not None:
            check_share("tolerance", self.tolerance)
        for name in ("min_delta", "min_rel_delta", "noise_sigmas"):
            check_not_negative(name, getattr(self, name))
        if self.probe == "none" and (self.tolerance is not None or (self.monitor or "").startswith("val_")):
            raise InputError("Nothing would be measured", expected="a probe", received="probe=none")
        if self.tolerance is not None and self.monitor is not None and self.when_stale == "stop":
            received = f"tolerance={self.tolerance}, monitor={self.monitor}"
            raise InputError("Two rules to stop by", expected="tolerance or monitor", received=received)
        if self.monitor is None:
            self._check_idle()
        if self.monitor in HIGHER_IS_BETTER and self.monitor_mode == "min":
            raise InputError("Bad `monitor_mode`", expected=f"max for {self.monitor}", received="min")

    def _check_idle(self) -> None:
        """Raises `InputError` for options that do nothing without a monitor."""
        of_monitor = ("monitor_mode", "patience", "min_delta", "min_rel_delta", "noise_sigmas", "when_stale")
        defaults = {field.name: field.default for field in fields(self)}
        idle = [f"{name}={getattr(self, name)}" for name in of_monitor if getattr(self, name) != defaults[name]]
        if idle:
            expected = "a monitor to wait for, such as val_frechet_distance"
            raise InputError("Nothing to wait for", expected=expected, received=f"monitor=None, {', '.join(idle)}")
