"""Tests that functional networks of any kind train, and that unfit ones are refused when the GAN is made."""

import functools
import logging
import threading
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.comparison import assert_same, values
from helpers.tiny import dense_gan, sequential
from keras import layers, ops

from gan import GAN, InputError, build_generator, generate, load_generator
from gan.models.network_copy import averaged_copy
from gan.models.networks import NetworkInputs

SIDE = 4
SHAPE = (SIDE, SIDE, 1)
IMAGES = np.random.default_rng(0).uniform(-1, 1, (4, *SHAPE)).astype(np.float32)
LABELS = np.arange(4) % 3
COPY_WARNING = "ignore:__array__ implementation doesn't accept a copy keyword"


class NoConfig(layers.Layer):
    """A layer whose `__init__` has an argument of its own, and which has no `get_config`."""

    def __init__(self, units):
        super().__init__()
        self.inner = layers.Dense(units)

    def call(self, inputs):
        return self.inner(inputs)


class Nested(layers.Layer):
    """A layer with lists, dicts and variables of its own."""

    def __init__(self, units):
        super().__init__()
        self.parts = [layers.Dense(units), {"more": layers.Dense(units)}]

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones")

    def call(self, inputs):
        return self.parts[1]["more"](self.parts[0](inputs * self.scale))


class Noise(layers.Layer):
    """A layer with a random seed of its own."""

    def __init__(self):
        super().__init__()
        self.seed = keras.random.SeedGenerator(1)

    def call(self, inputs):
        return inputs + keras.random.normal(ops.shape(inputs), seed=self.seed)


def own_activation(inputs):
    return ops.tanh(inputs) * inputs


def own_initializer(shape, dtype=None):
    return ops.ones(shape, dtype) / shape[0]


def to_images(outputs):
    return layers.Reshape(SHAPE)(layers.Dense(SIDE * SIDE, activation="tanh")(outputs))


def generator(body, *, dtype=None, shape=(3,), name=None):
    latents = keras.Input(shape, dtype=dtype, name=name)
    return keras.Model(latents, to_images(body(latents)))


def discriminator():
    return sequential(SHAPE, layers.Flatten(), layers.Dense(1))


def conditional(encode, *, labels=None, order=list, shape=(3,), head=to_images, name="z"):
    first = keras.Input(shape, name=name)
    labels = keras.Input((), dtype="int32", name="kind") if labels is None else labels
    outputs = head(layers.Concatenate()([layers.Flatten()(first), encode(labels)]))
    inputs = {first.name: first, labels.name: labels} if order is dict else order([first, labels])
    return keras.Model(inputs, outputs)


def conditional_discriminator(encode=None, **options):
    encode = encode or layers.Embedding(3, 2)
    return conditional(encode, shape=SHAPE, head=layers.Dense(1), name="picture", **options)


def reversed_list(tensors):
    return tensors[::-1]


def shared_dense():
    shared = layers.Dense(3)
    return generator(lambda z: shared(shared(z)))


def weights_shared_by_layers():
    first, second = layers.Dense(3, use_bias=False), layers.Dense(3, use_bias=False)
    latents = keras.Input((3,))
    hidden = first(latents)
    second.build((None, 3))
    return keras.Model(latents, to_images(second(hidden)))


