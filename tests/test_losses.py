import numpy as np
import pytest

from gan import losses
from gan.errors import InputError

LOGITS = np.array([[-3.0], [0.0], [0.7], [40.0]], np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def test_non_saturating_equals_its_closed_form():
    loss, real, fake = losses.NonSaturating(), LOGITS[:3], LOGITS[:3][::-1]
    np.testing.assert_allclose(loss.discriminator(real, fake), -np.log(sigmoid(real)) - np.log(1 - sigmoid(fake)), 1e-6)
    np.testing.assert_allclose(loss.generator(real, fake), -np.log(sigmoid(fake)), 1e-6)


def test_cross_entropy_of_a_real_that_is_given_one_fifth():
    logit = np.array([[np.log(0.2 / 0.8)]], np.float32)
    np.testing.assert_allclose(losses.binary_cross_entropy_real(logit), [[1.6094379]], rtol=1e-6)  # -ln 0.2


def test_losses_keep_their_shape_and_stay_finite_at_large_logits():
    for loss in losses.LOSSES.values():
        for value in (loss().discriminator(LOGITS, -LOGITS), loss().generator(LOGITS, -LOGITS)):
            assert value.shape == LOGITS.shape
            assert np.isfinite(value).all()


def test_generator_gradient_does_not_vanish_while_the_discriminator_wins():
    import tensorflow as tf

    fake = tf.constant([[-12.0]])
    with tf.GradientTape() as tape:
        tape.watch(fake)
        loss = losses.NonSaturating().generator(fake, fake)
    np.testing.assert_allclose(tape.gradient(loss, fake), [[-1.0]], atol=1e-5)


def test_get_looks_up_and_refuses():
    own = losses.NonSaturating()
    assert losses.get(own) is own
    assert isinstance(losses.get("non_saturating"), losses.NonSaturating)
    with pytest.raises(
        InputError, match=r"Unknown `loss`. Expected one of \['non_saturating'\].* Received: loss='hing'"
    ):
        losses.get("hing")
