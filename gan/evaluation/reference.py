"""The images that an evaluation compares with, and the same numbers for both sides: samples and real images."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gan.data.dataset import Dataset
from gan.data.split import Split
from gan.evaluation import metrics
from gan.evaluation.classifier.extractor import Extractor
from gan.evaluation.metrics import Neighbours, frechet_distance
from gan.evaluation.metrics.quality import quality

FLOOR_DRAWS = 10
NEAREST = 2_000
"""Pictures of a side that are compared with every training image."""

Outputs = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class EvaluatedImages:
    """What is judged: images float32 [N, H, W, C] in [-1, 1], the labels asked for (or None), and their outputs."""

    pictures: np.ndarray
    labels: np.ndarray | None
    outputs: Outputs

    @property
    def seen(self) -> np.ndarray:
        """The class that the classifier sees in each: int [N]."""
        return self.outputs["logits"].argmax(axis=1)


@dataclass(frozen=True)
class Reference:
    """What both sides are compared with: outputs of the test images, and the training images float32 in [-1, 1]."""

    extractor: Extractor
    outputs: Outputs
    train: np.ndarray

    def numbers(
        self, sides: Mapping[str, EvaluatedImages]
    ) -> tuple[dict[str, dict[str, float]], dict[str, Neighbours]]:
        """{side: {name: value}}, and the nearest training images to the first `NEAREST` pictures of each side."""
        radii = metrics.squared_radii(self.outputs["features"])
        near = {name: metrics.nearest_neighbours(side.pictures[:NEAREST], self.train) for name, side in sides.items()}
        return {name: self._of(side, radii, near[name]) for name, side in sides.items()}, near

    def _of(self, side: EvaluatedImages, radii: np.ndarray, near: Neighbours) -> dict[str, float]:
        real, fake = self.outputs["features"], side.outputs["features"]
        kernel, kernel_error = metrics.kernel_distance(real, fake)
        return {
            **quality(self.extractor, self.outputs, side.outputs, side.labels),
            "kernel_distance": kernel,
            "kernel_distance_stderr": kernel_error,
            **metrics.precision_recall(real, fake, real_radii=radii),
            "pairwise_ssim": metrics.pairwise_ssim(side.pictures, side.seen if side.labels is None else side.labels),
            "nearest_mse": float(near.mse.mean()),
            "nearest_ssim": float(near.ssim.mean()),
        }

    def floor(self, draws: list[np.ndarray]) -> dict[str, Any]:
        """Frechet distance of each draw of training images (their indices) to the reference: mean, spread, draws."""
        drawn, position = np.unique(np.concatenate(draws), return_inverse=True)
        features = self.extractor.arrays(self.train[drawn])["features"]
        target = _moments(self.outputs["features"])
        found = [float(frechet_distance(*_moments(features[rows]), *target)) for rows in np.split(position, len(draws))]
        return {"mean": float(np.mean(found)), "spread": float(np.std(found, ddof=1)), "draws": len(draws)}


def _moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    features = features.astype(np.float64)
    return features.mean(axis=0), np.cov(features, rowvar=False)


FLOOR_POOL = 20_000
"""Training images that the draws of the floor come from, at least, where there are so many."""

MOST = 60_000
"""Training images, and validation images, that pictures are compared with; of more, this many at random."""


@dataclass(frozen=True)
class EvaluationSubsets:
    """Test images to compare with, validation images in the place of pictures, and the floor's training images.

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