GENERATORS = {
    "dropout": lambda: generator(layers.Dropout(0.5)),
    "batch norm": lambda: generator(layers.BatchNormalization()),
    "synchronized batch norm": lambda: generator(layers.BatchNormalization(synchronized=True)),
    "lambda": lambda: generator(layers.Lambda(lambda inputs: inputs * 2)),
    "operators": lambda: generator(lambda z: 2 * z + ops.sin(z) ** 2 - z / 3),
    "keras.ops": lambda: generator(lambda z: ops.relu(ops.concatenate([z, ops.exp(-z)], axis=-1))),
    "slices": lambda: generator(lambda z: layers.Concatenate()([z[:, :1], z[:, 1:]])),
    "own layer without a configuration": lambda: generator(NoConfig(5)),
    "own layer with parts": lambda: generator(Nested(5)),
    "own layer with a seed": lambda: generator(Noise()),
    "own activation": lambda: generator(layers.Dense(5, activation=own_activation)),
    "own initializer": lambda: generator(layers.Dense(5, kernel_initializer=own_initializer)),
    "shared layer": shared_dense,
    "two layers": weights_shared_by_layers,
    "nested network": lambda: generator(sequential((3,), layers.Dense(4))),
    "nested network with a lambda": lambda: generator(sequential((3,), layers.Lambda(lambda inputs: inputs * 2))),
    "sequential": lambda: sequential((3,), layers.Dense(SIDE * SIDE), layers.Reshape(SHAPE)),
    "input of another name": lambda: generator(layers.Dense(2), name="images"),
    "dict of inputs": lambda: (lambda z: keras.Model({"z": z}, to_images(z)))(keras.Input((3,), name="z")),
    "linear output": lambda: sequential((3,), layers.Dense(SIDE * SIDE), layers.Reshape(SHAPE)),
    "frozen layer": lambda: generator(layers.Dense(3, trainable=False)),
    "spectral norm": lambda: generator(layers.SpectralNormalization(layers.Dense(3))),
    "time distributed": lambda: generator(
        lambda z: layers.Flatten()(layers.TimeDistributed(layers.Dense(2))(layers.Reshape((3, 1))(z)))
    ),
    "recurrent": lambda: generator(lambda z: layers.GRU(3)(layers.Reshape((3, 1))(z))),
    "attention": lambda: generator(
        lambda z: layers.Flatten()(layers.Attention()([layers.Reshape((3, 1))(z), layers.Reshape((3, 1))(z)]))
    ),
}

NOT_LOADED = {
    "lambda": "Python code in the layer",
    "nested network with a lambda": "Python code in the layer",
    "own layer without a configuration": "NoConfig",
    "own layer with parts": "Nested",
    "own layer with a seed": "Noise",
    "own activation": "own_activation",
    "own initializer": "own_initializer",
}
"""Generators whose files plain Keras does not load, and a part of the message."""

CONDITIONAL = {
    "embedding": lambda: conditional(layers.Embedding(3, 2)),
    "labels first": lambda: conditional(layers.Embedding(3, 2), order=reversed_list),
    "dict": lambda: conditional(layers.Embedding(3, 2), order=dict),
    "one-hot": lambda: conditional(lambda labels: ops.one_hot(labels, 3)),
    "category encoding": lambda: conditional(
        lambda labels: layers.CategoryEncoding(3, "one_hot")(ops.expand_dims(labels, -1))
    ),
    "[B, 1]": lambda: conditional(
        lambda labels: layers.Flatten()(layers.Embedding(3, 2)(labels)), labels=keras.Input((1,), dtype="int32")
    ),
    "[B, 1] of floats": lambda: conditional(
        lambda labels: layers.Flatten()(layers.Embedding(3, 2)(labels)), labels=keras.Input((1,))
    ),
    "nested embedding": lambda: conditional(
        keras.Sequential([keras.Input((), dtype="int32"), layers.Embedding(3, 2), layers.Dense(2)])
    ),
    "cast labels": lambda: conditional(lambda labels: layers.Embedding(3, 2)(ops.cast(labels, "int64"))),
}

DISCRIMINATORS = {
    "batch norm": lambda: sequential(SHAPE, layers.Flatten(), layers.BatchNormalization(), layers.Dense(1)),
    "spectral norm": lambda: sequential(SHAPE, layers.Flatten(), layers.SpectralNormalization(layers.Dense(1))),
    "constraint": lambda: sequential(SHAPE, layers.Flatten(), layers.Dense(1, kernel_constraint="max_norm")),
    "lambda": lambda: sequential(SHAPE, layers.Flatten(), layers.Lambda(lambda inputs: -inputs), layers.Dense(1)),
    "own layer": lambda: sequential(SHAPE, layers.Flatten(), NoConfig(1)),
    "any size": lambda: sequential((None, None, 1), layers.Conv2D(2, 3), layers.GlobalMaxPooling2D(), layers.Dense(1)),
    "operators": lambda: (lambda x: keras.Model(x, layers.Dense(1)(layers.Flatten()(x * x + 1))))(keras.Input(SHAPE)),
}


def trained_values(network):
    return [np.array(variable) for variable in network.trainable_variables]


def train_a_step(g, d, *labels):
    """Returns a GAN of two networks after one step, whose weights and whose average have moved as they should."""
    gan = GAN(g, d)
    gan.compile("sgd", "sgd", penalties=[], run_eagerly=True)
    before = trained_values(gan.generator)
    assert_same(before, trained_values(gan.generator_ema))
    gan.train_on_batch(IMAGES, *labels)
    after, average = trained_values(gan.generator), trained_values(gan.generator_ema)
    share = 1 - 0.5 ** (len(IMAGES) / gan.ema_half_life)
    for old, new, mean in zip(before, after, average, strict=True):
        np.testing.assert_allclose(mean, old + share * (new - old), rtol=1e-4, atol=1e-7)
    assert any(not np.array_equal(old, new) for old, new in zip(before, after))
    return gan


