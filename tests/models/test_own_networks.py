"""Tests that networks of users train and are averaged, and that unfit networks are refused when the GAN is made."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from gan import GAN, InputError, generate
from gan.models.network_copy import averaged_copy

L, SHAPE, CLASSES = 4, (2, 2, 1), 3
X = np.random.default_rng(0).uniform(-1, 1, (8, *SHAPE)).astype(np.float32)
Y = (np.arange(8) % CLASSES).astype(np.int32)
Z = np.random.default_rng(1).normal(size=(3, L)).astype(np.float32)


def bend(x):
    """Returns a function of x, as users write activations."""
    return ops.tanh(x) * 0.9


class PixelNorm(layers.Layer):
    """A layer whose `__init__` takes no options of Keras."""

    def __init__(self, epsilon=1e-8):
        super().__init__()
        self.epsilon = epsilon

    def call(self, x):
        return x * ops.rsqrt(ops.mean(x * x, axis=-1, keepdims=True) + self.epsilon)

    def get_config(self):
        return {"epsilon": self.epsilon}


class Block(layers.Layer):
    """Layers in a list, in a dict and in a model, state, random numbers, and a function. It has no `get_config`."""

    def __init__(self, function):
        super().__init__()
        self.function, self.first = function, [layers.Dense(5), layers.BatchNormalization()]
        self.rest = {"drop": layers.Dropout(0.5), "net": keras.Sequential([keras.Input((5,)), layers.Dense(L)])}
        self.seeds, self.last = keras.random.SeedGenerator(1), self.finish

    def build(self, shape):
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, name="calls")

    def finish(self, x):
        return self.function(self.rest["net"](x))

    def call(self, x, training=None):
        for layer in self.first:
            x = layer(x)
        if training:
            self.calls.assign_add(1.0)
            x = x + 0.1 * keras.random.normal(ops.shape(x), seed=self.seeds)
        return self.last(self.rest["drop"](x, training=training))


class Transposed(layers.Layer):
    """Multiplies by the transposed weights of another layer."""

    def __init__(self, other):
        super().__init__()
        self.other = other

    def call(self, x):
        return ops.matmul(x, ops.transpose(self.other.kernel))


class Subclassed(keras.Model):
    """A model without known inputs."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(4)

    def call(self, x):
        return ops.reshape(ops.tanh(self.dense(x)), (-1, *SHAPE))


