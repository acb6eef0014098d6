"""Tests of the adversarial losses."""

import numpy as np
import pytest

from gan.errors import InputError
from gan.models import losses

LOGITS = np.array([[-3.0], [0.0], [0.7], [40.0]], np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(np.float64)))


def test_non_saturating_equals_its_closed_form():
    loss, real, fake = losses.NonSaturating(), LOGITS[:3], LOGITS[:3][::-1]
    np.testing.assert_allclose(loss.discriminator(real, fake), -np.log(sigmoid(real)) - np.log(1 - sigmoid(fake)), 1e-6)
    np.testing.assert_allclose(loss.generator(real, fake), -np.log(sigmoid(fake)), 1e-6)


REAL, FAKE = LOGITS[:3], LOGITS[:3][::-1] + 0.1


@pytest.mark.parametrize(
    ("name", "discriminator", "generator"),
    [
        ("minimax", -np.log(sigmoid(REAL)) - np.log(1 - sigmoid(FAKE)), np.log(1 - sigmoid(FAKE))),
        ("hinge", np.maximum(0, 1 - REAL) + np.maximum(0, 1 + FAKE), -FAKE),
        ("least_squares", (REAL - 1) ** 2 / 2 + FAKE**2 / 2, (FAKE - 1) ** 2 / 2),
        ("wasserstein", FAKE - REAL, -FAKE),
        ("relativistic", -np.log(sigmoid(REAL - FAKE)), -np.log(sigmoid(FAKE - REAL))),
    ],
)
def test_losses_equal_their_closed_forms(name, discriminator, generator):
    loss = losses.get(name)
    np.testing.assert_allclose(loss.discriminator(REAL, FAKE), discriminator, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(loss.generator(REAL, FAKE), generator, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", losses.LOSSES)
def test_losses_move_the_fakes_to_the_reals_and_separate_the_logits(name):
    """For D(x) = w x with fakes below reals, finite differences show that w grows, and for w > 0 that fakes grow."""
    loss, real, fake, step = losses.get(name), np.array([[1.5]]), np.array([[0.5]]), 1e-3

    def d_loss(w):
        return float(np.asarray(loss.discriminator(np.float32(w * real), np.float32(w * fake))).mean())

    def g_loss(x):
        return float(np.asarray(loss.generator(np.float32(0.3 * real), np.float32(0.3 * x))).mean())

    assert d_loss(0.3 + step) < d_loss(0.3 - step)
    assert g_loss(fake + step) < g_loss(fake - step)


@pytest.mark.parametrize("name", losses.LOSSES)
def test_only_relativistic_losses_use_reals_for_g_and_depend_only_on_differences(name):
    loss = losses.get(name)
    uses_reals = not np.allclose(loss.generator(REAL, FAKE), loss.generator(REAL + 1, FAKE))
    assert uses_reals == loss.relativistic
    shifted = np.allclose(loss.discriminator(REAL, FAKE), loss.discriminator(REAL + 1, FAKE + 1), atol=1e-5)
    assert shifted == (loss.boundary is None)


def test_cross_entropy_of_a_real_with_probability_one_fifth():
    logit = np.array([[np.log(0.2 / 0.8)]], np.float32)
    np.testing.assert_allclose(losses.binary_cross_entropy_real(logit), [[1.6094379]], rtol=1e-6)  # -ln 0.2


def test_losses_keep_the_shape_and_are_finite_for_large_logits():
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


def test_get_accepts_names_and_rejects_unknown_ones():
    own = losses.NonSaturating()
    assert losses.get(own) is own
    assert isinstance(losses.get("non_saturating"), losses.NonSaturating)
    with pytest.raises(InputError, match=r"Unknown `loss`. Expected one of \['hinge'.* Received: loss='hing'"):
        losses.get("hing")
