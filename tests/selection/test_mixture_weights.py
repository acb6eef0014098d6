"""Weights of mixtures: closed forms of the kernel distance and of its minimum, and a fit to images."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

from gan.data import images
from gan.data.dataset import Dataset
from gan.errors import InputError
from gan.evaluation.classifier.extractor import load_classifier
from gan.evaluation.metrics import kernel_distance
from gan.selection.mixture_weights import KernelMeans, MixtureFit, fit_mixture
from gan.utils.simplex import minimize_on_simplex


def column(*values):
    """Returns features of one number each."""
    return np.array(values, np.float64)[:, None]


def fitted(samples, real):
    return MixtureFit.of(KernelMeans.of(samples, real), num=1, seed=0, split="validation")


def moments(features):
    return np.array([np.mean(features**power) for power in (1, 2, 3)])


def test_means_of_the_kernel_are_those_of_moments():
    # (x y + 1)^3 = 1 + 3 x y + 3 x^2 y^2 + x^3 y^3, so its mean over all pairs is a product of moments
    rng = np.random.default_rng(0)
    sets = [rng.normal(size=(num, 1)) for num in (1_300, 700, 2_001)]  # more than one chunk, and unequal numbers
    means = KernelMeans.of(sets[:2], sets[2])
    expected = np.array([[1 + np.sum([3, 3, 1] * moments(a) * moments(b)) for b in sets] for a in sets])
    np.testing.assert_allclose(means.within, expected[:2, :2], rtol=1e-12)
    np.testing.assert_allclose(means.across, expected[:2, 2], rtol=1e-12)
    assert means.real == pytest.approx(expected[2, 2], rel=1e-12)


def test_the_distance_of_two_points():
    # samples at 1, data at 0: E k = (1 + 1)^3 - 2 (0 + 1)^3 + 1 = 7
    assert KernelMeans.of([column(1.0)], column(0.0)).distance([1.0]) == pytest.approx(7.0)
    # samples at -1 and 1: only the difference 1 of the second moments is left, times 3
    means = KernelMeans.of([column(-1.0), column(1.0)], column(0.0))
    fit = fitted([column(-1.0), column(1.0)], column(0.0))
    assert means.distance([0.5, 0.5]) == pytest.approx(3.0)
    assert fit.weights == pytest.approx((0.5, 0.5), abs=1e-6)
    assert (fit.distance, fit.equal, *fit.single) == pytest.approx((3.0, 3.0, 7.0, 7.0))


def test_the_weights_of_a_known_mixture_are_found():
    # three quarters of the data are at 0.5 and a quarter at -1.5: where one generator draws, and the other
    fit = fitted([column(0.5, 0.5), column(-1.5)], column(0.5, -1.5, 0.5, 0.5))
    assert fit.weights == pytest.approx((0.75, 0.25), abs=1e-5)
    assert fit.distance == pytest.approx(0.0, abs=1e-9)
    assert fit.distance < fit.equal < max(fit.single)
    rng = np.random.default_rng(1)
    parts = [rng.normal(center, 1.0, (2_000, 8)) for center in (-1, 0.5, 2)]
    data = np.concatenate([parts[0][:600], parts[1][:1_000], parts[2][:400]])
    np.testing.assert_allclose(fitted(parts, data).weights, [0.3, 0.5, 0.2], atol=0.02)


def test_a_generator_that_draws_the_data_gets_all_the_weight():
    rng = np.random.default_rng(2)
    data = rng.normal(size=(400, 5))
    fit = fitted([data + 1.0, data, 2.0 * data], data)
    assert fit.weights == pytest.approx((0, 1, 0), abs=1e-6)
    assert fit.distance == pytest.approx(0.0, abs=1e-9)


def test_identical_generators_are_as_good_in_any_proportion():
    rng = np.random.default_rng(3)
    same, data = rng.normal(size=(50, 2)), rng.normal(size=(60, 2))
    fit = fitted([same, same], data)
    assert sum(fit.weights) == pytest.approx(1.0)
    assert fit.distance == pytest.approx(fit.single[0]) == pytest.approx(fit.equal)


def test_the_matrix_is_positive_semidefinite_so_all_starts_agree():
    rng = np.random.default_rng(4)
    samples = [rng.normal(rng.normal(size=6), 1.0, (100, 6)) for _ in range(5)]
    means = KernelMeans.of(samples, rng.normal(size=(150, 6)))
    np.testing.assert_array_equal(means.within, means.within.T)
    assert np.linalg.eigvalsh(means.within).min() >= -1e-9 * means.within.max()
    found = [means.best_weights(seed=seed) for seed in range(3)]
    alone = [minimize_on_simplex(means._quadratic, 5, starts=starts) for starts in (0, 3)]
    for weights in (*found, *alone):
        np.testing.assert_allclose(weights, found[0], atol=1e-4)
    grid = rng.dirichlet(np.ones(5), 5_000)
    assert means.distance(found[0]) <= min(means.distance(weights) for weights in grid) + 1e-12


def test_the_distance_is_the_unbiased_one_and_pairs_of_an_image_with_itself():
    rng = np.random.default_rng(5)
    real, fake = rng.normal(size=(80, 3)), rng.normal(0.5, 1.0, (80, 3))
    own = [np.mean((np.sum(x**2, axis=1) / 3 + 1) ** 3) for x in (real, fake)]
    means = KernelMeans.of([fake], real)
    without = (means.within[0, 0] * 80 - own[1] + means.real * 80 - own[0]) / 79 - 2 * means.across[0]
    assert kernel_distance(real, fake)[0] == pytest.approx(without, rel=1e-9)
    assert means.distance([1.0]) > without


def test_features_that_cannot_be_compared():
    for samples, real in (([np.zeros((3, 2))], np.zeros((3, 4))), ([np.zeros((0, 2))], np.zeros((3, 2)))):
        with pytest.raises(InputError, match="Bad `features`"):
            KernelMeans.of(samples, real)
    with pytest.raises(InputError, match="finite numbers"):
        KernelMeans.of([np.full((3, 2), np.nan)], np.zeros((3, 2)))


def drawing(image):
    """Returns an unconditional generator that always draws one image, uint8 [28, 28, 1]."""
    z = keras.Input((3,), name="latents")
    generator = keras.Model(z, layers.Reshape((28, 28, 1))(layers.Dense(784)(z)))
    pixels = images.from_uint8(image.astype(np.float32)).reshape(-1)
    generator.set_weights([np.zeros((3, 784), np.float32), pixels])
    return generator


@pytest.fixture(scope="module")
def two_images(digits, small_classifier):
    """(two different digits, a dataset of copies of them with 30 % of the first in validation, classifier, card)."""
    classifier, card = load_classifier(small_classifier[0])
    pair = np.stack([digits.train.images[digits.train.labels == label][0] for label in (1, 8)])

    def copies(first, second):
        labels = np.repeat(np.array([0, 1], np.int32), [first, second])
        return pair[labels], labels

    dataset = Dataset.from_arrays(*copies(20, 20), name="pair", validation=copies(30, 70), test=copies(10, 10))
    return pair, dataset, classifier, replace(card, data_sets=("pair",))


def test_weights_are_fitted_to_validation_images(two_images):
    pair, dataset, classifier, card = two_images
    generators = [drawing(image) for image in pair]
    fit = fit_mixture(generators, dataset, classifier, card, num=100)
    assert fit.weights == pytest.approx((0.3, 0.7), abs=1e-4)
    assert fit.distance == pytest.approx(0.0, abs=1e-6)
    assert fit.distance < fit.equal < max(fit.single)
    assert (fit.num, fit.split) == (100, "validation")
    more = fit_mixture(generators, dataset, classifier, card, num=300)  # more samples than validation images
    assert more.weights == pytest.approx((0.3, 0.7), abs=1e-4)
    train = fit_mixture(generators, dataset, classifier, card, split="train")
    assert (train.num, train.weights) == (40, pytest.approx((0.5, 0.5), abs=1e-4))


def test_fits_that_are_refused(two_images):
    pair, dataset, classifier, card = two_images
    generators = [drawing(image) for image in pair]
    with pytest.raises(InputError, match=r"Bad `split`.*'validation', 'train'.*'test'"):
        fit_mixture(generators, dataset, classifier, card, split="test")
    with pytest.raises(InputError, match="two or more"):
        fit_mixture(generators[:1], dataset, classifier, card)
    with pytest.raises(InputError, match="for another dataset"):
        fit_mixture(generators, dataset, classifier, replace(card, data_sets=("mnist",)))
    with pytest.raises(InputError, match="num=1"):
        fit_mixture(generators, dataset, classifier, card, num=1)
    small = keras.Sequential([keras.Input((3,)), layers.Dense(64), layers.Reshape((8, 8, 1))])
    with pytest.raises(InputError, match="differ in image shape"):
        fit_mixture([generators[0], small], dataset, classifier, card)
