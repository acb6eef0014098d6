"""Reference images of an evaluation, and the numbers of samples and real images measured against them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gan.data.dataset import Dataset
from gan.data.split import Split
from gan.errors import InputError, check_whole
from gan.evaluation import metrics
from gan.evaluation.classifier.extractor import Extractor
from gan.evaluation.metrics import Neighbours, frechet_distance, wrong_outcomes
from gan.evaluation.metrics.kernel import KERNEL_BLOCKS
from gan.evaluation.metrics.quality import quality
from gan.evaluation.report import FEWEST, MOST_NUM, FrechetFloor

FLOOR_DRAWS = 10
"""Draws of training images for the floor of the Frechet distance."""

NEAREST = 2_000
"""Maximum number of samples, and of real images, that are compared with every training image."""

NEEDED = {
    **dict.fromkeys(("kernel_distance", "kernel_distance_stderr"), 2 * KERNEL_BLOCKS),
    **dict.fromkeys(("precision", "recall", "density", "coverage"), metrics.NEIGHBOURS + 1),
}
"""Name of a number -> minimum number of samples, and of test images, for which it is defined."""

Outputs = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class EvaluatedImages:
    """Images float32 [N, H, W, C] in [-1, 1], their requested labels (or None), and the extractor's outputs.

    Without a classifier, there are no logits: no class is seen, and no image is wrong.
    """

    images: np.ndarray
    labels: np.ndarray | None
    outputs: Outputs

    @property
    def seen(self) -> np.ndarray | None:
        """The top class of each image: int [N]; None without a classifier."""
        return self.outputs["logits"].argmax(axis=1) if "logits" in self.outputs else None

    @property
    def labels_or_seen(self) -> np.ndarray | None:
        """The requested class of each image; without requested labels, its top class: int [N], or None."""
        return self.seen if self.labels is None else self.labels

    @property
    def wrong(self) -> np.ndarray:
        """Whether each image is a wrong outcome: bool [N], see `metrics.wrong_outcomes`. Needs a classifier."""
        return np.asarray(wrong_outcomes(self.outputs["logits"], self.labels))


@dataclass(frozen=True)
class Reference:
    """The reference: outputs of the extractor for the test images, and the training images, float32 in [-1, 1]."""

    extractor: Extractor
    outputs: Outputs
    train: np.ndarray

    @cached_property
    def _radii(self) -> np.ndarray:
        return metrics.squared_radii(self.outputs["features"])

    def quality(self, evaluated: EvaluatedImages) -> dict[str, float]:
        """Returns the Frechet distance and, with a classifier, error rate and class divergence, see `quality`."""
        return quality(self.extractor, self.outputs, evaluated.outputs, evaluated.labels)

    def manifold(self, outputs: Outputs) -> dict[str, float]:
        """Returns precision, recall, density and coverage of images, given by their outputs; NaN for too few images."""
        names = ("precision", "recall", "density", "coverage")
        features = outputs["features"]
        if "coverage" in why_few(len(features)):
            return dict.fromkeys(names, np.nan)
        found = metrics.precision_recall(self.outputs["features"], features, real_radii=self._radii)
        return {name: found[name] for name in names}

    def numbers(self, evaluated: EvaluatedImages) -> tuple[dict[str, float], Neighbours]:
        """Returns {name: value} of the images, and the nearest training image of each of the first `NEAREST`.

        A value is NaN if it is not defined for so few images.
        """
        near = metrics.nearest_neighbours(evaluated.images[:NEAREST], self.train)
        real, fake = self.outputs["features"], evaluated.outputs["features"]
        few = why_few(len(fake))
        kernel, kernel_error = (np.nan, np.nan) if "kernel_distance" in few else metrics.kernel_distance(real, fake)
        labels = evaluated.labels_or_seen
        paired = labels is None or len(np.unique(labels)) < len(labels)
        found = {
            **self.quality(evaluated),
            "kernel_distance": kernel,
            "kernel_distance_stderr": kernel_error,
            **self.manifold(evaluated.outputs),
            "pairwise_ssim": metrics.pairwise_ssim(evaluated.images, labels) if paired else np.nan,
            "nearest_mse": float(near.mse.mean()),
            "nearest_ssim": float(near.ssim.mean()),
        }
        return found, near

    def floor(self, draws: list[np.ndarray]) -> FrechetFloor:
        """Returns the Frechet distance from the test images to each draw of training images, given by their indices."""
        drawn, position = np.unique(np.concatenate(draws), return_inverse=True)
        features = self.extractor.arrays(self.train[drawn])["features"]
        target = _moments(self.outputs["features"])
        found = [float(frechet_distance(*_moments(features[rows]), *target)) for rows in np.split(position, len(draws))]
        return FrechetFloor(float(np.mean(found)), float(np.std(found, ddof=1)), len(draws))


def _moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    features = features.astype(np.float64)
    return features.mean(axis=0), np.cov(features, rowvar=False)


FLOOR_POOL = 20_000
"""Minimum number of training images to draw the floor from, if the dataset has that many."""

MOST = 60_000
"""Maximum number of training images, and of validation images, in a comparison. Larger splits are subsampled."""


@dataclass(frozen=True)
class EvaluationSubsets:
    """Images drawn for an evaluation.

    test: reference images. validation: real images that are measured like samples. floor: indices of training images
    for the floor of the Frechet distance, one array per draw.
    """

    test: Split
    validation: Split
    floor: list[np.ndarray]


def limit_images(dataset: Dataset) -> Dataset:
    """Returns the dataset with at most `MOST` training images and `MOST` validation images."""
    return replace(dataset, train=dataset.train.at_most(MOST), validation=dataset.validation.at_most(MOST))


def why_few(num: int) -> dict[str, str]:
    """Returns {name: reason} of the numbers that are not defined for `num` samples and as many test images."""
    return {name: f"it needs {needed} images; these are {num}" for name, needed in NEEDED.items() if num < needed}


def most_samples(dataset: Dataset) -> int:
    """Returns the largest number of samples that can be compared with as many images of each split.

    Raises `InputError` if a split has fewer than `FEWEST` images.
    """
    parts = {"training": dataset.train, "validation": dataset.validation, "test": dataset.test}
    sizes = {name: len(part) for name, part in parts.items()}
    if min(sizes.values()) < FEWEST:
        raise InputError(
            "Too few images to evaluate with",
            expected=f"at least {FEWEST} training, {FEWEST} validation and {FEWEST} test images",
            received=", ".join(f"{size} {name} images" for name, size in sizes.items()),
        )
    return min(sizes.values())


def samples_to_compare(num: int, dataset: Dataset) -> int:
    """Returns how many of `num` samples are compared with as many images of each split: the first ones.

    All of them, or as many as the smallest split has, of which training and validation images count up to `MOST`.
    Raises `InputError` unless `num` is from `FEWEST` to `MOST_NUM`, and if a split has fewer than `FEWEST` images.
    """
    check_whole("num", num, FEWEST, MOST_NUM)
    return min(num, most_samples(limit_images(dataset)))


def choose_subsets(dataset: Dataset, num: int, seed: int) -> EvaluationSubsets:
    """Draws `num` random images for each part."""
    rng = np.random.default_rng(seed)
    test, validation = (part.take(rng.permutation(len(part))[:num]) for part in (dataset.test, dataset.validation))
    pool = rng.permutation(len(dataset.train))[: max(2 * num, FLOOR_POOL)]  # a subset: takes half the time
    return EvaluationSubsets(test, validation, [rng.permutation(pool)[:num] for _ in range(FLOOR_DRAWS)])


def choose_labels(dataset: Dataset, num: int, seed: int) -> np.ndarray | None:
    """Returns the labels of `num` random training images: int32 [num], or None for a dataset without labels.

    The images are drawn without replacement until all have been drawn, then all of them again in another order, and so
    on. So the first labels do not depend on `num`, and the classes have the shares of the data.
    """
    if dataset.train.labels is None:
        return None
    rng, size = np.random.default_rng([seed, 1]), len(dataset.train)
    rounds = [rng.permutation(size)[: num - first] for first in range(0, num, size)]
    return dataset.train.labels[np.concatenate(rounds)]
