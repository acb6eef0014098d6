"""Change detectors with a stated mean time between false alarms, in bounded memory.

Each is an e-detector of Shiryaev-Roberts type: a mixture over strategies j of

    M_t = (M_{t-1} + 1) * L_t,  M_0 = 0,

where L_t >= 0 is a bet on outcome t with E[L_t | past] <= 1 while nothing has changed. Then the expected M_t is at most
t. So the mean number of outcomes until the first M_t >= c is at least c, and M reaches c within n outcomes with a
probability of at most n / c. Shin, Ramdas and Rinaldo 2022, arXiv:2203.03532.

The functions take arrays with any leading dimensions, so that many streams can be simulated together.
"""

import numpy as np

from gan.errors import check, check_positive, check_share

WORST = 0.999
"""Highest error rate that the detector of error rates bets on."""

BINS = 20
"""Bins of [0, 1] in which the detector of uniform numbers bets."""

WINDOWS = (100.0, 1_000.0, 10_000.0)
"""Numbers of outcomes after which what was learnt of a density is forgotten, one for each strategy."""

STAKE = 0.5
"""Share of the fortune that is bet on the learnt density. The rest is kept, so that no outcome can lose it all."""


def next_evidence(evidence: np.ndarray, bets: np.ndarray) -> np.ndarray:
    """Returns M_t of each strategy from M_{t-1} and the bets L_t: both [..., J]."""
    return (evidence + 1.0) * bets


def rates_to_detect(tolerance: float) -> np.ndarray:
    """Returns the error rates that are bet on: the odds of the tolerance, times 2, 4, 8, ..., up to `WORST`.

    A tolerance of `WORST` or more leaves none: then nothing is detected.
    """
    check_share("tolerance", tolerance)
    check_positive("tolerance", tolerance)
    if tolerance >= WORST:
        return np.zeros(0)
    most = WORST / (1 - WORST) * (1 - tolerance) / tolerance
    odds = tolerance / (1 - tolerance) * 2.0 ** np.arange(1, max(1, int(np.log2(most))) + 1)
    return odds / (1 + odds)


def bets_on_rates(rates: np.ndarray, tolerance: float) -> np.ndarray:
    """Returns the bets on an outcome that is right, and on one that is wrong: [2, J], for rates [J] > tolerance.

    They are (1 - r) / (1 - T) and r / T. Their mean is at most 1 for every probability of an error up to T, also if
    it differs from outcome to outcome.
    """
    return np.stack([(1 - rates) / (1 - tolerance), rates / tolerance])


def bets_on_bins(counts: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """Returns the bets on uniform numbers from the densities that were learnt of earlier ones.

    Args:
        counts: weights of earlier numbers by strategy and bin, [..., J, B].
        bins: bin of the next number, int [...].

    Returns [..., J]: 1 - s + s f, where f is the histogram density with half a count more in each bin, and s is
    `STAKE`. The mean over a uniform bin is 1.
    """
    own = np.take_along_axis(counts, bins[..., None, None], axis=-1)[..., 0]
    size = counts.shape[-1]
    density = size * (own + 0.5) / (counts.sum(axis=-1) + 0.5 * size)
    return 1.0 - STAKE + STAKE * density


def remember_bins(counts: np.ndarray, bins: np.ndarray, windows: np.ndarray) -> np.ndarray:
    """Returns the weights [..., J, B] after numbers in `bins` [...]: earlier ones count 1 - 1 / window as much."""
    kept = counts * (1.0 - 1.0 / windows)[:, None]
    return kept + (np.arange(counts.shape[-1]) == bins[..., None, None])


class Detector:
    """The threshold, and what all detectors count.

    Args:
        mean_samples: c, the mean number of outcomes between false alarms is at least this.
    """

    def __init__(self, mean_samples: float) -> None:
        check(mean_samples > 1, "mean_samples", "a number > 1", mean_samples)
        self.mean_samples = mean_samples
        self.evidence = 0.0
        """The mean of M_t over the strategies. An alarm resets it."""
        self.outcomes = 0
        """Number of outcomes."""
        self.alarms = 0
        """Number of alarms."""

    def _note(self, evidence: np.ndarray) -> bool:
        """Counts an outcome and returns whether there is an alarm. evidence: M_t by strategy, [J]."""
        self.outcomes += 1
        self.evidence = float(evidence.mean()) if len(evidence) else 0.0
        is_alarm = self.evidence >= self.mean_samples
        if is_alarm:
            self.evidence, self.alarms = 0.0, self.alarms + 1
        return is_alarm


class RateDetector(Detector):
    """Detects that an error rate rises above a tolerance, however many good outcomes there were before.

    While each outcome is wrong with a probability of at most the tolerance, given the earlier ones, the mean number of
    outcomes between alarms is at least `mean_samples`. A rise to a rate that is still within is no alarm.

    Args:
        tolerance: highest acceptable error rate, in (0, 1].
        mean_samples: see `Detector`.
    """

    def __init__(self, tolerance: float, mean_samples: float) -> None:
        super().__init__(mean_samples)
        rates = rates_to_detect(tolerance)
        self._bets = bets_on_rates(rates, tolerance)
        self._m = np.zeros(len(rates))

    def add(self, wrong: np.ndarray) -> bool:
        """Adds outcomes, bool [N], in the order of time. Returns whether there was an alarm."""
        before = self.alarms
        for outcome in wrong.astype(int):
            self._m = next_evidence(self._m, self._bets[outcome])
            if self._note(self._m):
                self._m = np.zeros_like(self._m)
        return self.alarms > before


class UniformDetector(Detector):
    """Detects that independent uniform numbers no longer are.

    It bets on histogram densities, which it learns from the numbers so far, with `WINDOWS` of memory.
    """

    def __init__(self, mean_samples: float) -> None:
        super().__init__(mean_samples)
        self._windows = np.asarray(WINDOWS)
        self._m = np.zeros(len(WINDOWS))
        self._counts = np.zeros((len(WINDOWS), BINS))

    def add(self, numbers: np.ndarray) -> bool:
        """Adds numbers in [0, 1], [N], in the order of time. Returns whether there was an alarm."""
        before = self.alarms
        for found in np.minimum((numbers * BINS).astype(int), BINS - 1):
            where = np.asarray(found)
            self._m = next_evidence(self._m, bets_on_bins(self._counts, where))
            self._counts = remember_bins(self._counts, where, self._windows)
            if self._note(self._m):
                self._m = np.zeros_like(self._m)
        return self.alarms > before
