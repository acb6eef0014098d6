"""Acceptance: from the score of an attempt to the probability that it is kept."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gan.selection.rejection.limits import check_keep
from gan.utils.arguments import checked

LogRatio = Callable[[np.ndarray], np.ndarray]
"""Scores [B] -> log of the density ratio, data to samples, float64 [B]."""


class Acceptance(ABC):
    """Maps the scores of attempts to the probabilities that they are accepted."""

    @abstractmethod
    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Computes the probabilities of scores, float64 [B] -> float64 [B] in [0, 1]. That of NaN is 0."""


@dataclass(frozen=True)
class ThresholdAcceptance(Acceptance):
    """Accepts an attempt if its score is at least a threshold: the probability is 1 or 0."""

    threshold: float

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Computes the probabilities, see `Acceptance`."""
        return (scores >= self.threshold).astype(np.float64)


@dataclass(frozen=True)
class RatioAcceptance(Acceptance):
    """Accepts an attempt x with probability min(1, r(x) / M), r: density of the data over that of the samples.

    With the exact ratio and M at least its largest value, what is accepted has the density of the data. In general,
    with the density g of the samples, it has a density proportional to g min(r, M). Discriminator rejection sampling
    (arXiv:1810.06758) does the same with a smooth step, and its gamma takes the place of log M.

    Args:
        log_ratio: log r of scores.
        log_bound: log M.
    """

    log_ratio: LogRatio
    log_bound: float

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Computes the probabilities, see `Acceptance`."""
        powers = np.exp(np.minimum(0.0, self.log_ratio(scores) - self.log_bound))
        return np.where(np.isnan(scores), 0.0, powers)


@checked
def choose_threshold(scores: np.ndarray, keep: float) -> float:
    """Returns the threshold that accepts the share `keep` of scores, float [N], at least one of them.

    Raises `InputError` unless 0 < keep <= 1.
    """
    check_keep(keep)
    ordered = np.sort(scores)
    return float(ordered[len(ordered) - max(1, round(keep * len(ordered)))])


@checked
def choose_log_bound(log_ratios: np.ndarray, keep: float) -> float:
    """Returns log M for which the mean of min(1, r / M) over samples is `keep`, see `RatioAcceptance`.

    Args:
        log_ratios: log r of samples, finite float [N].
        keep: mean acceptance, above 0 and at most 1. From 1 / (largest r) down, no ratio is cut.

    Raises `InputError` for another `keep`.
    """
    from scipy.optimize import brentq  # slow to import

    check_keep(keep)
    least, most = float(log_ratios.min()), float(log_ratios.max()) - math.log(keep)
    if keep == 1:
        return least

    def excess(log_bound: float) -> float:
        return float(np.exp(np.minimum(0.0, log_ratios - log_bound)).mean()) - keep

    return float(brentq(excess, least, most + 1e-9))
