"""The linear opinion pool: a weighted mean of the probabilities of several classifiers, and its weights."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gan.errors import Json
from gan.evaluation.classifier.calibration import calibration_error, cross_entropy, log_softmax, probabilities
from gan.saving.metadata import Calibration
from gan.tolerance import ErrorRate
from gan.utils.simplex import minimize_on_simplex


def pool_logits(logits: Sequence[np.ndarray], weights: np.ndarray, temperatures: Sequence[float]) -> np.ndarray:
    """Computes log sum_i w_i softmax(logits_i / T_i) in float64: float [N, classes] of each member -> [N, classes].

    The softmax of the result is the linear opinion pool sum_i w_i p_i, the weighted mean of the members' probabilities.
    Stone 1961, The opinion pool, doi:10.1214/aoms/1177704873. With equal weights: deep ensembles, arXiv:1612.01474.

    >>> pool_logits([np.log([[0.9, 0.1]]), np.log([[0.1, 0.9]])], np.array([0.6, 0.4]), [1.0, 1.0])  # log [[.58, .42]]
    array([[-0.54472718, -0.86750057]])
    """
    return _log_mean(
        np.stack([log_softmax(one, temperature) for one, temperature in zip(logits, temperatures)]), weights
    )


def fit_weights(
    logits: Sequence[np.ndarray], labels: np.ndarray, temperatures: Sequence[float], *, seed: int = 0
) -> np.ndarray:
    """Finds the weights of the pool, float64 [members] on the simplex, with the smallest log loss.

    The loss -mean_n log sum_i w_i p_i(label_n) is convex in w. Its minimum is therefore at most that of equal weights
    and that of each member. Fit it on images that no member was trained on.

    Args:
        logits: float [N, classes] of each member.
        labels: whole numbers [N], the true classes.
        temperatures: of each member.
        seed: seed of the random starts, see `minimize_on_simplex`.
    """
    rows = np.arange(len(labels))
    chosen = np.stack([logs[rows, labels] for logs in map(log_softmax, logits, temperatures)])

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        mean = _log_mean(chosen, weights)
        with np.errstate(over="ignore"):  # at a vertex whose member gives a true class no chance
            return -float(mean.mean()), -np.exp(chosen - mean).mean(axis=1)

    return minimize_on_simplex(loss, len(chosen), seed=seed)


def _log_mean(logs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Computes log sum_i w_i exp(logs_i): [members, ...] -> [...]. Only parts with a weight take part."""
    parts = logs[weights > 0]
    parts = parts + np.log(weights[weights > 0]).reshape(-1, *[1] * (parts.ndim - 1))
    top = parts.max(axis=0)
    return top + np.log(np.exp(parts - top).sum(axis=0))


@dataclass(frozen=True)
class Score:
    """How good the probabilities of a classifier are on a split."""

    log_loss: float
    """Mean of -log p(true class), in nats."""
    error_rate: ErrorRate
    """Of the most probable class."""
    calibration_error: float
    """Expected calibration error, see `calibration_error`."""

    def as_dict(self) -> dict[str, Json]:
        """Returns the score in JSON types, with the Wilson 95 % interval of the error rate."""
        rate = self.error_rate
        return {
            "log_loss": self.log_loss,
            "error_rate": rate.value,
            "error_rate_lower": rate.interval[0],
            "error_rate_upper": rate.interval[1],
            "wrong": rate.wrong,
            "num": rate.n,
            "calibration_error": self.calibration_error,
        }

    @classmethod
    def of(cls, logits: np.ndarray, labels: np.ndarray, *, temperature: float = 1.0, rejects: bool = False) -> "Score":
        """Returns the score of softmax(logits / temperature).

        Args:
            logits: float [N, classes].
            labels: whole numbers [N], the true classes.
            temperature: what the logits are divided by.
            rejects: whether the last logit stands for images of none of the classes, which is never an answer.
        """
        scaled = logits.astype(np.float64) / temperature
        found = probabilities(scaled, Calibration())
        answers = found[:, :-1] if rejects else found
        correct = answers.argmax(axis=1) == labels
        return cls(
            cross_entropy(scaled, labels), ErrorRate.of(~correct), calibration_error(answers.max(axis=1), correct)
        )