class Unused(layers.Layer):
    """The identity, with a weight."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(3,), name="scale")

    def call(self, x):
        return x


def chain(*between, **dense):
    """Returns a generator with some layers after its input."""
    x = z = keras.Input((L,))
    for layer in between:
        x = layer(x)
    return keras.Model(z, layers.Reshape(SHAPE)(layers.Dense(4, **{"activation": "tanh", **dense})(x)))


def operators():
    z = keras.Input((L,))
    x = layers.Dense(4)(z)
    return keras.Model(z, ops.reshape(ops.tanh(layers.Dense(4)(x) * 0.5 + x), (-1, *SHAPE)))


def repeated():
    z, layer = keras.Input((L,)), layers.Dense(L, activation=bend)
    return keras.Model(z, layers.Reshape(SHAPE)(layer(layer(z))))


def tied():
    z, layer = keras.Input((L,)), layers.Dense(L, use_bias=False)
    return keras.Model(z, layers.Reshape(SHAPE)(layers.Activation("tanh")(Transposed(layer)(layer(z)))))


def around(network):
    z = keras.Input((L,))
    return keras.Model(z, network(z))


def generator(labels=None, encode=None, last_first=False):
    """Returns a generator with an input of labels."""
    z, y = keras.Input((L,)), keras.Input((), dtype="int32", name="kind") if labels is None else labels
    encoded = (encode or layers.Embedding(CLASSES, 2))(y)
    x = layers.Concatenate()([z, layers.Flatten()(encoded)])
    return keras.Model([y, z] if last_first else [z, y], layers.Reshape(SHAPE)(layers.Dense(4, activation="tanh")(x)))


def critic(*layers_before, units=1, activation=None, shape=SHAPE):
    return keras.Sequential(
        [keras.Input(shape), *layers_before, layers.Flatten(), layers.Dense(units, activation=activation)]
    )


def conditional_critic():
    x, y = keras.Input(SHAPE), keras.Input((1,), dtype="int64", name="wanted")
    both = layers.Concatenate()([layers.Flatten()(x), layers.Flatten()(layers.Embedding(CLASSES, 2)(y))])
    return keras.Model([x, y], layers.Dense(1)(both))


def made(g=None, d=None, **options):
    gan = GAN(g or chain(), d or critic())
    gan.compile("adam", "adam", **options)
    return gan


UNCONDITIONAL = {
    "operators": operators,
    "activation": lambda: chain(activation=bend),
    "initializer": lambda: chain(kernel_initializer=lambda shape, dtype=None: 0.1 * ops.ones(shape, dtype)),
    "Lambda": lambda: chain(layers.Lambda(lambda x: 2.0 * x)),
    "without options": lambda: chain(PixelNorm(0.5)),
    "block": lambda: chain(Block(bend)),
    "layer twice": repeated,
    "shared weights": tied,
    "nested": lambda: around(chain(PixelNorm(), activation=bend)),
    "nested subclass": lambda: around(Subclassed()),
    "sequential": lambda: keras.Sequential([keras.Input((L,)), layers.Dense(4, bend), layers.Reshape(SHAPE)]),
}


@pytest.mark.parametrize("kind", sorted(UNCONDITIONAL))
def test_the_average_is_an_independent_copy(kind):
    keras.utils.set_random_seed(0)
    original = UNCONDITIONAL[kind]()
    copy = averaged_copy(original)
    np.testing.assert_array_equal(copy(Z), original(Z))
    assert [tuple(w.shape) for w in copy.weights] == [tuple(w.shape) for w in original.weights]
    assert {id(v) for v in copy.variables}.isdisjoint({id(v) for v in original.variables})
    before = np.array(copy(Z))
    original.set_weights([weight + 0.5 for weight in original.get_weights()])
    assert np.abs(original(Z) - before).max() > 1e-3
    np.testing.assert_array_equal(copy(Z), before)
    copy.set_weights(original.get_weights())
    np.testing.assert_array_equal(copy(Z), original(Z))


@pytest.mark.parametrize("kind", ["block", "shared weights"])
def test_own_networks_train_and_sample(kind):
    gan = made(UNCONDITIONAL[kind]())
    before = gan.generator_ema.get_weights()
    gan.fit(X, batch_size=4, verbose=0)
    assert any(np.any(a != b) for a, b in zip(before, gan.generator_ema.get_weights()))
    assert generate(gan.generator_ema, 2).shape == (2, *SHAPE)


@pytest.mark.parametrize("kind", ["Lambda", "activation", "operators"])
def test_the_average_is_saved_and_loaded(kind, tmp_path):
    average = made(UNCONDITIONAL[kind]()).generator_ema
    average.save(tmp_path / "own.keras")
    loaded = keras.models.load_model(tmp_path / "own.keras", custom_objects={"bend": bend}, safe_mode=False)
    np.testing.assert_array_equal(loaded(Z), average(Z))


class Uncopyable(layers.Layer):
    """A layer with an attribute that refuses to be read."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, x):
        return x

    @property
    def dtype_policy(self):
        return super().dtype_policy

    @dtype_policy.setter
    def dtype_policy(self, value):
        raise RuntimeError("not in another precision")


def test_names_a_layer_that_cannot_be_copied():
    with pytest.raises(InputError, match=r"cannot be copied.*uncopyable.*\(Uncopyable\): RuntimeError: not in another"):
        made(chain(Uncopyable(bend)))


LABELED = {
    "embedding": generator,
    "labels first": lambda: generator(last_first=True),
    "one-hot": lambda: generator(encode=lambda y: ops.one_hot(y, CLASSES)),
    "after a cast": lambda: generator(encode=lambda y: ops.one_hot(ops.cast(y, "int64"), CLASSES)),
    "CategoryEncoding": lambda: generator(encode=layers.CategoryEncoding(CLASSES, "one_hot")),
    "nested": lambda: generator(
        encode=keras.Sequential([keras.Input((), dtype="int32"), layers.Embedding(CLASSES, 2)])
    ),
    "one column": lambda: generator(keras.Input((1,), dtype="int32")),
    "one column of floats": lambda: generator(keras.Input((1,))),
}


@pytest.mark.parametrize("kind", sorted(LABELED))
def test_finds_labels_and_classes_of_any_name(kind):
    gan = made(LABELED[kind](), conditional_critic())
    labels = np.array([0, 1], np.int32)
    assert gan(Z[:2], labels).shape == (2, 1)
    assert generate(gan.generator_ema, 2, labels=2).shape == (2, *SHAPE)
    with pytest.raises(InputError, match="from 0 to 2"):
        generate(gan.generator_ema, 2, labels=3)


def test_trains_own_conditional_networks():
    gan = made(LABELED["one column"](), conditional_critic())
    gan.fit(X, Y, batch_size=4, verbose=0)
    assert int(gan.step) == 2


