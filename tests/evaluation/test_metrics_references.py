"""Compares the metrics with reference packages, and tests them on real digits degraded in known ways."""

import numpy as np
import prdc
import pytest
import scipy.linalg
from scipy.ndimage import gaussian_filter
from statsmodels.stats.proportion import proportion_confint

from gan.errors import InputError
from gan.evaluation import metrics
from gan.evaluation.classifier.extractor import Extractor, as_input, load_classifier
from gan.evaluation.metrics.quality import quality, quality_metric
from gan.tolerance import wilson_interval

RNG = np.random.default_rng(5)


def textbook(features_a, features_b):
    (mean_a, a), (mean_b, b) = (moments(features) for features in (features_a, features_b))
    return np.sum((mean_a - mean_b) ** 2) + np.trace(a) + np.trace(b) - 2 * np.trace(scipy.linalg.sqrtm(a @ b)).real


def moments(features):
    return features.mean(axis=0), np.cov(features, rowvar=False)


def check_frechet(a, b):
    found = metrics.frechet_distance(*moments(a), *moments(b))
    np.testing.assert_allclose(found, textbook(a, b), rtol=1e-6)


@pytest.mark.filterwarnings("ignore:Matrix is singular")  # only the reference takes the root of a singular product
def test_frechet_distance_without_full_rank_equals_the_textbook_formula():
    """There are fewer images than features, and some features are zero or duplicated."""
    check_frechet(RNG.normal(size=(40, 96)), RNG.normal(size=(30, 96)) + 0.5)
    dead = RNG.normal(size=(500, 20)) * (np.arange(20) % 3 > 0)
    twice = np.repeat(RNG.normal(size=(400, 10)), 2, axis=1) + 0.2
    check_frechet(dead, twice)


@pytest.mark.slow
@pytest.mark.parametrize("images", [3_000, 600], ids=["full rank", "rank 599"])
def test_frechet_distance_at_2048_dimensions(images):
    scales = RNG.uniform(0.1, 2, (2, 2_048))
    check_frechet(RNG.normal(size=(images, 2_048)) * scales[0], RNG.normal(size=(images, 2_048)) * scales[1] + 0.1)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("sizes", [(700, 400), (120, 650)])
def test_precision_recall_density_and_coverage_equal_the_prdc_package(k, sizes):
    real, fake = RNG.normal(size=(sizes[0], 12)), RNG.normal(size=(sizes[1], 12)) * 0.8 + 0.3
    expected = prdc.compute_prdc(real, fake, nearest_k=k)
    assert metrics.precision_recall(real, fake, k=k) == {
        name: pytest.approx(value, abs=1e-12) for name, value in expected.items()
    }


@pytest.mark.parametrize(("wrong", "n"), [(0, 10), (10, 10), (3, 200), (91, 10_000), (1, 3)])
def test_wilson_intervals_equal_those_of_statsmodels(wrong, n):
    np.testing.assert_allclose(wilson_interval(wrong, n), proportion_confint(wrong, n, method="wilson"), atol=1e-12)


@pytest.fixture(scope="module")
def probe():
    return Extractor(load_classifier("mnist-probe")[0])


@pytest.fixture(scope="module")
def halves(digits):
    """Two disjoint parts of the embedded training digits: (images in [-1, 1], labels) of each."""
    order = np.random.default_rng(0).permutation(4_000)[:2_000]
    return [(as_input(digits.train.images[part]), digits.train.labels[part]) for part in np.split(order, 2)]


def all_numbers(probe, real, fake, labels):
    real, fake = probe.arrays(real), probe.arrays(fake)
    return {
        **quality(probe, real, fake, labels),
        **metrics.precision_recall(real["features"], fake["features"]),
        "kernel_distance": metrics.kernel_distance(real["features"], fake["features"])[0],
    }


def test_each_degradation_changes_the_expected_metrics(probe, halves):
    (real, _), (other, labels) = halves
    plain = all_numbers(probe, real, other, labels)
    assert plain["error_rate"] < 0.03
    assert plain["precision"] > 0.9
    assert plain["recall"] > 0.9
    assert plain["coverage"] > 0.9
    assert plain["class_kl"] < 0.01

    noisy = all_numbers(probe, real, other + RNG.normal(0, 0.6, other.shape).astype("float32"), labels)
    assert noisy["precision"] < 0.5 * plain["precision"]
    blurred = all_numbers(probe, real, gaussian_filter(other, (0, 1.5, 1.5, 0)), labels)
    assert blurred["precision"] < 0.8 * plain["precision"]
    kept = labels < 5
    dropped = all_numbers(probe, real, other[kept], labels[kept])
    assert dropped["precision"] > 0.95 * plain["precision"]
    assert dropped["coverage"] < 0.6
    assert dropped["recall"] < 0.7
    assert dropped["classes_seen"] < 10
    assert dropped["class_kl"] == pytest.approx(np.log(2), abs=0.1)
    for degraded in (noisy, blurred, dropped):
        assert degraded["frechet_distance"] > 5 * plain["frechet_distance"]
        assert degraded["kernel_distance"] > 5 * abs(plain["kernel_distance"])


def test_identical_sets_have_perfect_metrics(probe, halves):
    images, _ = halves[0]
    predicted = probe.arrays(images)["logits"].argmax(axis=1)
    same = all_numbers(probe, images, images, predicted)
    assert same["frechet_distance"] == pytest.approx(0, abs=1e-6)
    assert same["kernel_distance"] <= 0
    assert same["error_rate"] == 0
    assert same["class_kl"] == pytest.approx(0, abs=1e-12)
    assert [same[name] for name in ("precision", "recall", "coverage")] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("batch", [1, 64, 133])
def test_quality_does_not_depend_on_the_batch_and_counts_every_image(probe, halves, batch):
    (real, _), (fake, labels) = ((images[:133], classes[:133]) for images, classes in halves)
    expected = quality(probe, probe.arrays(real), probe.arrays(fake), labels)
    real, fake = probe.arrays(real), probe.arrays(fake)
    metric = metrics.Extracted(lambda outputs: outputs, quality_metric(probe).parts)
    for start in range(0, 133, batch):
        part = slice(start, start + batch)
        metric.update_state(
            {name: values[part] for name, values in real.items()},
            {name: values[part] for name, values in fake.items()},
            labels[part],
        )
    found = {name: float(value) for name, value in metric.result().items()}
    assert found == pytest.approx(expected, rel=1e-7)


def test_rejects_features_that_are_not_finite():
    not_finite = RNG.normal(size=(50, 3))
    not_finite[7, 1] = np.nan
    with pytest.raises(InputError, match="finite"):
        metrics.precision_recall(RNG.normal(size=(50, 3)), not_finite)
    with pytest.raises(InputError, match="finite"):
        metrics.kernel_distance(RNG.normal(size=(50, 3)), not_finite)
