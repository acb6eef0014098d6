"""The error rate of one version of a generator, with bounds that hold at each look."""

import numpy as np

from gan.errors import check_share, check_whole
from gan.tolerance import CONFIDENCE, confidence_sequence


def confidence_of_version(number: int) -> float:
    """Returns the confidence of the bounds of the version that is watched as the `number`-th, from 1.

    The error is (1 - 0.95) / (number (number + 1)): 2.5 %, 0.83 %, 0.42 %, ... The sum is 5 %, so the bounds of all
    versions of a model together hold with 95 %, however often it is updated.
    """
    check_whole("number", number, 1)
    return 1 - (1 - CONFIDENCE) / (number * (number + 1))


class AuditedRate:
    """Wrong outcomes among those of one version, and whether its error rate has exceeded a tolerance.

    It has exceeded it once the lower bound of `confidence_sequence` was above it, after any outcome. If the rate is
    never above the tolerance, this ever happens with a probability of at most e = 1 - confidence. For a constant rate,
    the bounds say so. It also holds for a rate that varies, because the classes do that are asked: with the share s of
    the mixture above the tolerance, the probability is at most e s / (1 - e (1 - s)) <= e. For the likelihood ratio of
    a higher rate against the tolerance has a mean of at most 1, whatever the rates up to the tolerance are (Ville), and
    that of a lower rate is below 1 where the observed rate is above the tolerance.

    Args:
        tolerance: highest acceptable error rate, in (0, 1].
        confidence: of the bounds.
    """

    def __init__(self, tolerance: float, confidence: float = CONFIDENCE) -> None:
        check_share("tolerance", tolerance)
        self.tolerance, self.confidence = tolerance, confidence
        self.n, self.wrong = 0, 0
        self.has_exceeded = False

    @property
    def value(self) -> float | None:
        """The observed error rate; None without an outcome."""
        return self.wrong / self.n if self.n else None

    @property
    def bounds(self) -> tuple[float, float]:
        """Lower and upper bound of the error rate: (0, 1) without an outcome."""
        return confidence_sequence(self.wrong, self.n, self.confidence)

    def add(self, wrong: np.ndarray) -> bool:
        """Adds outcomes, bool [N], in the order of time. Returns whether the lower bound was above the tolerance.

        The lower bound rises only with a wrong outcome, so it is computed after each of these, or after the last one if
        the tolerance was exceeded before.
        """
        places = list(enumerate(np.flatnonzero(wrong).tolist(), start=self.wrong + 1))
        looked = places[-1:] if self.has_exceeded else places
        exceeds = any(self._exceeds(count, self.n + place + 1) for count, place in looked)
        self.has_exceeded |= exceeds
        self.n += len(wrong)
        self.wrong += int(np.sum(wrong))
        return exceeds

    def _exceeds(self, wrong: int, n: int) -> bool:
        return wrong > self.tolerance * n and confidence_sequence(wrong, n, self.confidence)[0] > self.tolerance
