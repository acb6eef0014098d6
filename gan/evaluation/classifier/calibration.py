"""Probabilities that match frequencies, and the bound below which an image is refused."""

import numpy as np

from gan.errors import InputError, check_whole
from gan.saving.metadata import Calibration


def log_softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Computes log softmax(logits / temperature) in float64: [N, classes] -> [N, classes]."""
    scaled = logits.astype(np.float64) / temperature
    shifted = scaled - scaled.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def probabilities(logits: np.ndarray, calibration: Calibration) -> np.ndarray:
    """Computes softmax(logits / temperature) in float64: [N, classes] -> [N, classes]."""
    return np.exp(log_softmax(logits, calibration.temperature))


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Computes the log loss: the mean of -log softmax(logits)[label], in nats, in float64.

    Args:
        logits: float [N, classes].
        labels: whole numbers [N], the true classes.
    """
    return -float(np.mean(log_softmax(logits)[np.arange(len(labels)), labels]))


def calibration_error(probability: np.ndarray, correct: np.ndarray, *, bins: int = 15) -> float:
    """Computes the expected calibration error: the mean over images of |accuracy - mean probability| of their bin.

    The bins divide (0, 1] into `bins` equal intervals, so equal probabilities share a bin. 0: in each bin, answers are
    right as often as they claim. A small number of images makes it too large, because the accuracy of a bin varies.

    Source: Guo et al., On Calibration of Modern Neural Networks. arXiv:1706.04599, section 2.

    Args:
        probability: float [N] in [0, 1], probability of the class that is answered, or of another event.
        correct: bool [N], whether this class is the true one, or the event happened.
        bins: number of intervals.
    """
    check_whole("bins", bins, 1)
    which = np.clip(np.ceil(probability * bins).astype(np.int64) - 1, 0, bins - 1)
    return float(np.abs(np.bincount(which, weights=correct - probability)).sum() / len(probability))


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Finds the temperature in [0.05, 20] with the smallest cross-entropy of softmax(logits / temperature).

    Temperature scaling does not change which class is best. Fit it on images that were not used for training.

    Source: Guo et al., On Calibration of Modern Neural Networks. arXiv:1706.04599.

    Args:
        logits: float [N, classes].
        labels: whole numbers [N], the true classes.
    """
    from scipy.optimize import minimize_scalar  # slow to import

    def loss(log_temperature: float) -> float:
        return cross_entropy(logits.astype(np.float64) / np.exp(log_temperature), labels)

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded")
    return float(np.exp(found.x))


def choose_bound(others: np.ndarray, most: float) -> float:
    """Finds the smallest bound at which at most the share `most` of images of none of the classes is answered.

    An image is answered if its probability is at least the bound.

    Args:
        others: probabilities of the best class of images that show none of the classes.
        most: the share, in [0, 1).

    Raises `InputError` without images.
    """
    if not len(others):
        raise InputError("No bound can be chosen", expected="images of none of the classes", received="none")
    ordered = np.sort(others)[::-1]
    answered = int(np.floor(most * len(ordered)))
    return float(np.nextafter(ordered[answered], np.inf))