@pytest.mark.filterwarnings(COPY_WARNING)
@pytest.mark.parametrize("name", sorted(GENERATORS))
def test_generators_train_average_sample_save_and_load(name, tmp_path):
    gan = train_a_step(GENERATORS[name](), discriminator())
    samples = generate(gan, 2)
    assert samples.shape == (2, *SHAPE)
    assert np.isfinite(samples).all()
    path = tmp_path / "generator.keras"
    gan.generator_ema.save(path)
    if name in NOT_LOADED:
        with pytest.raises(InputError, match=rf"only its own program knows.*load_model\(.*{NOT_LOADED[name]}"):
            load_generator(path)
    else:
        np.testing.assert_allclose(generate(load_generator(path), 2), samples, atol=1e-6)


@pytest.mark.parametrize("name", sorted(CONDITIONAL))
def test_conditional_generators_train_sample_save_and_load(name, tmp_path):
    gan = train_a_step(CONDITIONAL[name](), conditional_discriminator(), LABELS)
    assert NetworkInputs.of(gan.generator_ema).num_classes == 3
    samples = generate(gan, 3)
    assert not np.array_equal(generate(gan, 3, labels=1), samples)
    gan.generator_ema.save(tmp_path / "generator.keras")
    np.testing.assert_allclose(generate(load_generator(tmp_path / "generator.keras"), 3), samples, atol=1e-6)


@pytest.mark.parametrize("name", sorted(DISCRIMINATORS))
def test_discriminators_train(name):
    d = DISCRIMINATORS[name]()
    before = values(d)
    train_a_step(GENERATORS["sequential"](), d)
    assert any(not np.array_equal(old, new) for old, new in zip(before, values(d), strict=True))


def test_a_conditional_discriminator_with_other_inputs_trains():
    for options in ({"order": reversed_list}, {"order": dict}, {"encode": lambda labels: ops.one_hot(labels, 3)}):
        train_a_step(CONDITIONAL["embedding"](), conditional_discriminator(**options), LABELS)


# The copy of the averaged generator


@pytest.mark.parametrize("classes", [0, 3])
def test_a_generator_of_this_package_is_copied_through_its_configuration(classes):
    g = build_generator((8, 8, 1), 4, classes, width=2)
    copy = averaged_copy(g)
    assert copy.get_config() == keras.models.clone_model(g).get_config()
    assert_same(values(copy), values(g))
    assert not {id(variable) for variable in copy.variables} & {id(variable) for variable in g.variables}


@pytest.mark.parametrize("name", sorted(GENERATORS))
def test_the_copy_shares_no_variable_and_samples_the_same(name):
    g = GENERATORS[name]()
    copy = averaged_copy(g)
    assert not {id(variable) for variable in copy.variables} & {id(variable) for variable in g.variables}
    latents = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    inputs = NetworkInputs.of(g).arrange(latents=latents)
    np.testing.assert_allclose(copy(inputs, training=False), g(inputs, training=False), rtol=1e-5, atol=1e-6)
    before = values(g)
    for variable in copy.trainable_variables:
        variable.assign(variable + 1.0)
    assert_same(before, values(g))


# Refused networks


def two_outputs():
    latents = keras.Input((3,))
    return keras.Model(latents, [to_images(latents), latents])


def with_inputs(*inputs):
    return keras.Model(list(inputs), to_images(layers.Concatenate()([layers.Flatten()(one) for one in inputs])))


class Subclassed(keras.Model):
    """A model without known inputs."""

    def call(self, inputs):
        return inputs


