"""Options of the optimization: length of the run, optimizers, loss and penalties."""

from dataclasses import dataclass
from typing import Literal

from gan.config.batch_scale import BatchScale
from gan.config.fields import convert_fields
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

NEEDS_BOUNDARY = "Adaptive augmentation needs a loss with a boundary between real and fake"
"""Title of the error for one of the next losses."""
WITHOUT_BOUNDARY: tuple[Loss, ...] = ("wasserstein", "relativistic")
"""Losses for which no logit separates real from fake."""

MISMATCHED_LABELS = 0.08
"""Default weight, in D's loss, of reals with a mismatched label, if there are at least two classes."""


def mismatched_share(asked: float | None, num_classes: int) -> float:
    """Returns the weight of reals with a mismatched label in D's loss. asked: the option; None: the default."""
    return asked if asked is not None else MISMATCHED_LABELS if num_classes > 1 else 0.0


@dataclass(frozen=True)
class OptimizationConfig(Options):
    """Options of the optimization: length of the run, optimizers, loss and penalties."""

    images: int = 130_000
    """Length of the run in real images that D sees. Repeats count; `epochs` or `steps` overrides it."""
    epochs: float | None = None
    """Length of the run in passes over the data. None: set by `images`."""
    steps: int | None = None
    """Length of the run in generator updates. None: set by `images`."""
    batch_size: int = 64
    """Images per batch. Each discriminator update sees one real and one generated batch."""
    scale_from_batch: int | None = None
    """Batch size for which the rates, betas and `penalty_every` hold: they are scaled to `batch_size`. None: as given.

    Times r = batch_size / scale_from_batch: rates times the square root of r, betas to the power of r, `penalty_every`
    divided by r.
    """
    learning_rate: float = 3e-3
    """Initial Adam learning rate of the generator. `learning_rate_end` sets its decay."""
    d_learning_rate: float | None = None
    """Initial Adam learning rate of the discriminator. None: half of `learning_rate`."""
    learning_rate_end: float | None = None
    """Final learning rate of both networks as a share of the initial one; cosine decay. 1: constant. None: 0.02.

    With `when_stale` or `when_refuted` "reduce", the default is 1: the rates are constant between two reductions.
    """
    beta_1: float = 0.0
    """Adam decay rate of the first moment (mean of gradients), in both networks."""
    beta_2: float = 0.99
    """Adam decay rate of the second moment (mean of squared gradients), in both networks."""
    loss: Loss = "non_saturating"
    """Adversarial loss of both networks."""
    penalties: tuple[PenaltyName, ...] = ("r1",)
    """Gradient penalties on the discriminator, added to its loss. No name: no penalty."""
    gamma: float | None = None
    """Weight of the gradient penalties. None: 0.3 for r1 and r2, 10 for wgan_gp and dragan.

    The penalties r1 and r2 are gamma / 2 times the squared gradient norm.
    """
    penalty_every: int | None = None
    """Compute each penalty every N discriminator updates, scaled by N (lazy regularization). None: 16 for r1 and r2, 1
    for wgan_gp and dragan."""
    critic_steps: int = 1
    """Discriminator updates per generator update."""
    simultaneous: bool = False
    """Compute the G update with D as it was before the last D update of the step, from the same passes through D."""
    mismatched_labels: float | None = None
    """Share of D's loss that treats real images with wrong labels as fake, in [0, 1). None: 0.08 with labels, else 0.

    Matching-aware D, arXiv:1605.05396: more samples match their label, with less variety.
    """
    steps_per_execution: int = 20
    """Generator updates per graph call. Higher is faster; Ctrl-C and the progress bar react once per call."""

    def __post_init__(self) -> None:
        convert_fields(self)
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
        check(0 <= self.beta_1 < 1, "beta_1", "a number >= 0 and < 1", self.beta_1)
        check(0 <= self.beta_2 < 1, "beta_2", "a number >= 0 and < 1", self.beta_2)
        if self.gamma is not None:
            check_not_negative("gamma", self.gamma)
        for name in ("penalty_every", "scale_from_batch"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name), 1)
        check_different("penalties", self.penalties)
        if None not in (self.epochs, self.steps):
            raise InputError(
                "Two lengths of the run",
                expected="epochs or steps",
                received=f"epochs={self.epochs}, steps={self.steps}",
            )

    @property
    def learning_rates(self) -> tuple[float, float]:
        """Learning rates of G and D at the start of the run, scaled to the batch size."""
        scale = self.batch_scale
        return scale.rate(self.learning_rate), scale.rate(self.d_learning_rate or self.learning_rate / 2)

    @property
    def betas(self) -> tuple[float, float]:
        """Decay rates of Adam's first and second moment, scaled to the batch size."""
        return self.batch_scale.decay(self.beta_1), self.batch_scale.decay(self.beta_2)

    @property
    def batch_scale(self) -> BatchScale:
        """Scales options to the batch size of the run. Without `scale_from_batch`, they stay as they are."""
        return BatchScale(self.scale_from_batch or self.batch_size, self.batch_size)

    def total_steps(self, training_images: int) -> int:
        """Returns the number of generator updates of the run, at least 1, for a training split of `training_images`."""
        if self.steps is not None:
            return self.steps
        images = self.images if self.epochs is None else self.epochs * training_images
        steps = images / (self.batch_size * self.critic_steps)
        check(steps <= LARGEST, "epochs", f"a run of at most {LARGEST} steps", self.epochs)
        return max(1, round(steps))
