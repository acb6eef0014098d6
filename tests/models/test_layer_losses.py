"""Tests that regularizers, `add_loss` and constraints of layers act in the update of their own network, once."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.comparison import assert_same, values
from helpers.tiny import dense_gan, sequential
from keras import layers, ops, regularizers

from gan import GAN
from gan.models import penalties
from gan.models.layer_losses import has_layer_losses
from gan.models.losses import AdversarialLoss
from gan.models.networks.inputs import NetworkInputs

POINTS = np.random.default_rng(0).uniform(-1, 1, (16, 2)).astype(np.float32)
RATE = 0.5
"""Learning rate of `dense_gan`."""


class Nothing(AdversarialLoss):
    """An adversarial loss of 0, so that only the losses of layers move a weight."""

    def discriminator(self, real_logits, fake_logits):
        return 0.0 * (real_logits + fake_logits)

    def generator(self, real_logits, fake_logits):
        return 0.0 * (real_logits + fake_logits)


class RelativisticNothing(Nothing):
    relativistic = True


class Cost(layers.Layer):
    """Adds its weight to the losses, so its gradient is 1 in each update that counts the loss once."""

    def build(self, shape):
        self.cost = self.add_weight(name="cost", initializer="zeros")

    def call(self, x):
        self.add_loss(ops.convert_to_tensor(self.cost) * 1.0)
        return x + 0.0 * self.cost


def fit(gan, **options):
    return gan.fit(POINTS, batch_size=4, shuffle=False, verbose=0, **options).history


@pytest.mark.parametrize(
    ("options", "steps", "d_updates"),
    [
        ({}, 4, 4),
        ({"run_eagerly": True}, 4, 4),
        ({"steps_per_execution": 3}, 4, 4),
        ({"simultaneous": True}, 4, 4),
        ({"critic_steps": 2}, 4, 8),
        ({"critic_steps": 2, "simultaneous": True}, 4, 8),
        ({"penalties": [penalties.R1(every=1), penalties.WassersteinGP(every=2)]}, 4, 4),
        ({"loss": RelativisticNothing()}, 4, 4),
    ],
)
def test_add_loss_counts_once_in_the_update_of_its_network(options, steps, d_updates):
    gan = dense_gan([Cost()], [Cost()], **{"loss": Nothing(), **options})
    history = fit(gan)
    assert float(gan.generator.layers[-1].cost) == -RATE * steps
    assert float(gan.discriminator.layers[-1].cost) == -RATE * d_updates
    assert history["g_layer_loss"] == [-RATE * (steps - 1) / 2]
    assert history["d_loss"] == history["g_loss"] == [0.0]


def test_losses_do_not_depend_on_the_number_of_passes():
    """A D with batch statistics gets reals and fakes separately, and with labels some reals again."""
    gan = dense_gan((), [layers.BatchNormalization(), Cost()], loss=Nothing())
    fit(gan)
    assert float(gan.discriminator.layers[-1].cost) == -RATE * 4


def test_a_weight_regularizer_shrinks_each_kernel_as_in_closed_form():
    """SGD with rate a on c |w|^2 multiplies w by 1 - 2 a c in each step."""
    networks = [
        sequential((2,), layers.Dense(units, use_bias=False, kernel_regularizer=regularizers.L2(0.25)))
        for units in (2, 1)
    ]
    gan = GAN(*networks)
    gan.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.5), loss=Nothing(), penalties=["r1"])
    for variable in gan.discriminator.trainable_variables:
        variable.assign(tf.ones_like(variable))
    before = [network.get_weights()[0] for network in networks]
    gan.penalties[0].gamma = 0.0
    history = fit(gan)
    for start, network in zip(before, networks):
        np.testing.assert_allclose(network.get_weights()[0], start * 0.75**4, rtol=1e-6)
    np.testing.assert_allclose(history["d_layer_loss"], [0.5 * np.mean(0.75 ** (2 * np.arange(4)))], rtol=1e-6)
    average = gan.generator_ema.get_weights()[0]
    kept = 0.5 ** (4 / gan.ema_half_life)
    expected = before[0]
    for step in range(1, 5):
        expected = kept * expected + (1 - kept) * before[0] * 0.75**step
    np.testing.assert_allclose(average, expected, rtol=1e-6)  # only through the weights of G


def test_an_activity_regularizer_is_a_mean_over_reals_and_fakes():
    """With D(x) = b > 0, the regularizer c |D(x)|, per image, moves b by -a c in each step."""
    d = sequential((2,), layers.Dense(1, activity_regularizer=regularizers.L1(0.25)))
    d.layers[0].kernel.assign(np.zeros((2, 1)))
    d.layers[0].bias.assign([3.0])
    gan = GAN(sequential((2,), layers.Dense(2)), d)
    gan.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.5), loss=Nothing(), penalties=[])
    gan.update_discriminator(tf.constant(POINTS), -tf.constant(POINTS))  # points and their opposites: kernel unmoved
    np.testing.assert_allclose(d.get_weights()[1], [3.0 - 0.5 * 0.25], rtol=1e-6)
    np.testing.assert_allclose(d.get_weights()[0], 0.0, atol=1e-7)


def test_a_constraint_acts_after_each_update():
    d = sequential((2,), layers.Dense(1, kernel_constraint=keras.constraints.MaxNorm(0.01)))
    gan = GAN(sequential((2,), layers.Dense(2)), d)
    gan.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.5), penalties=[])
    fit(gan)
    assert float(np.linalg.norm(d.get_weights()[0])) <= 0.01 + 1e-6


def test_networks_without_losses_have_no_such_logs_and_are_bit_identical():
    plain, other = dense_gan(), dense_gan()
    other.discriminator.layers[0].kernel.regularizer = regularizers.L2(0.0)
    other.compile(other.g_optimizer, other.d_optimizer, penalties=[])
    logs = [fit(plain), fit(other)]
    assert set(logs[1]) - set(logs[0]) == {"d_layer_loss"}
    assert_same(values(plain.generator), values(other.generator))
    assert_same(values(plain.discriminator), values(other.discriminator))


class Quiet(layers.Layer):
    """A layer of another package without losses."""

    def call(self, x):
        return x


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.ReLU(), False),
        (Quiet(), False),
        (Cost(), True),
        (layers.ActivityRegularization(l1=0.1), True),
        (layers.Dense(1, bias_regularizer="l2"), True),
        (sequential((2,), layers.Dense(2), Cost()), True),
    ],
)
def test_finds_networks_with_losses_without_changing_them(layer, expected):
    network = sequential((2,), layers.Dense(2), layers.BatchNormalization(), layer)
    before = values(network)
    assert has_layer_losses(network, NetworkInputs.of(network)) is expected
    assert_same(values(network), before)
