import numpy as np
import pytest
import tensorflow as tf

from gan import penalties
from gan.errors import InputError
from gan.penalties import R1

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


def test_r1_can_be_differentiated_by_the_weights():  # d/dw gamma/2 |w|^2 = gamma w
    weight = tf.Variable(WEIGHT)
    with tf.GradientTape() as tape:
        value = tf.reduce_mean(R1(gamma=0.5)(lambda x: tf.reshape(x, (-1, 9)) @ weight, REAL, None))
    np.testing.assert_allclose(tape.gradient(value, weight), 0.5 * WEIGHT, rtol=1e-6)


def test_config_round_trip_and_bad_input():
    assert R1.from_config(R1(0.7, every=3).get_config()).get_config() == {"gamma": 0.7, "every": 3}
    assert isinstance(penalties.get("r1"), R1)
    with pytest.raises(InputError, match="Unknown `penalty`"):
        penalties.get("r9")
    with pytest.raises(InputError, match="every"):
        R1(every=0)
    with pytest.raises(InputError, match="gamma"):
        R1(gamma=-1.0)
