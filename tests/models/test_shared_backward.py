"""One backward pass through D for the losses of both networks."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gan.errors import InputError
from gan.models import losses, shared_backward
from gan.models.critic import Logits
from gan.models.networks import build_discriminator
from tests.helpers.tiny import dense_gan, small_gan

SHAPE = (8, 8, 1)


def test_quotients_turn_the_gradient_of_d_into_that_of_g():
    """D(x) = 3 x^2. At x = 2 the derivative of the logit is 12, and that of G's Wasserstein loss -12 / B."""
    fake, real = tf.constant([[2.0], [-1.0]]), tf.constant([[1.0], [0.0]])
    loss = losses.get("wasserstein")
    with tf.GradientTape() as tape:
        tape.watch(fake)
        logits = Logits(3.0 * real**2, 3.0 * fake**2)
        bounded = shared_backward.never_flat(logits)
        d_loss = tf.reduce_mean(loss.discriminator(bounded.real, bounded.fake))
    found = tape.gradient(d_loss, [fake, logits.fake])
    np.testing.assert_allclose(found[0], [[6.0], [-3.0]])
    with tf.GradientTape() as tape:
        tape.watch(fake)
        value = shared_backward.generator_loss(loss, logits, fake, found)
        double = 2.0 * value
    np.testing.assert_allclose(value, -np.mean([12.0, 3.0]))
    np.testing.assert_allclose(tape.gradient(double, fake), [[-12.0], [6.0]])


def test_g_learns_where_the_loss_of_d_is_flat():
    """The hinge loss has no derivative below -1, but G's loss -D(G(z)) has one."""
    fake = tf.constant([[-5.0], [0.0]])
    loss = losses.get("hinge")
    with tf.GradientTape() as tape:
        tape.watch(fake)
        logits = Logits(tf.zeros([2, 1]), 4.0 * fake)
        bounded = shared_backward.never_flat(logits)
        d_loss = tf.reduce_mean(loss.discriminator(bounded.real, bounded.fake))
    found = tape.gradient(d_loss, [fake, logits.fake])
    np.testing.assert_allclose(found[1], [[shared_backward.LEAST], [0.5]])
    with tf.GradientTape() as tape:
        tape.watch(fake)
        value = shared_backward.generator_loss(loss, logits, fake, found)
    np.testing.assert_allclose(tape.gradient(value, fake), [[-2.0], [-2.0]], rtol=1e-6)


def test_a_derivative_that_is_not_finite_stays_so():
    logits = Logits(tf.zeros([1, 1]), tf.constant([[1.0]]))
    with tf.GradientTape() as tape:
        tape.watch(logits.fake)
        bounded = shared_backward.never_flat(logits)
    found = tape.gradient(bounded.fake, logits.fake, output_gradients=tf.constant([[float("nan")]]))
    assert np.isnan(found).all()


def _weights_after_steps(one_pass, classes=10, critic_steps=1, **options):
    gan = small_gan(classes, shape=SHAPE)
    optimizers = [keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1)]
    gan.compile(*optimizers, simultaneous=True, critic_steps=critic_steps, **options)
    assert gan._one_pass
    gan._one_pass = one_pass
    generator = np.random.default_rng(0)
    images = generator.uniform(-1, 1, (8 * critic_steps, *SHAPE)).astype(np.float32)
    labels = generator.integers(0, 10, len(images)).astype(np.int32)
    step = tf.function(gan.train_step)
    for _ in range(3):
        step((tf.constant(images), tf.constant(labels)))
    return [np.asarray(weight) for network in (gan.generator, gan.discriminator) for weight in network.weights]


@pytest.mark.parametrize(
    "options",
    [
        {"loss": "non_saturating"},
        {"loss": "hinge", "penalties": ("r1", "r2")},
        {"loss": "relativistic", "mismatched_labels": 0.3},
        {"loss": "least_squares", "critic_steps": 2},
        {"loss": "minimax", "classes": 0},
    ],
    ids=lambda options: options["loss"],
)
def test_one_backward_pass_has_the_results_of_two(options):
    for one, two in zip(*(_weights_after_steps(one_pass, **options) for one_pass in (True, False)), strict=True):
        np.testing.assert_allclose(one, two, rtol=0, atol=2e-6)


