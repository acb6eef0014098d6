"""Calibration of scores: the density ratio of the data to the samples, and how far it can be trusted.

A classifier that tells images of the data (1) from samples (0), as many of each, has the probability
p = data / (data + samples), so p / (1 - p) is the density ratio, if p is calibrated (arXiv:1811.11357, section 3.2).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from gan.errors import InputError, check
from gan.evaluation.classifier.calibration import calibration_error
from gan.selection.rejection.acceptance import LogRatio
from gan.utils.arguments import check_axes, checked

FEWEST = 50
"""Minimum number of images of the data, and of samples, in each half of a calibration."""


@dataclass(frozen=True)
class LogisticRatio:
    """log r(s) = slope s + intercept: logistic regression (Platt's scaling) of the score."""

    slope: float
    intercept: float

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Computes log r of scores: [B] -> [B]."""
        return self.slope * scores + self.intercept

    @classmethod
    def fit(cls, scores: np.ndarray, is_real: np.ndarray) -> "LogisticRatio":
        """Fits the regression without regularization. The arguments are those of `fit_log_ratio`."""
        from sklearn.linear_model import LogisticRegression  # slow to import

        center, scale = float(scores.mean()), float(scores.std()) or 1.0
        found = LogisticRegression(C=np.inf).fit(((scores - center) / scale)[:, None], is_real)
        slope = float(found.coef_[0, 0]) / scale
        return cls(slope, float(found.intercept_[0]) - slope * center - _log_prior(is_real))


@dataclass(frozen=True)
class IsotonicRatio:
    """The ratio by isotonic regression of being real on the score: increasing, and linear between its `knots`."""

    knots: np.ndarray
    log_ratios: np.ndarray

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Computes log r of scores: [B] -> [B]."""
        return np.interp(scores, self.knots, self.log_ratios)

    @classmethod
    def fit(cls, scores: np.ndarray, is_real: np.ndarray) -> "IsotonicRatio":
        """Fits the regression. No probability is nearer to 0 or 1 than one image in N."""
        from sklearn.isotonic import IsotonicRegression  # slow to import

        found = IsotonicRegression(y_min=1 / len(scores), y_max=1 - 1 / len(scores)).fit(scores, is_real)
        p = np.asarray(found.y_thresholds_, np.float64)
        return cls(np.asarray(found.X_thresholds_, np.float64), np.log(p) - np.log1p(-p) - _log_prior(is_real))


def _log_prior(is_real: np.ndarray) -> float:
    """Returns the log odds of being real among the images that a regression is fitted on."""
    return float(np.log(is_real.sum()) - np.log(len(is_real) - is_real.sum()))


CALIBRATORS: Mapping[str, Callable[[np.ndarray, np.ndarray], LogRatio]] = {
    "logistic": LogisticRatio.fit,
    "isotonic": IsotonicRatio.fit,
}
"""Name -> (scores float64 [N], is_real bool [N]) -> log ratio."""


@dataclass(frozen=True)
class CalibrationError:
    """How well the probabilities of being real are calibrated, on images that the calibration was not fitted on."""

    ece: float
    """Expected calibration error of the probability of being real, see `calibration_error`.

    That of a perfect calibration is above zero too: the fewer images, the higher.
    """
    log_loss: float
    """Mean cross-entropy, in nats."""
    log_loss_constant: float
    """That of the constant share of real images. A score that tells nothing has the same."""
    n: int
    """Images, real ones and samples."""

    @classmethod
    @checked
    def of(cls, log_ratio: LogRatio, scores: np.ndarray, is_real: np.ndarray) -> "CalibrationError":
        """Measures a log ratio on scores float [N], with `is_real` bool [N]."""
        log_odds = log_ratio(scores) + _log_prior(is_real)
        p = 1 / (1 + np.exp(-log_odds))
        share = is_real.mean()
        constant = -(share * np.log(share) + (1 - share) * np.log1p(-share))
        return cls(calibration_error(p, is_real), _log_loss(log_odds, is_real), float(constant), len(p))


def _log_loss(log_odds: np.ndarray, is_real: np.ndarray) -> float:
    return float(np.mean(np.logaddexp(0.0, np.where(is_real, -log_odds, log_odds))))


@dataclass(frozen=True)
class Calibration:
    """A log ratio of scores, and its error on the other half of the images."""

    name: str
    """Its name in `CALIBRATORS`."""
    log_ratio: LogRatio
    error: CalibrationError
    fitted: np.ndarray
    """log r of the samples of the half that it was fitted on, float64 [N]."""
    held_out: np.ndarray
    """Numbers of the samples of the other half, int64 [N]."""


@checked
def fit_log_ratio(scores: np.ndarray, is_real: np.ndarray) -> tuple[str, LogRatio]:
    """Fits the log of the density ratio, data to samples, by each of `CALIBRATORS`.

    Args:
        scores: finite float [N].
        is_real: bool [N], whether each score is of an image of the data. The two need not be equally many.

    Returns (name, log ratio) of the one with the smallest log loss in two-fold cross-validation. It is fitted on all
    scores.
    """
    check_axes("scores", scores, "N")
    check(len(is_real) == len(scores), "is_real", f"{len(scores)} values", len(is_real))
    scores = np.asarray(scores, np.float64)
    halves = _halves(is_real)

    def loss(name: str) -> float:
        found = 0.0
        for fitted, other in (halves, halves[::-1]):
            log_ratio = CALIBRATORS[name](scores[fitted], is_real[fitted])
            found += _log_loss(log_ratio(scores[other]) + _log_prior(is_real[other]), is_real[other])
        return found

    best = min(CALIBRATORS, key=loss)
    return best, CALIBRATORS[best](scores, is_real)


def _halves(is_real: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the indices of every second real image and every second sample, and those of the others."""
    kinds = np.flatnonzero(is_real), np.flatnonzero(~is_real)
    return np.concatenate([kind[::2] for kind in kinds]), np.concatenate([kind[1::2] for kind in kinds])


@checked
def calibrate(real: np.ndarray, fake: np.ndarray) -> Calibration:
    """Calibrates scores of real images, float [N], and of samples, float [M]; both in random order.

    The log ratio is fitted on one half of each, and its error is that on the other half.

    Raises `InputError` for fewer than `FEWEST` in a half, and for scores that are not finite.
    """
    if min(len(real), len(fake)) < 2 * FEWEST:
        raise InputError(
            "Too few images to calibrate with",
            expected=f"at least {2 * FEWEST} held-out images, and as many samples",
            received=f"{len(real)} images, {len(fake)} samples",
        )
    scores = np.concatenate([real, fake]).astype(np.float64)
    check(bool(np.isfinite(scores).all()), "scores", "finite numbers", "NaN or infinity")
    is_real = np.arange(len(scores)) < len(real)
    fitted, other = _halves(is_real)
    name, log_ratio = fit_log_ratio(scores[fitted], is_real[fitted])
    error = CalibrationError.of(log_ratio, scores[other], is_real[other])
    held_out = other[~is_real[other]] - len(real)
    return Calibration(name, log_ratio, error, log_ratio(scores[fitted][~is_real[fitted]]), held_out)
