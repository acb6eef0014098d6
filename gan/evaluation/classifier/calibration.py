"""Probabilities that match frequencies, and the bound below which an image is refused."""

import numpy as np

from gan.errors import InputError
from gan.saving.metadata import Calibration


def probabilities(logits: np.ndarray, calibration: Calibration) -> np.ndarray:
    """Computes softmax(logits / temperature) in float64: [N, classes] -> [N, classes]."""
    scaled = logits.astype(np.float64) / calibration.temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Finds the temperature in [0.05, 20] with the smallest cross-entropy of softmax(logits / temperature).

    Temperature scaling does not change which class is best. Fit it on images that were not used for training.

    Source: Guo et al., On Calibration of Modern Neural Networks. arXiv:1706.04599.

    Args:
        logits: float [N, classes].
        labels: whole numbers [N], the true classes.
    """
    from scipy.optimize import minimize_scalar  # slow to import

    chosen = np.arange(len(labels)), labels

    def cross_entropy(log_temperature: float) -> float:
        scaled = logits.astype(np.float64) / np.exp(log_temperature)
        top = scaled.max(axis=1)
        return float(np.mean(top + np.log(np.exp(scaled - top[:, None]).sum(axis=1)) - scaled[chosen]))

    found = minimize_scalar(cross_entropy, bounds=(np.log(0.05), np.log(20)), method="bounded")
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
