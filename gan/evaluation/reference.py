"""The images that an evaluation compares with, and the same numbers for samples and for real images."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gan.data.dataset import Dataset
from gan.data.split import Split
from gan.evaluation import metrics
from gan.evaluation.classifier.extractor import Extractor
from gan.evaluation.metrics import Neighbours, frechet_distance, wrong_outcomes
from gan.evaluation.metrics.quality import quality
from gan.evaluation.report import FrechetFloor

FLOOR_DRAWS = 10
NEAREST = 2_000
"""Samples, and real images, that are compared with every training image."""

Outputs = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class EvaluatedImages:
    """Images float32 [N, H, W, C] in [-1, 1], the labels asked for (or None), and the classifier's outputs."""

    images: np.ndarray
    labels: np.ndarray | None
    outputs: Outputs

    @property
    def seen(self) -> np.ndarray:
        """The class that the classifier sees in each: int [N]."""
        return self.outputs["logits"].argmax(axis=1)

    @property
    def labels_or_seen(self) -> np.ndarray:
        """The class asked for of each, and where nothing was asked the class seen: int [N]."""
        return self.seen if self.labels is None else self.labels

    @property
    def wrong(self) -> np.ndarray:
        """Which are wrong outcomes: bool [N], see `metrics.wrong_outcomes`."""
        return np.asarray(wrong_outcomes(self.outputs["logits"], self.labels))


@dataclass(frozen=True)
class Reference:
    """What images are compared with: outputs of the test images, and the training images float32 in [-1, 1]."""

    extractor: Extractor
    outputs: Outputs
    train: np.ndarray

    @cached_property
    def _radii(self) -> np.ndarray:
        return metrics.squared_radii(self.outputs["features"])

    def numbers(self, evaluated: EvaluatedImages) -> tuple[dict[str, float], Neighbours]:
        """{name: value} of the images, and the nearest training images to the first `NEAREST` of them."""
        near = metrics.nearest_neighbours(evaluated.images[:NEAREST], self.train)
        real, fake = self.outputs["features"], evaluated.outputs["features"]
        kernel, kernel_error = metrics.kernel_distance(real, fake)
        found = {
            **quality(self.extractor, self.outputs, evaluated.outputs, evaluated.labels),
            "kernel_distance": kernel,
            "kernel_distance_stderr": kernel_error,
            **metrics.precision_recall(real, fake, real_radii=self._radii),
            "pairwise_ssim": metrics.pairwise_ssim(evaluated.images, evaluated.labels_or_seen),
            "nearest_mse": float(near.mse.mean()),
            "nearest_ssim": float(near.ssim.mean()),
        }
        return found, near

    def floor(self, draws: list[np.ndarray]) -> FrechetFloor:
        """Frechet distance to the reference of each draw of training images (their indices)."""
        drawn, position = np.unique(np.concatenate(draws), return_inverse=True)
        features = self.extractor.arrays(self.train[drawn])["features"]
        target = _moments(self.outputs["features"])
        found = [float(frechet_distance(*_moments(features[rows]), *target)) for rows in np.split(position, len(draws))]
        return FrechetFloor(float(np.mean(found)), float(np.std(found, ddof=1)), len(draws))


def _moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    features = features.astype(np.float64)
    return features.mean(axis=0), np.cov(features, rowvar=False)


FLOOR_POOL = 20_000
"""Training images that the draws of the floor come from, at least, where there are so many."""

MOST = 60_000
"""Training images, and validation images, that samples are compared with; of more, this many at random."""


@dataclass(frozen=True)
class EvaluationSubsets:
    """Test images to compare with, validation images in the place of samples, and the floor's training images.

    `floor`: indices of training images, an array a draw.
    """

    test: Split
    validation: Split
    floor: list[np.ndarray]


def at_hand(dataset: Dataset) -> Dataset:
    """The data set with no more images than can be compared."""
    return replace(dataset, train=dataset.train.at_most(MOST), validation=dataset.validation.at_most(MOST))


def choose_subsets(dataset: Dataset, num: int, seed: int) -> EvaluationSubsets:
    """`num` images for each part, at random."""
    rng = np.random.default_rng(seed)
    test, validation = (part.take(rng.permutation(len(part))[:num]) for part in (dataset.test, dataset.validation))
    pool = rng.permutation(len(dataset.train))[: max(2 * num, FLOOR_POOL)]  # not all of them, to save half the time
    return EvaluationSubsets(test, validation, [rng.permutation(pool)[:num] for _ in range(FLOOR_DRAWS)])


def labels_to_ask(dataset: Dataset, num: int, seed: int) -> np.ndarray | None:
    """The labels of `num` random training images: int32 [num], in the data's shares; None where there are none."""
    chosen = np.random.default_rng([seed, 1]).permutation(len(dataset.train))[:num]
    return None if dataset.train.labels is None else dataset.train.labels[chosen]
