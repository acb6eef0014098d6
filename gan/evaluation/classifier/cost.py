"""What a classifier costs: its weights, the bytes of its file, and the time of a batch."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from gan.errors import check_whole
from gan.evaluation.classifier.extractor import Extractor

BATCH = 256
"""Images of a timed batch."""
ROUNDS = 9
"""Rounds of a measurement. In each, every classifier computes one batch."""


@dataclass(frozen=True)
class ClassifierCost:
    """Cost of a classifier. Times are of one batch, and comparable only within one measurement on one machine."""

    parameters: int
    """Number of weights."""
    bytes: int
    """Size of the file."""
    milliseconds: float
    """Median over the rounds."""
    milliseconds_fastest: float
    milliseconds_slowest: float


def measure_costs(
    classifiers: Sequence[keras.Model], paths: Sequence[Path], images: np.ndarray, *, rounds: int = ROUNDS
) -> list[ClassifierCost]:
    """Measures classifiers beside each other: in each round, each one computes the features and logits of all images.

    The rounds alternate between the classifiers, so that a slower phase of the machine falls on all of them. A first
    round, which compiles, does not count.

    Args:
        classifiers: the networks.
        paths: their files, in the same order.
        images: float32 [N, H, W, C] in [-1, 1], one batch.
        rounds: number of rounds.
    """
    check_whole("rounds", rounds, 1)
    extractors = [Extractor(classifier) for classifier in classifiers]
    seconds = np.array([[_seconds(extractor, images) for extractor in extractors] for _ in range(rounds + 1)])[1:]
    return [
        ClassifierCost(
            parameters=classifier.count_params(),
            bytes=path.stat().st_size,
            milliseconds=1000 * float(np.median(times)),
            milliseconds_fastest=1000 * float(times.min()),
            milliseconds_slowest=1000 * float(times.max()),
        )
        for classifier, path, times in zip(classifiers, paths, seconds.T)
    ]


def _seconds(extractor: Extractor, images: np.ndarray) -> float:
    started = time.perf_counter()
    extractor.arrays(images, batch_size=len(images))  # as arrays, so that a GPU has finished
    return time.perf_counter() - started