def shared_pair():
    layer = layers.Dense(4)
    z, x = keras.Input((L,)), keras.Input(SHAPE)
    g = keras.Model(z, layers.Reshape(SHAPE)(layers.Activation("tanh")(layer(z))))
    return g, keras.Model(x, layers.Dense(1)(layer(layers.Flatten()(x))))


def two_outputs():
    x = keras.Input(SHAPE)
    return keras.Model(x, [layers.Dense(units)(layers.Flatten()(x)) for units in (1, 3)])


UNFIT = {
    "subclassed": (lambda: (Subclassed(), critic()), r"no known inputs.*keras\.Model\(inputs, network\(inputs\)\)"),
    "no input": (lambda: (keras.Sequential([layers.Dense(2)]), critic()), r"no known inputs.*keras\.Input\(shape\)"),
    "a name": (lambda: ("dcgan", critic()), "Bad `generator`"),
    "a function": (lambda: (chain(), bend), "Bad `discriminator`"),
    "images in": (lambda: (critic(shape=(1, 1, 4)), critic()), "wrong order|does not take latents"),
    "two noises": (lambda: (generator(keras.Input((5,)), layers.Dense(2)), critic()), "Unknown input"),
    "text": (
        lambda: (
            generator(
                keras.Input((), dtype="string"),
                lambda y: layers.Embedding(2, 2)(layers.StringLookup(vocabulary=["a"])(y)),
            ),
            critic(),
        ),
        "Unknown input.*string",
    ),
    "classes unknown": (
        lambda: (generator(encode=lambda y: ops.cast(y, "float32")[:, None]), conditional_critic()),
        "number of classes.*unknown.*label_embedding",
    ),
    "other classes": (
        lambda: (generator(encode=layers.Embedding(5, 2)), conditional_critic()),
        "5 classes.*3 classes",
    ),
    "swapped": (lambda: (critic(), chain()), r"wrong order.*GAN\(generator, discriminator\)"),
    "two outputs": (lambda: (chain(), two_outputs()), r"not a discriminator.*logits \[B, 1\]"),
    "three logits": (lambda: (chain(), critic(units=3)), r"not a discriminator.*Dense\(1\).*\[B, 3\]"),
    "patches": (
        lambda: (chain(), keras.Sequential([keras.Input(SHAPE), layers.Conv2D(1, 1)])),
        r"GlobalAveragePooling2D.*\[B, 2, 2, 1\]",
    ),
    "other size": (lambda: (chain(), critic(shape=(4, 2, 1))), r"\(2, 2, 1\) images.*\(4, 2, 1\)"),
    "shared layer": (shared_pair, r"share layers.*kernel"),
    "fixed batch": (
        lambda: (keras.Sequential([keras.Input(batch_shape=(4, L)), layers.Dense(4), layers.Reshape(SHAPE)]), critic()),
        "any batch size.*4",
    ),
}


@pytest.mark.parametrize("kind", sorted(UNFIT))
def test_refuses_unfit_networks(kind):
    networks, message = UNFIT[kind]
    with pytest.raises(InputError, match=message):
        GAN(*networks())


def test_a_discriminator_of_any_size_fits():
    anything = keras.Sequential(
        [keras.Input((None, None, 1)), layers.Conv2D(2, 1), layers.GlobalAveragePooling2D(), layers.Dense(1)]
    )
    assert made(d=anything)(Z).shape == (3, 1)


@pytest.mark.parametrize(
    ("networks", "message"),
    [
        (lambda: (chain(), critic(activation="sigmoid")), r"take logits.*sigmoid in the layer 'dense"),
        (lambda: (chain(activation="sigmoid"), critic()), r"Images are in \[-1, 1\].*sigmoid in the layer 'dense"),
    ],
    ids=["discriminator", "generator"],
)
def test_warns_of_a_last_activation_with_another_range(networks, message):
    with pytest.warns(UserWarning, match=message):
        GAN(*networks())


@pytest.mark.parametrize("of_generator", [True, False])
def test_warns_of_weights_that_no_loss_reaches(of_generator):
    networks = (chain(Unused()), critic()) if of_generator else (chain(), critic(Unused()))
    with pytest.warns(UserWarning, match=rf"do not change `{'g' if of_generator else 'd'}_loss`.*unused.*/scale"):
        made(*networks).train_on_batch(X)


def test_only_the_trainable_part_of_a_network_trains():
    g = chain(layers.Dense(L))
    g.layers[1].trainable = False
    gan, frozen, free = made(g), g.layers[1].get_weights(), g.layers[2].get_weights()
    gan.train_on_batch(X)
    np.testing.assert_array_equal(g.layers[1].get_weights()[0], frozen[0])
    assert np.any(g.layers[2].get_weights()[0] != free[0])