REFUSED = {
    "two latents": (lambda: (with_inputs(keras.Input((3,)), keras.Input((3,))), None), "at most one each of latents"),
    "latents of rank 4": (lambda: (generator(layers.Flatten(), shape=(1, 1, 3)), None), "does not take latents"),
    "latents of integers": (
        lambda: (generator(lambda z: layers.Flatten()(layers.Embedding(5, 2)(z)), dtype="int32"), None),
        "Unknown input",
    ),
    "latents of any length": (
        lambda: (generator(lambda z: ops.sum(z, -1, keepdims=True), shape=(None,)), None),
        "Expected latents|length",
    ),
    "two outputs": (lambda: (two_outputs(), None), "not a generator. Expected one output"),
    "any size": (
        lambda: ((lambda z: keras.Model(z, layers.Reshape((-1, 4, 1))(z)))(keras.Input((None,))), None),
        "known length|known size",
    ),
    "fixed batch": (
        lambda: ((lambda z: keras.Model(z, to_images(z)))(keras.Input((3,), batch_size=2)), None),
        "any batch size",
    ),
    "subclassed": (lambda: (Subclassed(), None), "no known inputs"),
    "sequential without an input": (lambda: (keras.Sequential([layers.Dense(2)]), None), r"keras.Input\(shape\)"),
    "no model": (lambda: (lambda z: z, None), "Bad `generator`. Expected a functional Keras model"),
    "nothing": (lambda: (None, discriminator()), "Bad `generator`"),
    "a class": (lambda: (keras.Model, None), "Bad `generator`"),
    "swapped": (lambda: (discriminator(), GENERATORS["sequential"]()), "wrong order"),
    "twice": (lambda: (lambda d: (d, d))(discriminator()), "does not take latents"),
    "labels without classes": (
        lambda: (
            conditional(lambda labels: ops.cast(labels[:, None], "float32")),
            conditional_discriminator(),
        ),
        "number of classes of the generator is unknown",
    ),
    "other classes": (
        lambda: (CONDITIONAL["embedding"](), conditional_discriminator(layers.Embedding(4, 2))),
        "discriminator of 3 classes. Received: a discriminator of 4",
    ),
    "only G has labels": (lambda: (CONDITIONAL["embedding"](), None), "discriminator of 3 classes"),
    "logits [B]": (
        lambda: (None, (lambda x: keras.Model(x, layers.Flatten()(x)[:, 0]))(keras.Input(SHAPE))),
        r"logits \[B, 1\] of floats, such as from `Dense\(1\)`",
    ),
    "logits [B, 3]": (lambda: (None, sequential(SHAPE, layers.Flatten(), layers.Dense(3))), r"Dense\(1\)"),
    "patches": (lambda: (None, sequential(SHAPE, layers.Conv2D(1, 3))), r"GlobalAveragePooling2D\(\)"),
    "another size": (
        lambda: (None, sequential((8, 8, 1), layers.Flatten(), layers.Dense(1))),
        r"a discriminator of \(4, 4, 1\) images",
    ),
    "points": (lambda: (None, sequential((2,), layers.Dense(1))), "do not fit each other"),
}
"""Name -> (function that returns (generator, discriminator), None: a right one; part of the message)."""


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_unfit_networks_are_refused_when_the_gan_is_made(name):
    make, words = REFUSED[name]
    g, d = make()
    with pytest.raises(InputError, match=words):
        GAN(GENERATORS["sequential"]() if g is None and name != "nothing" else g, discriminator() if d is None else d)


def test_networks_that_share_a_layer_are_refused():
    shared = layers.Dense(16)
    g = sequential((16,), shared, layers.Reshape(SHAPE))
    with pytest.raises(InputError, match=r"The networks share layers.*kernel"):
        GAN(g, sequential(SHAPE, layers.Flatten(), shared, layers.Dense(1)))


def test_a_layer_that_cannot_be_copied_is_named():
    class Held(layers.Layer):
        """A layer whose part refuses copies."""

        def __init__(self, part):
            super().__init__(name="held")
            self.part = part

        def call(self, inputs):
            return inputs

    class Part:
        def __init__(self):
            self.content = 1

        def __setattr__(self, name, value):
            object.__setattr__(self, name, value)

        @property
        def __dict__(self):
            raise RuntimeError("of the part")

    with pytest.raises(InputError, match=r"cannot be copied.*layer 'held' \(Held\): RuntimeError: of the part"):
        GAN(generator(Held(Part())), discriminator())


# Warnings


def said_by(g=None, d=None):
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        GAN(g or GENERATORS["sequential"](), d or discriminator())
    return [str(warning.message) for warning in given]


