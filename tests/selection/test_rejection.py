"""Rejection: attempts as functions of (seed, index, attempt), exact acceptance, calibration."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers
from scipy import stats

from gan import build_discriminator, build_generator, load_classifier, sampling
from gan.data.dataset import Dataset
from gan.data.split import Split
from gan.errors import InputError
from gan.evaluation.classifier.extractor import Extractor, as_input
from gan.evaluation.metrics import frechet_distance, precision_recall
from gan.evaluation.reference import choose_labels, choose_subsets
from gan.models.random import SAMPLING, fold_in, key, normal
from gan.sampling.generators import as_engine
from gan.saving.engines.engine import Engine
from gan.saving.ensemble_member import EnsembleMember
from gan.saving.metadata import ClassifierCard, ClassifierDataset
from gan.selection import RejectionSampler, fit_classifier_rejection, fit_discriminator_rejection
from gan.selection.rejection.acceptance import RatioAcceptance, ThresholdAcceptance, choose_log_bound, choose_threshold
from gan.selection.rejection.attempts import Attempts
from gan.selection.rejection.calibration import CALIBRATORS, CalibrationError, calibrate, fit_log_ratio
from gan.selection.rejection.comparison import compare_rejections
from gan.selection.rejection.fitting import FittedRejection
from gan.selection.rejection.scores import ClassifierScore, DiscriminatorScore, ImageScore
from gan.tolerance import ErrorRate


class Points(Engine):
    """The latents themselves: points with a standard normal density."""

    latent_dim, num_classes, image_shape = 2, 0, (1, 1, 2)

    def __call__(self, latents, labels=None):
        return latents.reshape(-1, 1, 1, 2)


class Score(ImageScore):
    """A given function of points [B, 2]."""

    def __init__(self, function):
        self.function = function

    def __call__(self, images, labels):
        return self.function(images[:, 0, 0].astype(np.float64))


MEAN, SPREAD = np.array([0.8, -0.4]), np.array([0.6, 0.8])


def log_target(x):
    """Log of the density of a normal distribution, over that of the standard normal."""
    own = stats.norm.logpdf(x, MEAN, SPREAD) - stats.norm.logpdf(x)
    return own.sum(axis=1)


LOG_BOUND = float(np.sum(-np.log(SPREAD) + MEAN**2 / (2 * (1 - SPREAD**2))))
"""The largest value of `log_target`, at x = MEAN / (1 - SPREAD^2)."""


def points(acceptance, most=200, function=log_target):
    return RejectionSampler(Attempts(Points(), Score(function)), acceptance, most)


def identity(scores):
    return scores


@pytest.fixture(scope="module")
def exact():
    """6,000 points by the exact ratio and its largest value."""
    return points(RatioAcceptance(identity, LOG_BOUND)).generate(6_000, seed=1)


def test_the_first_attempt_has_the_latents_of_today():
    indices = np.array([0, 7, 1_023, 1_024, 5_000])
    today = sampling.latents(3, indices, 64)
    block = normal((1_024, 64), fold_in(key(3, SAMPLING), 1))
    np.testing.assert_allclose(today[3], block[0], atol=1e-6)
    np.testing.assert_array_equal(sampling.latents(3, indices, 64, attempt=0), today)
    later = [sampling.latents(3, indices, 64, attempt=t) for t in (1, 2)]
    for one, other in ((today, later[0]), (today, later[1]), later):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(one.size)
    np.testing.assert_array_equal(sampling.latents(3, [1_024], 64, attempt=2), later[1][3:4])


def test_acceptance_draws_are_uniform_functions_of_seed_index_and_attempt():
    drawn = np.array([sampling.acceptance_draws(5, np.arange(2_000), attempt=t) for t in (0, 1, 15, 16)])
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert stats.kstest(drawn.ravel(), "uniform").pvalue > 1e-4
    assert np.abs(np.corrcoef(drawn) - np.eye(4)).max() < 0.1
    np.testing.assert_array_equal(sampling.acceptance_draws(5, [1_500, 3], attempt=16), drawn[3][[1_500, 3]])


def test_the_exact_ratio_gives_the_target(exact):
    kept = exact.images[:, 0, 0].astype(np.float64)
    n = len(kept)
    assert exact.accepted.all()
    assert np.all(np.abs(kept.mean(axis=0) - MEAN) < 4 * SPREAD / np.sqrt(n))
    assert np.all(np.abs(kept.var(axis=0) / SPREAD**2 - 1) < 4 * np.sqrt(2 / n))
    assert abs(np.corrcoef(kept.T)[0, 1]) < 4 / np.sqrt(n)
    cells = np.floor(8 * stats.norm.cdf(kept, MEAN, SPREAD)).astype(int) @ [8, 1]  # 64 of equal probability
    assert stats.chisquare(np.bincount(cells, minlength=64)).pvalue > 1e-4


def test_the_yield_of_the_exact_ratio_is_one_over_its_largest_value(exact):
    attempts, rate = int(exact.made(200).sum()), np.exp(-LOG_BOUND)
    assert abs(len(exact.accepted) / attempts - rate) < 4 * np.sqrt(rate * (1 - rate) / attempts)


def test_a_bound_that_cuts_gives_the_cut_density():
    """Samples below zero have the ratio 1/2, others 3/2. With M = 1, what is kept is below zero in 1/3 of the cases."""
    halves = points(RatioAcceptance(identity, 0.0), function=lambda x: np.log(np.where(x[:, 0] < 0, 0.5, 1.5)))
    below = (halves.generate(4_000, seed=2).images[:, 0, 0, 0] < 0).mean()
    assert abs(below - 1 / 3) < 4 * np.sqrt(2 / 9 / 4_000)


def test_the_bound_gives_the_mean_acceptance():
    ratios = np.random.default_rng(0).normal(0, 2, 5_000)
    for keep in (0.01, 0.3, 0.9, 0.999):
        acceptance = RatioAcceptance(identity, choose_log_bound(ratios, keep))
        assert acceptance(ratios).mean() == pytest.approx(keep, abs=1e-6)
    assert RatioAcceptance(identity, choose_log_bound(ratios, 1))(ratios).min() == 1
    assert choose_log_bound(np.zeros(3), 0.25) == pytest.approx(np.log(4))
    assert choose_threshold(np.arange(10.0), 0.3) == 7
    assert choose_threshold(np.arange(10.0), 1) == 0
    assert choose_threshold(np.arange(10.0), 0.01) == 9


@pytest.mark.parametrize("keep", [0, -0.1, 1.1, np.nan, np.inf, True])
def test_rejects_a_share_that_none_can_keep(keep):
    with pytest.raises(InputError, match="keep"):
        choose_threshold(np.arange(3.0), keep)


def test_a_score_that_is_not_a_number_is_never_accepted():
    scores = np.array([np.nan, 1.0])
    assert ThresholdAcceptance(0.0)(scores).tolist() == [0, 1]
    assert RatioAcceptance(identity, 1.0)(scores).tolist() == [0, 1]


def test_a_sample_without_an_accepted_attempt_keeps_the_best_one():
    sampler = points(ThresholdAcceptance(np.inf), most=7, function=lambda x: np.where(x[:, 1] > 1, np.nan, x[:, 0]))
    kept = sampler.generate(300, seed=4)
    tried = np.stack([sampling.latents(4, np.arange(300), 2, attempt=t) for t in range(7)])
    scores = np.where(tried[..., 1] > 1, -np.inf, tried[..., 0])
    assert not kept.accepted.any()
    np.testing.assert_array_equal(kept.attempts, scores.argmax(axis=0))
    np.testing.assert_array_equal(kept.images[:, 0, 0], tried[kept.attempts, np.arange(300)])
    assert kept.made(7).tolist() == [7] * 300


@pytest.fixture(scope="module")
def conditional():
    """A tiny conditional generator, a score by the brightness of its images, and an acceptance of a third."""
    keras.utils.set_random_seed(0)
    engine = as_engine(build_generator((12, 12, 1), 4, 3, width=4))

    attempts = Attempts(engine, Brightness())
    scores = attempts.first_scores(0, np.arange(2_000), (np.arange(2_000) % 3).astype(np.int32))
    return RejectionSampler(attempts, ThresholdAcceptance(choose_threshold(scores, 1 / 3)), 9)


def test_a_sample_is_the_same_alone_and_among_others(conditional):
    whole = conditional.generate(5_000, seed=6, start=100)  # more than a window
    assert len(np.unique(whole.attempts)) == 9
    for first, num in ((100, 1), (4_242, 1), (5_099, 1), (117, 300), (4_000, 1_000)):
        part, rows = conditional.generate(num, seed=6, start=first), slice(first - 100, first - 100 + num)
        for name in ("images", "attempts", "accepted"):
            np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[rows])
    joined = [part.images for part in conditional.stream(700, seed=6, start=100)]
    assert max(map(len, joined)) == conditional.attempts.batch == 256
    np.testing.assert_array_equal(np.concatenate(joined), whole.images[:700])


def test_samples_are_those_of_their_attempt(conditional):
    kept = conditional.generate(50, seed=6, labels=np.arange(50) % 2)
    for attempt in np.unique(kept.attempts):
        rows = np.flatnonzero(kept.attempts == attempt)
        z = sampling.latents(6, rows, 4, attempt=int(attempt))
        made = conditional.attempts.engine(z, (rows % 2).astype(np.int32))
        np.testing.assert_allclose(kept.images[rows], made, atol=1e-5)
    one = conditional.generate(3, seed=6, start=4, labels=0)
    np.testing.assert_array_equal(one.images[[0, 2]], kept.images[[4, 6]])


def test_accepts_the_share_of_fresh_first_attempts(conditional):
    kept, rate = conditional.generate(3_000, seed=77), 1 / 3
    first = (kept.accepted & (kept.attempts == 0)).mean()
    assert abs(first - rate) < 4 * np.sqrt(rate * (1 - rate) * (1 / 3_000 + 1 / 2_000))


def test_calibration_finds_the_known_ratio_of_two_normals():
    """Scores of N(1, 1) and N(-1, 1): log r(s) = 2 s. Of N(0, 1) and N(0, 1): 0."""
    rng = np.random.default_rng(0)
    real, fake = rng.normal(1, 1, 20_000), rng.normal(-1, 1, 20_000)
    found = calibrate(real, fake)
    scores = np.linspace(-2, 2, 9)
    np.testing.assert_allclose(found.log_ratio(scores), 2 * scores, atol=0.2)
    assert found.error.ece < 0.015
    bayes = np.mean(np.logaddexp(0, -2 * rng.normal(1, 1, 10**6)))
    assert found.error.log_loss == pytest.approx(bayes, abs=0.01)
    assert found.error.log_loss_constant == pytest.approx(np.log(2))
    nothing = calibrate(fake, rng.normal(-1, 1, 20_000))
    assert np.abs(nothing.log_ratio(scores)).max() < 0.15
    assert nothing.error.log_loss == pytest.approx(np.log(2), abs=1e-3)


def test_a_distorted_score_is_calibrated_by_isotonic_regression():
    rng = np.random.default_rng(1)
    real, fake = rng.normal(1, 1, 8_000), rng.normal(-1, 1, 2_000)
    scores, is_real = np.concatenate([real, fake]), np.arange(10_000) < 8_000
    name, log_ratio = fit_log_ratio(np.sinh(3 * scores), is_real)  # the prior, 4 to 1, is not part of the ratio
    assert name == "isotonic"
    places = np.linspace(-1.5, 1.5, 7)
    np.testing.assert_allclose(log_ratio(np.sinh(3 * places)), 2 * places, atol=0.5)
    assert fit_log_ratio(scores, is_real)[0] == "logistic"
    for fit in CALIBRATORS.values():
        assert np.isfinite(fit(scores, is_real)(np.array([-1e3, 1e3]))).all()


def test_the_calibration_error_of_known_probabilities():
    is_real = np.tile([True, False], 500)
    always = CalibrationError.of(lambda scores: np.full(len(scores), np.log(3)), np.zeros(1_000), is_real)  # 3/4
    assert always.ece == pytest.approx(0.25)
    assert always.log_loss == pytest.approx(-(np.log(0.75) + np.log(0.25)) / 2)
    assert always.n == 1_000


def test_equal_probabilities_share_a_bin():
    """Real images come first, and the probabilities are right: constant 1/2, then 1/4 and 3/4."""
    is_real = np.arange(800) < 400
    assert CalibrationError.of(np.zeros_like, np.zeros(800), is_real).ece == 0
    scores = np.repeat([-1.0, 1.0, -1.0, 1.0], [100, 300, 300, 100])
    assert CalibrationError.of(lambda s: s * np.log(3), scores, is_real).ece == pytest.approx(0, abs=1e-12)


def test_refuses_to_calibrate_with_few_or_broken_scores():
    with pytest.raises(InputError, match="Received: 99 images, 500 samples"):
        calibrate(np.zeros(99), np.zeros(500))
    with pytest.raises(InputError, match="finite numbers"):
        calibrate(np.r_[np.nan, np.zeros(200)], np.zeros(201))


def test_scores_of_a_classifier():
    inputs = keras.Input((1, 1, 3))
    flat = keras.Model(inputs, layers.Activation("linear")(layers.Flatten(name="features")(inputs)))
    score, images = ClassifierScore(flat), np.array([[1, 2, 4], [5, 0, 1]], np.float32).reshape(2, 1, 1, 3)
    np.testing.assert_allclose(score(images, np.array([2, 1], np.int32)), [4 - 2, 0 - 5])
    powers = np.exp([[1, 2, 4], [5, 0, 1]])
    top = powers.max(axis=1) / powers.sum(axis=1)
    np.testing.assert_allclose(score(images, None), np.log(top / (1 - top)), rtol=1e-6)


def test_a_class_of_rejected_images_is_never_read():
    """Logits 1, 2 of two classes and 4 of none: p = e^2 / (e + e^2 + e^4)."""
    inputs = keras.Input((1, 1, 3))
    flat = keras.Model(inputs, layers.Activation("linear")(layers.Flatten(name="features")(inputs)))
    score, image = ClassifierScore(flat, rejects=True), np.array([1, 2, 4], np.float32).reshape(1, 1, 1, 3)
    np.testing.assert_allclose(score(image, None), 2 - np.log(np.e + np.e**4), rtol=1e-6)
    np.testing.assert_allclose(score(image, np.array([1], np.int32)), 2 - 4)


class OneHot(Engine):
    """Images of one pixel that are logits of three classes: of classes 0 and 1 the requested one, else class 0."""

    latent_dim, num_classes, image_shape = 1, 3, (1, 1, 3)

    def __call__(self, latents, labels=None):
        return np.eye(3, dtype=np.float32)[labels % 2].reshape(-1, 1, 1, 3)


def test_refuses_a_rejection_that_never_accepts_one_class(monkeypatch):
    """Two thirds of all attempts are right, so the mean yield is high; but of class 2, none is."""
    monkeypatch.setattr("gan.selection.rejection.fitting.FITTED", 600)
    inputs = keras.Input((1, 1, 3))
    flat = keras.Model(inputs, layers.Activation("linear")(layers.Flatten(name="features")(inputs)))
    card = ClassifierCard(
        data_sets=("x",), dataset=ClassifierDataset(image_shape=(1, 1, 3), num_classes=3), sha256="ab"
    )
    with pytest.raises(InputError, match=r"Received: a yield of 0\.6\d* in 300 samples, 0 of class 2\."):
        fit_classifier_rejection(OneHot(), flat, card)
    fitted = fit_classifier_rejection(OneHot(), flat, card, keep=1)
    assert fitted.acceptance_rate == 1
    assert fitted.classifier == card


@pytest.mark.slow
def test_a_classifier_keeps_what_it_reads_as_requested(monkeypatch):
    monkeypatch.setattr("gan.selection.rejection.fitting.FITTED", 600)
    engine = as_engine("mnist")
    probe, card = load_classifier("mnist-probe")
    fitted = fit_classifier_rejection(engine, probe, card, truncation=3.0)
    score = fitted.sampler.attempts.score
    assert fitted.classifier == card
    assert fitted.acceptance_rate > 0.95
    kept = fitted.sampler.generate(256)
    logits = score.extractor.arrays(kept.images)["logits"]
    assert kept.accepted.all()
    np.testing.assert_array_equal(logits.argmax(axis=1), np.arange(256) % 10)
    half = fit_classifier_rejection(engine, probe, card, keep=0.5)
    assert abs(half.acceptance_rate - 0.5) < 4 * np.sqrt(0.25 * 2 / 300)
    with pytest.raises(InputError, match=r"yield of at least 0.99 .* Received: a yield of 0.[45]"):
        fit_classifier_rejection(engine, probe, card, keep=0.5, most_attempts=1)


class Waves(Engine):
    """Images 28 x 28 of sums of a few waves."""

    latent_dim, num_classes, image_shape = 4, 10, (28, 28, 1)

    def __call__(self, latents, labels=None):
        waves = np.sin(np.arange(784) * np.arange(1, 5)[:, None] / 50).astype(np.float32)
        return np.tanh(latents @ waves - 0.1 * labels[:, None]).reshape(-1, 28, 28, 1)


class Brightness(ImageScore):
    """The mean of the pixels."""

    def __call__(self, images, labels):
        return images.mean(axis=(1, 2, 3), dtype=np.float64)


def test_all_samples_count_for_the_error_rate_and_the_first_are_compared(digits):
    """110 samples and 40 test images: Frechet distance and manifold are those of 40 samples, as in a report."""
    keras.utils.set_random_seed(4)
    inputs = keras.Input((28, 28, 1))
    reader = keras.Model(inputs, layers.Dense(10)(layers.Dense(6, name="features")(layers.Flatten()(inputs))))
    card = ClassifierCard(
        data_sets=("mnist5k",), dataset=ClassifierDataset(image_shape=(28, 28, 1), num_classes=10), sha256="ab"
    )
    few = replace(digits, train=digits.train.take(np.arange(90) * 40), test=digits.test.take(np.arange(40) * 12))
    engine = Waves()
    attempts = Attempts(engine, Brightness())
    scores = attempts.first_scores(0, np.arange(250), np.arange(250, dtype=np.int32) % 10)
    sampler = RejectionSampler(attempts, ThresholdAcceptance(choose_threshold(scores, 0.5)), 20)
    (found,) = compare_rejections([FittedRejection(sampler, 0.5, 0.5, 1)], few, reader, card, num=110, seed=7)
    labels = choose_labels(few, 110, 7)
    kept = sampler.generate(110, seed=7, labels=labels)
    assert (found.num, found.accepted) == (110, int(kept.accepted.sum()))
    assert found.attempts == int(kept.made(20).sum()) > 150
    extractor = Extractor(reader)
    real = extractor.arrays(as_input(choose_subsets(few, 40, 7).test.images))
    first = sampling.generate(engine, 110, seed=7, labels=labels)
    for samples, measured in ((first, found.before), (kept.images, found.after)):
        fake = extractor.arrays(samples)
        assert measured.rate == ErrorRate(int((fake["logits"].argmax(axis=1) != labels).sum()), 110)
        expected = precision_recall(real["features"], fake["features"][:40])
        for name in ("precision", "recall", "coverage"):
            assert getattr(measured, name) == pytest.approx(expected[name], rel=1e-6)
        moments = [(f.mean(axis=0), np.cov(f, rowvar=False)) for f in (real["features"], fake["features"][:40])]
        distance = frechet_distance(*(part.astype(np.float64) for pair in moments for part in pair))
        assert measured.frechet_distance == pytest.approx(float(distance), rel=1e-3)


def test_refuses_a_judge_with_the_network_that_rejects():
    card = ClassifierCard(
        name="probe", data_sets=("mnist",), dataset=ClassifierDataset(image_shape=(28, 28, 1)), sha256="ab"
    )
    member = EnsembleMember(name="probe", sha256="ab", weight=0.3)
    rejection = FittedRejection(points(ThresholdAcceptance(0.0)), None, 1.0, 1, classifier=card)
    for judge in (card, replace(card, sha256="cd", members=(member,))):
        with pytest.raises(InputError, match="cannot judge what is left"):
            compare_rejections([rejection], dataset(28), keras.Sequential(), judge, num=20)


def dataset(size, classes=10):
    rng = np.random.default_rng(0)
    parts = [
        Split(rng.integers(0, 255, (400, size, size, 1), np.uint8), np.arange(400, dtype=np.int32) % classes)
        for _ in range(3)
    ]
    return Dataset("mnist", classes, *parts)


def test_the_discriminator_rejects_by_its_calibrated_ratio():
    keras.utils.set_random_seed(1)
    engine = as_engine(build_generator((12, 12, 1), 4, 3, width=4))
    network = build_discriminator((12, 12, 1), 3, width=4)
    fitted = fit_discriminator_rejection(engine, network, dataset(12, 3), keep=0.5)
    assert fitted.n == fitted.error.n // 2 == 200
    assert fitted.calibration in CALIBRATORS
    assert fitted.acceptance_rate == pytest.approx(0.5, abs=0.15)
    kept = fitted.sampler.generate(30, seed=3)
    again = fit_discriminator_rejection(engine, network, dataset(12, 3), keep=0.5).sampler.generate(30, seed=3)
    np.testing.assert_array_equal(kept.images, again.images)
    score = DiscriminatorScore(network)
    images, labels = kept.images, (np.arange(30) % 3).astype(np.int32)
    np.testing.assert_allclose(score(images, labels), np.asarray(network([images, labels]))[:, 0], atol=1e-5)


@pytest.mark.parametrize(("size", "classes"), [(16, 3), (12, 0), (12, 4)])
def test_refuses_the_discriminator_of_another_generator(size, classes):
    engine = as_engine(build_generator((12, 12, 1), 4, 3, width=4))
    other = build_discriminator((size, size, 1), classes, width=4)
    with pytest.raises(InputError, match=rf"not this generator's.*12, 12, 1\] of 3 .*{size}, 1\] of {classes} classes"):
        fit_discriminator_rejection(engine, other, dataset(12, 3))


def test_refuses_the_classifier_of_other_images():
    engine = as_engine(build_generator((12, 12, 1), 4, 3, width=4))
    with pytest.raises(InputError, match="rejecting classifier is for other samples"):
        fit_classifier_rejection(engine, "mnist-probe")
