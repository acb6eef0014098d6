"""Tests of the linear opinion pool: its values and weights by hand, log loss, and calibration error."""

import numpy as np
import pytest

from gan.evaluation.classifier.calibration import calibration_error, cross_entropy, fit_temperature, log_softmax
from gan.evaluation.classifier.pool import Score, fit_weights, pool_logits

RIGHT, LEFT = np.log([[0.9, 0.1]]), np.log([[0.1, 0.9]])


def test_a_weighted_mean_of_probabilities():
    """.6 (.9, .1) + .4 (.1, .9) = (.58, .42)."""
    pool = pool_logits([RIGHT, LEFT], np.array([0.6, 0.4]), [1.0, 1.0])
    np.testing.assert_allclose(np.exp(pool), [[0.58, 0.42]], rtol=1e-12)


def test_temperatures_come_before_the_mean():
    """Odds 9 at temperature 2 are odds 3, which is a probability of .75."""
    pool = pool_logits([RIGHT, LEFT], np.array([0.6, 0.4]), [2.0, 1.0])
    np.testing.assert_allclose(np.exp(pool), [[0.6 * 0.75 + 0.4 * 0.1, 0.6 * 0.25 + 0.4 * 0.9]], rtol=1e-12)


def test_probabilities_that_no_number_holds():
    """With e^-800 and e^-900, the mean of two is e^-800 / 2, up to a factor 1 + e^-100."""
    pool = pool_logits([np.array([[0.0, -800.0]]), np.array([[0.0, -900.0]])], np.array([0.5, 0.5]), [1.0, 1.0])
    np.testing.assert_allclose(pool, [[0.0, -800 - np.log(2)]], rtol=1e-15, atol=1e-15)


def test_a_part_without_weight_does_not_count():
    pool = pool_logits([RIGHT, np.array([[-np.inf, 0.0]])], np.array([1.0, 0.0]), [1.0, 1.0])
    np.testing.assert_allclose(pool, RIGHT, rtol=1e-12)


@pytest.mark.parametrize(("share", "weight"), [(58, 0.6), (50, 0.5), (34, 0.3), (5, 0.0), (97, 1.0)])
def test_weights_of_constant_classifiers(share, weight):
    """Two classifiers always say .9 and .1 for class 0, of which there are s in 100 labels.

    The log loss is smallest where the mean .1 + .8 w is s / 100, or at the nearest vertex.
    """
    labels = np.array([0] * share + [1] * (100 - share))
    weights = fit_weights([np.repeat(RIGHT, 100, axis=0), np.repeat(LEFT, 100, axis=0)], labels, [1.0, 1.0])
    np.testing.assert_allclose(weights, [weight, 1 - weight], atol=1e-5)


def random_logits(rng, labels, *, skill):
    logits = rng.normal(size=(len(labels), 5)) * 2
    logits[np.arange(len(labels)), labels] += skill
    return logits


def test_the_minimum_meets_its_conditions():
    """At the minimum, mean_n p_i(label) / p(label) is 1 for members with a weight, and at most 1 for the others."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 400)
    logits = [random_logits(rng, labels, skill=skill) for skill in (3, 2.5, 2, -2)]
    temperatures = [fit_temperature(one, labels) for one in logits]
    weights = fit_weights(logits, labels, temperatures)
    chosen = np.stack([log_softmax(one, t)[np.arange(400), labels] for one, t in zip(logits, temperatures)])
    ratio = np.exp(chosen - np.log(weights @ np.exp(chosen))).mean(axis=1)
    np.testing.assert_allclose(ratio[weights > 0], 1, atol=1e-4)
    assert (ratio <= 1 + 1e-4).all()
    assert (weights > 0).sum() >= 2
    assert weights[3] == 0

    def loss(w):
        return cross_entropy(pool_logits(logits, np.asarray(w), temperatures), labels)

    assert loss(weights) <= min(loss(w) for w in [np.full(4, 0.25), *np.eye(4)])


def test_log_loss_by_hand():
    assert cross_entropy(np.zeros((3, 10)), np.array([0, 5, 9])) == pytest.approx(np.log(10))
    assert cross_entropy(np.log([[0.9, 0.1], [0.3, 0.7]]), np.array([0, 0])) == pytest.approx(-np.log(0.9 * 0.3) / 2)
    assert cross_entropy(np.array([[0.0, 5000.0]]), np.array([0])) == pytest.approx(5000)


def test_calibration_error_by_hand():
    """Five answers of .8, three of them right: |.6 - .8|. With five of .5 in another bin, all right: (.2 + .5) / 2."""
    probability, correct = np.full(5, 0.8), np.array([1, 1, 1, 0, 0], bool)
    assert calibration_error(probability, correct) == pytest.approx(0.2)
    both, right = np.append(probability, np.full(5, 0.5)), np.append(correct, np.ones(5, bool))
    assert calibration_error(both, right) == pytest.approx(0.35)
    assert calibration_error(both, right, bins=1) == pytest.approx(abs(0.8 - 0.65))


def test_answers_that_are_sure_and_right_have_no_calibration_error():
    assert calibration_error(np.ones(4), np.ones(4, bool)) == 0
    assert calibration_error(np.array([0.0, 1.0]), np.array([False, True])) == 0


def test_a_score_by_hand():
    logits = np.log([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    score = Score.of(logits, np.array([0, 1]))
    assert score.log_loss == pytest.approx(-np.log(0.7 * 0.3) / 2)
    assert (score.error_rate.wrong, score.error_rate.n) == (1, 2)
    assert score.calibration_error == pytest.approx((0.3 + 0.6) / 2)
    assert score.as_dict()["error_rate_upper"] == score.error_rate.interval[1]
    assert Score.of(2 * logits, np.array([0, 1]), temperature=2.0).log_loss == pytest.approx(score.log_loss)


def test_a_class_of_rejected_images_is_never_an_answer():
    score = Score.of(np.log([[0.3, 0.1, 0.6]]), np.array([0]), rejects=True)
    assert score.error_rate.wrong == 0
    assert score.calibration_error == pytest.approx(0.7)
    assert score.log_loss == pytest.approx(-np.log(0.3))
