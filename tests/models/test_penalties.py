"""Tests of the gradient penalties."""

import numpy as np
import pytest
import tensorflow as tf

from gan.errors import InputError
from gan.models import penalties
from gan.models.penalties import DRAGAN, PENALTIES, R1, R2, WassersteinGP, squared_gradient_norm

REAL = tf.constant(np.random.default_rng(0).normal(size=(4, 3, 3, 1)).astype(np.float32))
WEIGHT = np.random.default_rng(1).normal(size=(9, 1)).astype(np.float32)


def linear(images):
    return tf.reshape(images, (-1, 9)) @ WEIGHT


def test_r1_of_a_linear_critic_is_half_gamma_w_squared():  # D(x) = w.x, so the gradient is w everywhere
    expected = np.full(4, 0.5 * 3.0 * np.sum(WEIGHT**2))
    np.testing.assert_allclose(R1(gamma=3.0)(linear, REAL, None), expected, rtol=1e-6)


def test_r1_of_a_quadratic_critic_differs_by_sample():  # D(x) = |x|^2 / 2, so the gradient is x
    value = R1(gamma=2.0)(lambda x: tf.reduce_sum(x**2, axis=(1, 2, 3), keepdims=False)[:, None] / 2, REAL, None)
    np.testing.assert_allclose(value, np.sum(np.square(REAL), axis=(1, 2, 3)), rtol=1e-6)


def test_r1_has_a_gradient_by_the_weights():  # d/dw gamma/2 |w|^2 = gamma w
    weight = tf.Variable(WEIGHT)
    with tf.GradientTape() as tape:
        value = tf.reduce_mean(R1(gamma=0.5)(lambda x: tf.reshape(x, (-1, 9)) @ weight, REAL, None))
    np.testing.assert_allclose(tape.gradient(value, weight), 0.5 * WEIGHT, rtol=1e-6)


FAKE = tf.constant(np.random.default_rng(2).normal(size=(4, 3, 3, 1)).astype(np.float32))
KEY = tf.constant([7, 8], tf.int64)


def quadratic(images):  # D(x) = |x|^2 / 2, so the gradient is x
    return tf.reduce_sum(images**2, axis=(1, 2, 3))[:, None] / 2


def norm(images):
    return np.sqrt(np.sum(np.square(images), axis=(1, 2, 3)))


@pytest.mark.parametrize("penalty", [WassersteinGP(weight=10.0), DRAGAN(weight=10.0)])
def test_one_centered_penalties_of_a_linear_critic_depend_on_its_slope(penalty):  # the gradient is w everywhere
    expected = np.full(4, 10.0 * (np.linalg.norm(WEIGHT) - 1.0) ** 2)
    np.testing.assert_allclose(penalty(linear, REAL, FAKE, KEY), expected, rtol=1e-5)


def test_r2_uses_the_fakes():
    np.testing.assert_allclose(R2(gamma=2.0)(quadratic, REAL, FAKE), norm(FAKE) ** 2, rtol=1e-6)


def test_wgan_gp_uses_one_point_between_each_real_and_its_fake():
    points = WassersteinGP().points(REAL, FAKE, KEY)
    share = (points - REAL) / (FAKE - REAL)
    assert np.ptp(share, axis=(1, 2, 3)).max() < 1e-4
    assert (np.min(share) > 0, np.max(share) < 1, np.ptp(share[:, 0, 0, 0]) > 0.05) == (True, True, True)
    np.testing.assert_allclose(WassersteinGP()(quadratic, REAL, FAKE, KEY), 10 * (norm(points) - 1) ** 2, rtol=1e-4)


def test_wgan_gp_draws_points_evenly_between_real_and_fake():
    many = WassersteinGP().points(tf.zeros((4_000, 1, 1, 1)), tf.ones((4_000, 1, 1, 1)), KEY).numpy().ravel()
    np.testing.assert_allclose([many.mean(), many.std()], [0.5, 12**-0.5], atol=0.02)


def test_dragan_stays_within_half_a_deviation_of_the_reals():
    offset = (DRAGAN().points(REAL, FAKE, KEY) - REAL) / np.std(REAL)
    assert np.min(offset) >= 0
    assert 0.1 < np.max(offset) <= 0.5


def test_a_flat_critic_has_a_finite_gradient_of_the_penalty():  # the root has no gradient at 0
    weight = tf.Variable(np.zeros_like(WEIGHT))
    with tf.GradientTape() as tape:
        value = tf.reduce_mean(WassersteinGP()(lambda x: tf.reshape(x, (-1, 9)) @ weight, REAL, FAKE, KEY))
    assert float(value) == 10.0
    np.testing.assert_array_equal(tape.gradient(value, weight), np.zeros_like(WEIGHT))


@pytest.mark.parametrize("name", PENALTIES)
def test_every_penalty_is_the_same_under_xla_with_a_gradient_by_the_weights(name):
    weight, penalty = tf.Variable(WEIGHT), penalties.get(name)

    def value_and_gradient():
        with tf.GradientTape() as tape:
            value = tf.reduce_mean(penalty(lambda x: tf.tanh(tf.reshape(x, (-1, 9)) @ weight), REAL, FAKE, KEY))
        return value, tape.gradient(value, weight)

    plain, compiled = value_and_gradient(), tf.function(value_and_gradient, jit_compile=True)()
    assert float(plain[0]) > 0
    for expected, received in zip(plain, compiled):
        np.testing.assert_allclose(received, expected, rtol=1e-3, atol=1e-6)


def test_the_norm_uses_all_axes_and_float32():
    images = tf.ones((2, 2, 3, 3))
    found = squared_gradient_norm(lambda x: tf.cast(tf.reduce_sum(x, axis=(1, 2, 3)), tf.bfloat16)[:, None], images)
    assert found.dtype == tf.float32
    np.testing.assert_array_equal(found, [18.0, 18.0])


@pytest.mark.parametrize("name", PENALTIES)
def test_a_config_restores_the_penalty(name):
    penalty = PENALTIES[name](0.7, every=3)
    config = penalty.get_config()
    assert sorted(config.values()) == [0.7, 3]
    assert type(penalty).from_config(config).get_config() == config
    assert penalty.name == name


def test_get_accepts_names_and_rejects_bad_input():
    assert isinstance(penalties.get("r1"), R1)
    with pytest.raises(InputError, match="Unknown `penalty`"):
        penalties.get("r9")
    with pytest.raises(InputError, match="every"):
        R1(every=0)
    with pytest.raises(InputError, match="gamma"):
        R1(gamma=-1.0)
    with pytest.raises(InputError, match="weight"):
        WassersteinGP(weight=float("nan"))