@pytest.mark.parametrize("activation", ["sigmoid", "relu", "softmax"])
def test_an_output_without_negative_pixels_gives_a_warning(activation):
    dense = layers.Dense(SIDE * SIDE, activation=activation, name="last")
    (said,) = said_by(sequential((3,), dense, layers.Reshape(SHAPE)))
    assert said.endswith(f"Received: {activation} in the layer 'last'.")
    assert "Rescaling(2.0, -1.0)" in said
    (said,) = said_by(sequential((3,), layers.Dense(16), layers.Activation(activation), layers.Reshape(SHAPE)))
    assert f"Received: {activation}" in said
    assert not said_by(
        sequential((3,), layers.Dense(16, activation), layers.Rescaling(2.0, -1.0), layers.Reshape(SHAPE))
    )


def test_a_limited_logit_gives_a_warning():
    for activation in ("sigmoid", "tanh", "relu"):
        (said,) = said_by(d=sequential(SHAPE, layers.Flatten(), layers.Dense(1, activation=activation, name="last")))
        assert said == (
            "The losses take logits. Expected no activation at the end of the discriminator. "
            f"Received: {activation} in the layer 'last'."
        )


@pytest.mark.parametrize("activation", ["tanh", "linear", "leaky_relu"])
def test_usual_networks_give_no_warning(activation):
    dense = layers.Dense(SIDE * SIDE, activation=activation)
    assert not said_by(sequential((3,), dense, layers.Reshape(SHAPE)))


def test_weights_that_a_loss_does_not_reach_are_named_once_and_stay():
    latents = keras.Input((2,))
    unused = layers.Dense(2, name="unused")
    outputs = layers.Dense(2)(latents) + 0.0 * ops.cast(ops.argmax(unused(latents), -1, keepdims=True), "float32")
    gan = GAN(keras.Model(latents, outputs), sequential((2,), layers.Dense(1)))
    gan.compile("sgd", "sgd", penalties=[])
    before = values(unused)
    points = np.zeros((8, 2), np.float32)
    with pytest.warns(UserWarning, match="not trained: unused/kernel, unused/bias") as given:
        gan.fit(points, batch_size=4, epochs=2, verbose=0)
    assert len([one for one in given if "are not trained" in str(one.message)]) == 1
    assert_same(before, values(unused))


def test_a_loss_that_reaches_no_weight_is_refused():
    latents = keras.Input((2,))
    rounded = ops.cast(ops.argmax(layers.Dense(2)(latents), -1, keepdims=True), "float32") + ops.zeros_like(latents)
    gan = GAN(keras.Model(latents, rounded), sequential((2,), layers.Dense(1)))
    gan.compile("sgd", "sgd", penalties=[], run_eagerly=True)
    with pytest.raises(InputError, match="No weight changes `g_loss`"):
        gan.fit(np.zeros((4, 2), np.float32), verbose=0)


def test_a_frozen_layer_keeps_its_weights():
    gan = dense_gan(generator=[layers.Dense(2, trainable=False, name="frozen")])
    before = values(gan.generator.get_layer("frozen"))
    gan.fit(tf.zeros((4, 2)), verbose=0)
    assert_same(before, values(gan.generator.get_layer("frozen")))


class WithFunctions(layers.Layer):
    """A layer whose attributes are functions of itself, of another layer, and of neither."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(4)
        inner = layers.Dense(4)
        self.inner = inner
        self.apply_kernel = lambda values: values @ self.kernel
        self.listed = [lambda values: self.dense(values), lambda values, layer=inner: layer(values)]
        self.leaky = functools.partial(keras.ops.leaky_relu, negative_slope=0.2)
        self.bound = functools.partial(self.dense.__call__)
        self.logger = logging.getLogger("layer")
        self.lock = threading.Lock()

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 4))
        self.dense.build((None, 4))
        self.inner.build((None, 4))

    def call(self, values):
        values = self.apply_kernel(values)
        for function in self.listed:
            values = function(values)
        return self.leaky(self.bound(values))


@pytest.mark.parametrize("kind", ["own layer", "Lambda"])
def test_functions_of_a_copied_layer_use_the_weights_of_the_copy(kind):
    dense = layers.Dense(4)
    body = [WithFunctions()] if kind == "own layer" else [dense, layers.Lambda(lambda values: dense(values))]
    original = sequential((4,), *body, layers.Dense(64), layers.Reshape((8, 8, 1)))
    copy = averaged_copy(original)
    latents = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    before = np.asarray(original(latents))
    np.testing.assert_allclose(copy(latents), before, rtol=1e-6)
    original.set_weights([weight + 1.0 for weight in original.get_weights()])
    np.testing.assert_array_equal(copy(latents), before)
    copy.set_weights(original.get_weights())
    np.testing.assert_allclose(copy(latents), original(latents), rtol=1e-5)
