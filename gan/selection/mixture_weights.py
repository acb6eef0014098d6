"""Weights of a mixture of generators: those with the smallest kernel distance to real images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gan import sampling
from gan.data.load import DatasetLike, as_dataset
from gan.errors import check, check_seed, check_whole
from gan.evaluation.classifier.extractor import ClassifierLike, Extractor, as_classifier, as_input
from gan.evaluation.evaluation import check_generator
from gan.evaluation.metrics.kernel import kernel_sums
from gan.models.networks.mixture import FEWEST
from gan.sampling.generators import GeneratorLike, as_engine
from gan.saving.known_images import check_card
from gan.saving.metadata import ClassifierCard
from gan.saving.mixture import FitSplit
from gan.utils.arguments import check_axes, checked
from gan.utils.simplex import minimize_on_simplex

MIXTURE_SEED = 2_000_003
"""Seed of the samples to which weights are fitted. Evaluations and `gan sample` have other default seeds."""

MOST = 5_000
"""Default of `num`, unless the split has fewer images."""

_CHUNK = 1_000
"""Rows of features at a time: the kernel of two chunks takes 8 MB."""


@dataclass(frozen=True)
class KernelMeans:
    """Means of the kernel (x.y / F + 1)^3 over all pairs of features: of each two of K generators, and of the data.

    Attributes:
        within: means of pairs of samples, float64 [K, K]; symmetric and positive semidefinite, since the pairs of a
            sample with itself are included (V-statistic).
        across: means of pairs of a sample and a real image, float64 [K].
        real: mean of pairs of real images.
    """

    within: np.ndarray
    across: np.ndarray
    real: float

    @classmethod
    def of(cls, samples: Sequence[np.ndarray], real: np.ndarray) -> "KernelMeans":
        """Computes the means for features [N, F] of each generator, of any N, and of real images [M, F]."""
        for features in (*samples, real):
            check_axes("features", features, "NF")
            check(features.shape[1:] == real.shape[1:], "features", f"shape {[None, *real.shape[1:]]}", features.shape)
            check(len(features) > 0 and bool(np.isfinite(features).all()), "features", "finite numbers", features)
        parts = [_in_chunks(features) for features in (*samples, real)]
        means = np.array([[_mean(a, b) if i <= j else 0.0 for j, b in enumerate(parts)] for i, a in enumerate(parts)])
        means += np.triu(means, 1).T
        return cls(means[:-1, :-1], means[:-1, -1], float(means[-1, -1]))

    def distance(self, weights: Sequence[float] | np.ndarray) -> float:
        """Computes the kernel distance of a mixture: the squared MMD w'Aw - 2 b'w + c, at least 0.

        It includes the pairs of an image with itself, so it is larger than the unbiased distance in reports. With the
        mean kernel k0 of a real image with itself and k of two, the excess of N real images is about (k0 - k) / N.
        Samples add sum_i w_i^2 (k0_i - k_i) / N_i. This part pulls the weights towards equal ones if N_i is small.
        """
        return max(0.0, self._quadratic(np.asarray(weights, np.float64))[0])

    def best_weights(self, *, seed: int = 0) -> np.ndarray:
        """Returns the weights on the simplex with the smallest distance, float64 [K]. Each start finds the same one."""
        return minimize_on_simplex(self._quadratic, len(self.across), seed=seed)

    def _quadratic(self, weights: np.ndarray) -> tuple[float, np.ndarray]:
        product = self.within @ weights
        value = float(weights @ product - 2.0 * self.across @ weights + self.real)
        return value, 2.0 * (product - self.across)


@dataclass(frozen=True)
class MixtureFit:
    """Fitted weights of a mixture, and the kernel distances to the real images of the fit."""

    weights: tuple[float, ...]
    """Weight of each generator; at least 0, with sum 1."""
    distance: float
    """Distance of the mixture with these weights."""
    equal: float
    """Distance of the mixture with equal weights."""
    single: tuple[float, ...]
    """Distance of each generator alone."""
    num: int
    """Samples of each generator."""
    seed: int
    split: FitSplit

    @classmethod
    def of(cls, means: KernelMeans, *, num: int, seed: int, split: FitSplit) -> "MixtureFit":
        """Fits the weights to means of the kernel. The other arguments describe the samples."""
        weights, number = means.best_weights(), len(means.across)
        return cls(
            weights=tuple(weights.tolist()),
            distance=means.distance(weights),
            equal=means.distance(np.full(number, 1 / number)),
            single=tuple(map(means.distance, np.eye(number))),
            num=num,
            seed=seed,
            split=split,
        )


@checked
def fit_mixture(
    generators: Sequence[GeneratorLike],
    dataset: DatasetLike,
    classifier: ClassifierLike,
    card: ClassifierCard | None = None,
    *,
    num: int | None = None,
    seed: int = MIXTURE_SEED,
    split: FitSplit = "validation",
) -> MixtureFit:
    """Finds the weights with which a mixture of generators has the smallest kernel distance to real images.

    The distance is the squared MMD (arXiv:0805.2368) of features of a classifier, see `KernelMeans`. It is a convex
    quadratic function of the weights, so the minimum is found whatever the start is. Generator i draws the samples
    i num to (i + 1) num - 1 of the seed. Conditional generators get the labels of the real images.

    Args:
        generators: two or more, with the image shape and the classes of the dataset.
        dataset: a dataset named by the classifier's card, or its name.
        classifier, card: from `load_classifier`, or what it loads, without a card. Provides the features. It should
            not be the one of the report.
        num: samples of each generator, and at most as many real images; >= 2. None: the number of images of the split,
            at most `MOST`.
        seed: seed of the samples, and of the choice of the real images.
        split: the real images: `validation` or `train`. Test images report a mixture; they do not choose it.

    Raises `InputError` if generators, dataset and classifier do not match.
    """
    check(len(generators) >= FEWEST, "generators", "two or more", len(generators))
    check_seed(seed)
    dataset = as_dataset(dataset)
    classifier, card = as_classifier(classifier, card)
    check_card(dataset, card)
    engines = [as_engine(generator) for generator in generators]
    for engine in engines:
        check_generator(engine, dataset)
    images = dataset.splits[split]
    num = min(MOST, len(images)) if num is None else num
    check_whole("num", num, 2)
    real = images.take(np.random.default_rng(seed).permutation(len(images))[:num])
    check(len(real) >= 2, split, "at least 2 images", len(real))
    extractor = Extractor(classifier)
    samples = []
    for place, engine in enumerate(engines):
        labels = None if real.labels is None or not engine.num_classes else np.resize(real.labels, num)
        drawn = sampling.stream(engine, num, seed=seed, start=place * num, labels=labels)
        samples.append(np.concatenate([extractor.arrays(batch)["features"] for batch in drawn]))
    means = KernelMeans.of(samples, extractor.arrays(as_input(real.images))["features"])
    return MixtureFit.of(means, num=num, seed=seed, split=split)


def _in_chunks(features: np.ndarray) -> list[np.ndarray]:
    wide = features.astype(np.float64)
    return [wide[first : first + _CHUNK] for first in range(0, len(wide), _CHUNK)]


def _mean(a: list[np.ndarray], b: list[np.ndarray]) -> float:
    return float(kernel_sums(a, b).sum() / (sum(map(len, a)) * sum(map(len, b))))
