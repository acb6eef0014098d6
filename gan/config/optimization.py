"""Options: length of a run, and how the weights move."""

from dataclasses import dataclass
from typing import Literal

from gan.errors import (
    LARGEST,
    InputError,
    Options,
    check,
    check_different,
    check_not_negative,
    check_positive,
    check_share,
    check_share_below_one,
    check_whole,
)

Loss = Literal["non_saturating", "minimax", "hinge", "least_squares", "wasserstein", "relativistic"]
PenaltyName = Literal["r1", "r2", "wgan_gp", "dragan"]


@dataclass(frozen=True)
class OptimizationConfig(Options):
    """Length of the run, and how the weights move."""

    images: int = 130_000
    """Length of the run in images seen, unless epochs or steps are given."""
    epochs: float | None = None
    """Length of the run in passes over the training images."""
    steps: int | None = None
    """Length of the run in G updates."""
    batch_size: int = 64
    """Images in a step; each D update sees that many reals and fakes."""
    learning_rate: float = 3e-3
    """Adam's learning rate at the start, for G."""
    d_learning_rate: float | None = None
    """Adam's learning rate at the start, for D; None: half of learning_rate."""
    learning_rate_end: float | None = None
    """Share of the learning rate that is left at the end (cosine decay); None: 0.02, or 1 with --when-stale reduce."""
    beta_1: float = 0.0
    """Adam's decay of the mean of gradients."""
    beta_2: float = 0.99
    """Adam's decay of the mean of squared gradients."""
    loss: Loss = "non_saturating"
    """Adversarial loss."""
    penalties: tuple[PenaltyName, ...] = ("r1",)
    """Gradient penalties on D."""
    gamma: float | None = None
    """Weight of the penalties; None: of each its own default (r1, r2: 0.3, wgan_gp, dragan: 10)."""
    penalty_every: int | None = None
    """D steps from one computation of the penalties to the next, where they count that many times more; None: of each
    its own default (r1, r2: 16, wgan_gp, dragan: 1)."""
    critic_steps: int = 1
    """D updates for each G update."""
    simultaneous: bool = False
    """Update G by D as it was before the step's D update, not after it: one pass of D less."""
    mismatched_labels: float | None = None
    """Share of D's loss in which real images with a mismatched label are the fakes: fewer errors, less variety; None:
    0.08 where there are labels."""
    steps_per_execution: int = 20
    """Steps that run inside the graph between two looks at the keyboard and the progress bar."""

    def __post_init__(self) -> None:
        for name in ("images", "batch_size", "critic_steps", "steps_per_execution"):
            check_whole(name, getattr(self, name), 1)
        check_positive("learning_rate", self.learning_rate)
        if self.steps is not None:
            check_whole("steps", self.steps, 1)
        for name in ("epochs", "d_learning_rate"):
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name))
        if self.mismatched_labels is not None:
            check_share_below_one("mismatched_labels", self.mismatched_labels)
        if self.learning_rate_end is not None:
            check_share("learning_rate_end", self.learning_rate_end)
        check(0 <= self.beta_1 < 1, "beta_1", "a number from 0 to below 1", self.beta_1)
        check(0 <= self.beta_2 < 1, "beta_2", "a number from 0 to below 1", self.beta_2)
        if self.gamma is not None:
            check_not_negative("gamma", self.gamma)
        if self.penalty_every is not None:
            check_whole("penalty_every", self.penalty_every, 1)
        check(isinstance(self.penalties, tuple), "penalties", "a tuple of names", self.penalties)
        check_different("penalties", self.penalties)
        if None not in (self.epochs, self.steps):
            raise InputError(
                "The length of the run is given twice",
                expected="epochs or steps",
                received=f"epochs={self.epochs}, steps={self.steps}",
            )

    @property
    def learning_rates(self) -> tuple[float, float]:
        """Those of G and of D at the start."""
        return self.learning_rate, self.d_learning_rate or self.learning_rate / 2

    def total_steps(self, training_images: int) -> int:
        """G updates of the run, at least 1; `training_images`: the size of the training split."""
        if self.steps is not None:
            return self.steps
        images = self.images if self.epochs is None else self.epochs * training_images
        steps = images / (self.batch_size * self.critic_steps)
        check(steps <= LARGEST, "epochs", f"a run of at most {LARGEST} steps", self.epochs)
        return max(1, round(steps))
