"""Rules that carry options of an optimizer from one batch size to another."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class BatchScale:
    """Carries options for batches of `base` images to batches of `batch_size` images.

    With r = `batch_size` / `base`, a run over the same images makes 1/r times as many steps. The rules keep, per image,
    the variance that noisy steps add to the weights, the half-lives of moments, and the number of penalties. A noisy
    step of Adam has about the size of the rate, hence the square root of r. arXiv:2205.10287 derives this rule for the
    rates. It multiplies 1 - beta by r, which equals the rule here for small r (1 - beta).

    >>> scale = BatchScale(base=64, batch_size=256)
    >>> scale.rate(0.003), scale.interval(16), scale.interval(1)
    (0.006, 4, 1)
    """

    base: int
    batch_size: int

    @property
    def ratio(self) -> float:
        """Images per batch, relative to the base."""
        return self.batch_size / self.base

    def rate(self, rate: float) -> float:
        """Returns a learning rate of Adam: times the square root of the ratio."""
        return rate * math.sqrt(self.ratio)

    def decay(self, beta: float) -> float:
        """Returns a decay rate of a moment, with the same half-life in images: beta^ratio, in [0, 1)."""
        return float(beta**self.ratio)

    def interval(self, every: int) -> int:
        """Returns the D updates between two computations of a penalty: about the same number of images, at least 1."""
        return max(1, round(every / self.ratio))
