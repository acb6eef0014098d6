"""Tests of spectral normalization."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gan.models.networks import build_discriminator
from gan.models.networks.spectral import SpectralConv2D, SpectralDense, power_iteration, singular_value

LAYERS = {
    "conv": (lambda **options: SpectralConv2D(4, 3, padding="same", **options), (2, 5, 6, 3)),
    "dense": (lambda **options: SpectralDense(4, **options), (2, 7)),
}


def make_layer(kind, **options):
    keras.utils.set_random_seed(3)
    build, shape = LAYERS[kind]
    layer, x = build(**options), np.random.default_rng(0).normal(size=shape)
    layer.build(shape)
    return layer, x.astype(layer.variable_dtype)


def as_matrix(kernel):
    return np.asarray(kernel).reshape(-1, kernel.shape[-1])


def call_repeatedly(layer, x, calls=100):
    """Calls the layer `calls` times in training, in one graph."""
    x = tf.constant(x)

    @tf.function
    def several():
        for _ in tf.range(calls):
            layer(x, training=True)

    several()


def test_power_iteration_of_known_numbers():
    matrix = np.array([[3.0, 0.0], [0.0, 4.0]])
    moved = power_iteration(matrix, np.array([0.8, 0.6]))  # W u = (2.4, 2.4), and W^T W u is proportional to (3, 4)
    np.testing.assert_allclose(moved, [0.6, 0.8], rtol=1e-6)
    assert float(singular_value(matrix, np.array([0.0, 1.0]))) == pytest.approx(4.0)


@pytest.mark.parametrize("kind", LAYERS)
def test_the_layer_equals_the_keras_layer_with_the_kernel_over_its_singular_value(kind):
    layer, x = make_layer(kind)
    before = layer.kernel.numpy()
    call_repeatedly(layer, x)
    np.testing.assert_array_equal(layer.kernel.numpy(), before)
    sigma = np.linalg.svd(as_matrix(before), compute_uv=False)[0]
    assert float(singular_value(as_matrix(before), layer.u.numpy())) == pytest.approx(sigma, rel=1e-4)
    layer.bias.assign(np.arange(4.0))
    plain = type(layer).__mro__[2].from_config(layer.get_config())
    plain.build(x.shape)
    plain.set_weights([before / sigma, layer.bias.numpy()])
    np.testing.assert_allclose(layer(x), plain(x), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", LAYERS)
def test_only_training_moves_the_vector_by_one_step(kind):
    layer, x = make_layer(kind)
    before, matrix = layer.u.numpy(), as_matrix(layer.kernel)
    assert np.linalg.norm(before) == pytest.approx(1.0, rel=1e-5)
    layer(x, training=False)
    np.testing.assert_array_equal(layer.u.numpy(), before)
    layer(x, training=True)
    once = matrix.T @ (matrix @ before)
    np.testing.assert_allclose(layer.u.numpy(), once / np.linalg.norm(once), rtol=1e-4, atol=1e-5)
    assert [weight.name for weight in layer.trainable_weights] == ["kernel", "bias"]


def test_the_gradient_includes_the_singular_value():
    layer, x = make_layer("dense", dtype="float64")
    call_repeatedly(layer, x, 500)
    kernel, cotangent = layer.kernel.numpy(), np.random.default_rng(1).normal(size=(2, 4))

    def scalar(w):
        return np.sum(cotangent * (x @ w)) / np.linalg.svd(w, compute_uv=False)[0]

    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(cotangent * layer(x, training=True))
    step = 1e-6 * np.eye(kernel.size).reshape(kernel.size, *kernel.shape)
    expected = [(scalar(kernel + d) - scalar(kernel - d)) / 2e-6 for d in step]
    np.testing.assert_allclose(tape.gradient(loss, layer.kernel.value).numpy().ravel(), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_gradient_penalties_have_gradients(jit_compile):
    """For D(x) = (n.x)^2 with n = w/|w|: |grad D|^2 = 4 (n.x)^2, whose gradient in w is 8 (n.x) (x - n (n.x)) / |w|."""
    keras.utils.set_random_seed(0)
    layer, x = SpectralDense(1, use_bias=False), np.array([[1.0, 2.0, -1.0]], "float32")
    layer.build(x.shape)

    @tf.function(jit_compile=jit_compile)
    def gradient(x):
        with tf.GradientTape() as outer:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = tf.square(layer(x, training=True))
            penalty = tf.reduce_sum(tf.square(tape.gradient(y, x)))
        return outer.gradient(penalty, layer.kernel.value)

    w = layer.kernel.numpy()[:, 0]
    n = w / np.linalg.norm(w)
    expected = 8 * (n @ x[0]) * (x[0] - n * (n @ x[0])) / np.linalg.norm(w)
    np.testing.assert_allclose(gradient(tf.constant(x))[:, 0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", LAYERS)
def test_mixed_precision_computes_the_singular_value_in_float32(kind):
    single, x = make_layer(kind)
    mixed, _ = make_layer(kind, dtype="mixed_bfloat16")
    for layer in (single, mixed):
        for _ in range(3):
            layer(x, training=True)
    np.testing.assert_array_equal(single.kernel.numpy(), mixed.kernel.numpy())
    np.testing.assert_allclose(single.u.numpy(), mixed.u.numpy(), rtol=1e-5, atol=1e-6)
    assert mixed(x).dtype == "bfloat16"


def test_a_dense_discriminator_is_lipschitz():
    """No layer increases the norm of a difference, so the network does not either, even with large kernels."""
    discriminator = build_discriminator((4, 4, 1), arch="mlp", width=8, norm="spectral")
    for layer in discriminator.layers:
        if isinstance(layer, SpectralDense):
            layer.kernel.assign(100.0 * layer.kernel)
    x, y = np.random.default_rng(0).uniform(-1, 1, size=(2, 64, 4, 4, 1)).astype("float32")
    call_repeatedly(discriminator, x)
    moved = np.abs(np.asarray(discriminator(x)) - np.asarray(discriminator(y)))[:, 0]
    assert (moved <= 1.001 * np.linalg.norm((x - y).reshape(64, -1), axis=1)).all()
    assert moved.max() > 0


@pytest.mark.parametrize("arch", ["dcgan", "mlp", "resnet", "tf_tutorial"])
def test_every_weight_of_the_discriminator_is_normalized(arch):
    discriminator = build_discriminator((16, 16, 1), 3, arch, 2, norm="spectral")
    holders = [layer for layer in discriminator.layers if layer.weights]
    assert all(isinstance(layer, (SpectralConv2D, SpectralDense)) for layer in holders)


def test_saving_keeps_the_vectors(tmp_path):
    discriminator = build_discriminator((8, 8, 1), 3, width=2, norm="spectral")
    inputs = [np.ones((2, 8, 8, 1), "float32"), np.array([0, 2])]
    discriminator(inputs, training=True)
    discriminator.save(tmp_path / "d.keras")
    loaded = keras.saving.load_model(tmp_path / "d.keras")
    assert [w.name for w in loaded.weights] == [w.name for w in discriminator.weights]
    for old, new in zip(discriminator.get_weights(), loaded.get_weights()):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(loaded(inputs), discriminator(inputs))