class BatchDeviation(keras.layers.Layer):
    def call(self, x):
        return x * keras.ops.std(x, axis=0, keepdims=True)


@pytest.mark.parametrize(
    "body",
    [
        [keras.layers.BatchNormalization()],
        [keras.layers.Dense(4, activity_regularizer="l2")],
        [keras.layers.Dense(4, dtype="mixed_float16")],
        [BatchDeviation()],
        [keras.layers.Dense(4, activation=lambda x: x - keras.ops.mean(x, axis=0))],
        [keras.Sequential([keras.layers.Dense(4)])],
    ],
    ids=[
        "batch statistics",
        "losses of layers",
        "float16",
        "own layer",
        "own activation",
        "model inside",
    ],
)
def test_two_passes_where_a_logit_may_depend_on_more_than_one_image(body):
    gan = dense_gan(discriminator=[*body, keras.layers.Dense(1, dtype="float32")], simultaneous=True)
    assert not gan._one_pass
    before = [np.asarray(weight) for weight in gan.generator.weights]
    gan.train_step(tf.ones([4, 2]))
    assert any((one != np.asarray(weight)).any() for one, weight in zip(before, gan.generator.weights))


@pytest.mark.parametrize("axis", [0, (0, 1)])
def test_layers_along_the_first_axis_mix_images(axis):
    assert not shared_backward._keeps_samples_apart(keras.layers.LayerNormalization(axis=axis))


@pytest.mark.parametrize("axis", [0, 1, None])
def test_functions_along_the_first_axis_mix_images(axis):
    inputs = keras.Input((2,))
    x = keras.layers.Dense(3)(inputs)
    x = keras.layers.Subtract()([x, keras.ops.broadcast_to(keras.ops.mean(x, axis=axis, keepdims=True), (1, 3))])
    network = keras.Model(inputs, x)
    assert not shared_backward.is_per_image(network)  # an unknown function
    summed = keras.Model(inputs, keras.ops.sum(keras.layers.Dense(3)(inputs), axis=axis, keepdims=True))
    assert shared_backward.is_per_image(summed) == (axis == 1)


def test_d_with_a_loss_scale_makes_two_passes():
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=2.0**127)
    gan = dense_gan(simultaneous=True, d_optimizer=scaled)
    assert not gan._one_pass
    gan.train_step(tf.ones([4, 2]))
    assert all(np.isfinite(weight).all() for weight in gan.generator.get_weights())


@pytest.mark.parametrize("arch", ["dcgan", "mlp", "resnet", "tf_tutorial"])
@pytest.mark.parametrize("options", [{}, {"conditioning": "concat"}, {"norm": "spectral"}, {"norm": "batch"}], ids=str)
def test_discriminators_of_this_package_are_known(arch, options):
    network = build_discriminator((16, 16, 1), 10, arch=arch, width=2, **options)
    assert shared_backward.is_per_image(network) == (options.get("norm") != "batch")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_generators_of_other_precisions_train(dtype):
    gan = dense_gan(generator=[keras.layers.Dense(2, dtype=dtype)], simultaneous=True)
    assert gan._one_pass == (dtype != "float16")
    before = gan.generator.get_weights()
    gan.train_step(tf.ones([4, 2]))
    assert any((one != two).any() for one, two in zip(before, gan.generator.get_weights()))


def test_a_loss_of_d_that_ignores_the_fakes_is_refused():
    class RealsOnly(losses.AdversarialLoss):
        def discriminator(self, real_logits, fake_logits):
            return keras.ops.softplus(-real_logits)

        def generator(self, real_logits, fake_logits):
            return -fake_logits

    gan = dense_gan(loss=RealsOnly(), simultaneous=True)
    with pytest.raises(InputError, match="ignores the fakes"):
        gan.train_step(tf.ones([4, 2]))


def test_random_layers_draw_as_in_two_passes():
    gan = dense_gan(discriminator=[keras.layers.Dropout(0.5), keras.layers.Dense(1)], simultaneous=True)
    assert gan._one_pass
    assert gan._critic.random
    state = gan.discriminator.layers[-2].seed_generator.state
    before = np.asarray(state)[1]
    gan.train_step(tf.ones([4, 2]))
    assert np.asarray(state)[1] == before + 2  # one mask for the reals, one for the fakes
