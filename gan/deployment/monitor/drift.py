"""Drift of what clients ask: numbers that are uniform while nothing changes, and detectors of other ones."""

import numpy as np
from scipy.special import chdtr, ndtr

from gan.deployment.monitor.detectors import UniformDetector
from gan.errors import check_whole


class LabelDrift:
    """Detects that the classes no longer come from one distribution, which need not be known.

    Each class becomes a number u = (those below + U (1 + those equal)) / (all so far, with this one), where U is
    uniform. If classes are independent with one distribution, these numbers are independent and uniform (a conformal
    transducer; Vovk, Gammerman and Shafer 2005, doi:10.1007/b106715). So the mean number of classes between false
    alarms is at least `mean_samples`. The reference is all classes so far.

    Args:
        num_classes: number of classes, >= 1.
        mean_samples: see `Detector`.
        seed: seed of U.
    """

    def __init__(self, num_classes: int, mean_samples: float, seed: int) -> None:
        check_whole("num_classes", num_classes, 1)
        self.counts = np.zeros(num_classes, np.int64)
        """Number of times that each class came."""
        self.detector = UniformDetector(mean_samples)
        self._random = np.random.Generator(np.random.Philox(seed))

    def add(self, labels: np.ndarray) -> bool:
        """Adds classes, int [N], in the order of time. Returns whether there was an alarm."""
        ties = self._random.random(len(labels))
        return self.detector.add(np.array([self._rank(label, tie) for label, tie in zip(labels, ties)]))

    def _rank(self, label: int, tie: float) -> float:
        self.counts[label] += 1
        below, equal = self.counts[:label].sum(), self.counts[label]
        return float((below + tie * equal) / self.counts.sum())


class LatentDrift:
    """Detects that latents are not standard normal, as those are that the generator was trained and measured with.

    Two numbers of a latent vector z of length L are uniform for a standard normal z: the chi-square probability of
    its squared norm, and the normal probability of sum(z) / sqrt(L). Each has a detector at twice `mean_samples`, so
    that the mean number of vectors between false alarms of both together is at least that. Vectors that repeat, are too
    long or too short, or are shifted give other numbers.

    Args:
        latent_dim: L.
        mean_samples: see `Detector`.
    """

    def __init__(self, latent_dim: int, mean_samples: float) -> None:
        check_whole("latent_dim", latent_dim, 1)
        self._latent_dim = latent_dim
        self.norm, self.mean = UniformDetector(2 * mean_samples), UniformDetector(2 * mean_samples)

    @property
    def evidence(self) -> float:
        """Evidence of both detectors, as a share of the one that is needed, times `mean_samples`."""
        return max(self.norm.evidence, self.mean.evidence) / 2

    @property
    def outcomes(self) -> int:
        """Number of vectors."""
        return self.norm.outcomes

    def add(self, latents: np.ndarray) -> bool:
        """Adds latents, float32 [N, L], in the order of time. Returns whether there was an alarm."""
        wide = latents.astype(np.float64)
        norms = chdtr(self._latent_dim, np.square(wide).sum(axis=1))
        means = ndtr(wide.sum(axis=1) / np.sqrt(self._latent_dim))
        alarms = self.norm.add(norms), self.mean.add(means)
        return any(alarms)
