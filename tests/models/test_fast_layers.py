"""Faster computations of Keras layers: the results of Keras."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from gan.models.networks import build_discriminator, build_generator, fast_layers
from gan.models.networks.inspect import layers_of
from tests.helpers.tiny import small_gan


def normal(*shape, seed=0, dtype="float32"):
    return tf.constant(np.random.default_rng(seed).standard_normal(shape), dtype)


def native_transpose(x, kernel, strides, size):
    return tf.nn.conv2d_transpose(x, kernel, [x.shape[0], *size, kernel.shape[2]], strides, "SAME")


def test_a_transposed_convolution_spreads_each_pixel():
    x = tf.reshape(tf.constant([1.0, 2.0, 3.0, 4.0]), [1, 2, 2, 1])
    kernel = tf.reshape(tf.constant([1.0, 10.0, 100.0, 1000.0]), [2, 2, 1, 1])
    found = fast_layers.transposed_convolution(x, kernel, (2, 2), (4, 4))[0, :, :, 0]
    expected = [[1, 10, 2, 20], [100, 1000, 200, 2000], [3, 30, 4, 40], [300, 3000, 400, 4000]]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("size", "kernel", "strides"),
    [
        ((28, 28), (4, 4), (2, 2)),
        ((7, 9), (4, 4), (2, 2)),
        ((14, 14), (5, 5), (2, 2)),
        ((8, 8), (3, 3), (2, 2)),
        ((9, 12), (4, 6), (3, 3)),
        ((8, 12), (4, 5), (2, 3)),
        ((8, 6), (3, 4), (1, 2)),
    ],
)
def test_convolutions_and_their_derivatives_are_those_of_tensorflow(size, kernel, strides):
    """The value, both gradients, and the gradients of the squared gradient, as in R1."""
    x, weights = normal(2, *size, 2), normal(*kernel, 2, 3, seed=1)

    def derivatives(convolution):
        with tf.GradientTape() as outer:
            outer.watch([x, weights])
            with tf.GradientTape() as inner:
                inner.watch([x, weights])
                y = convolution(x, weights, strides)
                value = tf.reduce_sum(tf.sin(y))
            of_x, of_weights = inner.gradient(value, [x, weights])
            penalty = tf.reduce_sum(of_x**2)
        return [y, of_x, of_weights, *outer.gradient(penalty, [x, weights])]

    def transposed(convolution):
        small = tf.nn.conv2d(x, weights, strides, "SAME")
        with tf.GradientTape() as tape:
            tape.watch([small, weights])
            y = convolution(small, weights, strides, size)
            value = tf.reduce_sum(tf.sin(y))
        return [y, *tape.gradient(value, [small, weights])]

    native = derivatives(lambda x, weights, strides: tf.nn.conv2d(x, weights, strides, "SAME"))
    for one, two in zip(derivatives(fast_layers.convolution), native, strict=True):
        np.testing.assert_allclose(one, two, rtol=2e-5, atol=2e-4)
    for one, two in zip(transposed(fast_layers.transposed_convolution), transposed(native_transpose), strict=True):
        np.testing.assert_allclose(one, two, rtol=2e-5, atol=2e-4)


@pytest.mark.parametrize(("size", "kernel", "stride"), [((7, 7), 4, 2), ((8, 6), 2, 2), ((9, 7), 3, 3), ((6, 5), 4, 1)])
def test_a_convolution_and_the_gradient_of_its_kernel_as_products(size, kernel, stride):
    x = normal(3, *size, 2)
    upstream = normal(*tf.nn.conv2d(x, normal(kernel, kernel, 2, 5), stride, "SAME").shape, seed=1)
    shape = tf.TensorShape([kernel, kernel, 2, 5])
    expected = tf.raw_ops.Conv2DBackpropFilter(
        input=x, filter_sizes=shape.as_list(), out_backprop=upstream, strides=[1, stride, stride, 1], padding="SAME"
    )
    found = fast_layers._filter_product(x, upstream, shape, (stride, stride))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    weights = normal(*shape)
    native = tf.nn.conv2d(x, weights, stride, "SAME")
    np.testing.assert_allclose(fast_layers._product(x, weights, (stride, stride)), native, rtol=1e-5, atol=1e-5)


def test_large_kernels_in_bfloat16_use_the_product():
    layer = layers.Conv2D(8, 4, strides=2, padding="same", dtype="mixed_bfloat16")
    layer.build((None, 7, 7, 64))
    network = keras.Sequential([keras.Input((7, 7, 64)), layer])
    with fast_layers.use_fast_layers(network):
        replaced = "call" in vars(layer)
        with tf.GradientTape() as tape:
            y = network(normal(2, 7, 7, 64))
        found = tape.gradient(y, layer.kernel.value)
    assert replaced == (not tf.config.list_logical_devices("GPU"))
    with tf.GradientTape() as tape:
        y = network(normal(2, 7, 7, 64))
    expected = tape.gradient(y, layer.kernel.value)
    np.testing.assert_allclose(found, expected, atol=0.02 * float(tf.reduce_max(tf.abs(expected))))


@pytest.mark.parametrize("slope", [0.2, 0.3])
def test_leaky_relu_is_bit_identical(slope):
    x = tf.constant([-np.inf, -2.0, -1e-30, -0.0, 0.0, 1e-30, 3.0, np.inf, np.nan])

    def found(function):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        return y, tape.gradient(y, x)

    ours = found(lambda x: fast_layers.leaky_relu(x, slope))
    for one, two in zip(ours, found(lambda x: tf.nn.leaky_relu(x, slope)), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("options", [{}, {"center": False, "scale": False, "momentum": 0.5}], ids=["default", "bare"])
def test_batch_normalization_and_its_statistics(policy, options):
    x = 3.0 * normal(4, 3, 3, 5) + 1.0

    def found(fast):
        keras.utils.set_random_seed(0)
        layer = layers.BatchNormalization(dtype=policy, **options)
        network = keras.Sequential([keras.Input((3, 3, 5)), layer])
        inputs = tf.cast(x, layer.compute_dtype)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            if fast:
                with fast_layers.use_fast_layers(network):
                    assert "call" in vars(layer)
                    y = network(inputs, training=True)
            else:
                y = network(inputs, training=True)
            value = tf.reduce_sum(tf.sin(tf.cast(y, "float32")))
        variables = [variable.value for variable in layer.trainable_variables]
        return [y, *layer.non_trainable_variables, *tape.gradient(value, [inputs, *variables])]

    tolerance = 2e-5 if policy == "float32" else 0.06
    for one, two in zip(found(True), found(False), strict=True):
        np.testing.assert_allclose(np.asarray(one, np.float32), np.asarray(two, np.float32), atol=tolerance, rtol=0.02)


def test_statistics_of_a_single_number():
    network = keras.Sequential([keras.Input((1, 1, 2)), layers.BatchNormalization()])
    with fast_layers.use_fast_layers(network):
        network(tf.ones([1, 1, 1, 2]), training=True)
    np.testing.assert_allclose(network.layers[0].moving_variance, 0.99)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(4, 4, strides=2),
        layers.Conv2D(4, 3, padding="same"),
        layers.Conv2D(4, 2, strides=3, padding="same"),
        layers.Conv2DTranspose(1, 4, strides=2, padding="same", output_padding=1),
        layers.BatchNormalization(trainable=False),
        layers.BatchNormalization(renorm=True),
        layers.BatchNormalization(epsilon=1e-6),
        layers.LeakyReLU(0.0),
        type("Own", (layers.LeakyReLU,), {})(0.2),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_other_options_and_subclasses_compute_as_keras(layer):
    network = keras.Sequential([keras.Input((9, 9, 1)), layer])
    with fast_layers.use_fast_layers(network):
        assert not any("call" in vars(one) for one in network.layers)


class UnusedParts(layers.Layer):
    """A block with layers that it never calls, as one whose shortcut is needed for other shapes only."""

    def __init__(self):
        super().__init__()
        self.shortcut, self.norm = layers.Conv2D(1, 4, strides=2, padding="same"), layers.BatchNormalization()

    def build(self, input_shape):
        pass

    def call(self, x):
        return x


def test_layers_that_were_never_called():
    network = keras.Sequential([keras.Input((8, 8, 1)), UnusedParts(), layers.LeakyReLU(0.2)])
    with fast_layers.use_fast_layers(network):
        network(tf.ones([1, 8, 8, 1]), training=True)
        assert "call" in vars(network.layers[-1])


def test_a_penalty_has_no_gradient_for_a_bias_before_the_normalization():
    """No output depends on that bias. Keras stops the gradient of the mean, and finds one in a second derivative."""
    network = keras.Sequential([keras.Input((4, 4, 1)), layers.Conv2D(3, 3), layers.BatchNormalization()])
    network.add(layers.LeakyReLU(0.2))
    bias, x = network.layers[0].bias, normal(6, 4, 4, 1)
    with tf.GradientTape() as outer, fast_layers.use_fast_layers(network):
        with tf.GradientTape() as inner:
            inner.watch(x)
            value = tf.reduce_sum(tf.sin(network(x, training=True)))
        penalty = tf.reduce_sum(inner.gradient(value, x) ** 2)
    np.testing.assert_allclose(outer.gradient(penalty, bias.value), np.zeros(3), atol=1e-3)


def test_several_replicas_compute_as_keras(monkeypatch):
    network = keras.Sequential([keras.Input((8, 8, 1)), layers.LeakyReLU(0.2)])
    monkeypatch.setattr(tf.distribute, "get_strategy", lambda: SimpleNamespace(num_replicas_in_sync=2))
    with fast_layers.use_fast_layers(network):
        assert "call" not in vars(network.layers[-1])


def test_layers_are_those_of_keras_again_afterwards():
    network = build_discriminator((28, 28, 1), 10, width=4)

    def replaced():
        return sum("call" in vars(layer) for layer in layers_of(network))

    with fast_layers.use_fast_layers(network):
        assert replaced() == 4
        with fast_layers.use_fast_layers(network):
            assert replaced() == 4
        assert replaced() == 4
    assert replaced() == 0
    with pytest.raises(KeyError):
        _raise_inside(network)
    assert replaced() == 0


def _raise_inside(network):
    with fast_layers.use_fast_layers(network):
        raise KeyError


@pytest.mark.parametrize("arch", ["dcgan", "resnet", "tf_tutorial"])
def test_networks_have_the_outputs_of_keras(arch):
    shape = (28, 28, 1)
    keras.utils.set_random_seed(0)
    generator, discriminator = (
        build_generator(shape, 8, arch=arch, width=4),
        build_discriminator(shape, arch=arch, width=4),
    )
    latents = normal(4, 8)

    def found():
        images = generator(latents, training=True)
        return images, discriminator(images, training=False)

    plain = found()
    with fast_layers.use_fast_layers(generator), fast_layers.use_fast_layers(discriminator):
        fast = found()
    for one, two in zip(fast, plain, strict=True):
        np.testing.assert_allclose(one, two, atol=2e-5)


@pytest.mark.parametrize(
    ("simultaneous", "products"),
    [(False, False), (True, False), pytest.param(True, True, marks=pytest.mark.slow)],
    ids=["alternating", "simultaneous", "products"],
)
def test_a_training_has_the_results_of_keras_layers(simultaneous, products, monkeypatch):
    monkeypatch.setattr(fast_layers, "PRODUCTS", products)

    def weights_after_steps():
        gan = small_gan(shape=(16, 16, 1))
        optimizers = [keras.optimizers.SGD(0.05), keras.optimizers.SGD(0.05)]
        gan.compile(*optimizers, penalties=["r1"], simultaneous=simultaneous)
        images, labels = tf.tanh(normal(16, 16, 16, 1)), tf.range(16) % 10
        step = tf.function(gan.train_step)
        for _ in range(4):
            step((images, labels))
        networks = (gan.generator, gan.discriminator, gan.generator_ema)
        return [np.asarray(weight) for network in networks for weight in network.weights]

    fast = weights_after_steps()
    monkeypatch.setattr(fast_layers, "SUBSTITUTES", {})
    for one, two in zip(fast, weights_after_steps(), strict=True):
        np.testing.assert_allclose(one, two, rtol=0, atol=5e-6)
