"""Tests that the inputs of a network are found by name and shape, and that the network is called with them."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.comparison import assert_same
from hypothesis import given, settings
from hypothesis import strategies as st

from gan import GAN, build_discriminator, build_generator, generate, interpolate, project
from gan.errors import InputError
from gan.models import networks
from gan.models.networks import NetworkInputs
from gan.sampling import compiled

layers, ops = keras.layers, keras.ops

SHAPE, CLASSES = (12, 8, 3), 5
Z, X, Y = np.full((2, 4), 3.0, np.float32), np.full((2, 2, 2, 1), 5.0, np.float32), np.array([7, 8], np.int32)
VALUES = {"latents": Z, "images": X, "labels": Y}


def custom_network(kinds, names, nest=list):
    """Returns a network with output mean(latents) + 10 mean(images) + 100 label, [B, 1], of the given inputs."""
    shapes = {"latents": (4,), "images": (2, 2, 1), "labels": ()}
    weights = {"latents": 1.0, "images": 10.0, "labels": 100.0}
    inputs, terms = {}, []
    for kind, name in zip(kinds, names):
        inputs[name] = keras.Input(shapes[kind], dtype="int32" if kind == "labels" else None, name=name)
        flat = ops.reshape(ops.cast(inputs[name], "float32"), (-1, int(np.prod(shapes[kind]))))
        terms.append(weights[kind] * ops.mean(flat, axis=1, keepdims=True))
    return keras.Model(inputs if nest is dict else list(inputs.values()), sum(terms[1:], terms[0]))


def swapped(network, nest=list):
    """Returns the same network with the labels first, or with both inputs in a dict."""
    first, labels = network.inputs
    inputs = [labels, first] if nest is list else {"labels": labels, "latents": first}
    return keras.Model(inputs, network.output, name=network.name)


# Networks of this package


def test_a_conditional_generator():
    inputs = NetworkInputs.of(build_generator((8, 8, 1), 4, 3, width=2))
    assert list(inputs.specs) == inputs.structure == ["latents", "labels"]
    assert list(inputs.specs.values()) == [tf.TensorSpec((None, 4), "float32"), tf.TensorSpec((None,), "int32")]
    assert (inputs.latent_dim, inputs.num_classes, str(inputs)) == (4, 3, "latents [B, 4], labels [B]")
    arranged = inputs.arrange(labels=Y, latents=Z)
    assert type(arranged) is list
    assert arranged[0] is Z
    assert arranged[1] is Y


def test_an_unconditional_discriminator():
    inputs = NetworkInputs.of(build_discriminator((8, 8, 1), width=2))
    assert (inputs.image_shape, inputs.num_classes, str(inputs)) == ((8, 8, 1), 0, "images [B, 8, 8, 1]")
    assert inputs.arrange(images=X, labels=Y) is X
    assert inputs.arrange(images=X) is X
    (only,) = inputs.in_order(images=X, labels=Y)
    assert only is X


COMBINATIONS = [
    (arch, classes, conditioning, norm)
    for arch, classes, norm in itertools.product(sorted(networks.GENERATORS), [0, CLASSES], sorted(networks.NORMS))
    for conditioning in (sorted(networks.CONDITIONINGS) if classes else ["projection"])
]


@pytest.mark.parametrize("combination", COMBINATIONS, ids=str)
def test_every_combination_of_networks(combination):
    arch, classes, conditioning, norm = combination
    generator = build_generator(SHAPE, 4, classes, arch, width=1)
    discriminator = build_discriminator(SHAPE, classes, arch, width=1, conditioning=conditioning, norm=norm)
    networks.check_pair(generator, discriminator)
    labels = np.arange(2, dtype=np.int32)
    for network, name, shape in ((generator, "latents", (4,)), (discriminator, "images", SHAPE)):
        inputs = NetworkInputs.of(network)
        assert inputs == NetworkInputs.of(network, main=name)
        assert inputs == NetworkInputs.of(keras.models.clone_model(network))
        assert inputs.num_classes == classes
        assert list(inputs.specs) == [name, "labels"][: 1 + bool(classes)]
        assert tuple(inputs.specs[name].shape) == (None, *shape)
        value = np.random.default_rng(0).uniform(-1, 1, (2, *shape)).astype(np.float32)
        direct = network([value, labels] if classes else value, training=False)
        arranged = network(inputs.arrange(**{name: value}, labels=labels), training=False)
        np.testing.assert_array_equal(direct, arranged)


# Networks of users


@st.composite
def custom_inputs(draw):
    """(kinds of the inputs in their order, names of the inputs, type that nests them)."""
    kinds = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, unique=True))
    names = draw(st.permutations([*VALUES, "z", "input_1", "y_true"]))[: len(kinds)]
    return kinds, names, draw(st.sampled_from([list, dict]))


@settings(max_examples=40, deadline=None)
@given(custom_inputs())
def test_finds_inputs_by_shape_for_any_names(drawn):
    kinds, names, nest = drawn
    network = custom_network(kinds, names, nest)
    inputs = NetworkInputs.of(network)
    in_order = [kind for _, kind in sorted(zip(names, kinds))] if nest is dict else kinds
    assert list(inputs.specs) == in_order
    assert all(value is VALUES[kind] for value, kind in zip(inputs.in_order(**VALUES), in_order, strict=True))
    expected = np.zeros((2, 1))
    for kind, term in (("latents", 3.0), ("images", 50.0), ("labels", 100.0 * Y[:, None])):
        expected += term * (kind in kinds)
    np.testing.assert_array_equal(network(inputs.arrange(**VALUES), training=False), expected)


def test_a_sequential_model_has_inputs_before_and_after_its_first_call():
    generator = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    before = NetworkInputs.of(generator)
    generator(np.zeros((1, 3), np.float32))
    assert before == NetworkInputs.of(generator)
    assert (before.structure, before.latent_dim) == ("latents", 3)


def test_points_are_images_if_the_caller_says_so():
    discriminator = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    assert list(NetworkInputs.of(discriminator).specs) == ["latents"]
    assert NetworkInputs.of(discriminator, main="images").image_shape == (2,)
    point, label = keras.Input((2,), name="latents"), keras.Input((), dtype="int32")
    both = keras.Model([label, point], layers.Dense(1)(point))
    assert list(NetworkInputs.of(both, main="images").specs) == ["labels", "images"]
    condition, named = keras.Input((4,)), keras.Input((2,), name="images")
    both = keras.Model([condition, named], layers.Dense(1)(named))
    assert list(NetworkInputs.of(both, main="images").specs) == ["latents", "images"]


@pytest.mark.parametrize("nest", [list, dict])
def test_samples_do_not_depend_on_the_order_of_the_inputs(nest):
    generator = build_generator((12, 12, 1), 4, 3, width=2)
    other = swapped(generator, nest)
    assert NetworkInputs.of(other).num_classes == 3
    assert list(NetworkInputs.of(other).specs) == ["labels", "latents"]
    np.testing.assert_array_equal(generate(generator, 7, seed=1), generate(other, 7, seed=1))
    np.testing.assert_array_equal(interpolate(generator, 0, 2, 3), interpolate(other, 0, 2, 3))
    images = generate(generator, 2)
    found = [project(network, images, steps=3, restarts=1) for network in (generator, other)]
    np.testing.assert_array_equal(found[0].latents, found[1].latents)
    graph, labels = compiled(other), np.array([0, 1], np.int32)
    np.testing.assert_array_equal(graph(labels, Z), compiled(generator)(Z, labels))


def test_training_does_not_depend_on_the_order_of_the_inputs():
    logs = []
    for change in (lambda network: network, swapped):
        keras.utils.set_random_seed(0)
        generator, discriminator = build_generator((8, 8, 1), 4, 3, width=2), build_discriminator((8, 8, 1), 3, width=2)
        gan = GAN(change(generator), change(discriminator))
        gan.compile("adam", "adam", penalties=["r1"], mismatched_labels=0.25)
        data = np.random.default_rng(0).uniform(-1, 1, (16, 8, 8, 1)).astype(np.float32), np.arange(16) % 3
        history = gan.fit(*data, batch_size=4, shuffle=False, verbose=0).history
        logs.append([*history.values(), generate(gan.generator_ema, 3), gan(Z, Y % 3)])
    assert_same(*logs)


# Rejected networks and values


def test_rejects_an_unknown_input():
    latents, tokens = keras.Input((4,), name="latents"), keras.Input((7,), dtype="int32", name="tokens")
    network = keras.Model([latents, tokens], layers.Dense(1)(latents))
    with pytest.raises(InputError) as error:
        NetworkInputs.of(network)
    assert str(error.value) == (
        "Unknown input of a network. Expected at most one each of latents [B, L], images [B, H, W, C], labels [B]. "
        "Received: latents [B, 4] float32, tokens [B, 7] int32."
    )
    with pytest.raises(InputError, match="at most one each"):
        NetworkInputs.of(keras.Model([latents, keras.Input((3,))], layers.Dense(1)(latents)))


class Subclassed(keras.Model):
    """A model without known inputs."""


@pytest.mark.parametrize("network", [Subclassed(), keras.Sequential([layers.Dense(2)])], ids=["subclassed", "unbuilt"])
def test_rejects_a_model_without_inputs(network):
    with pytest.raises(InputError, match=rf"Expected a functional model.*Received: {type(network).__name__}\."):
        NetworkInputs.of(network)


def test_rejects_missing_and_unknown_values():
    inputs = NetworkInputs.of(custom_network(["latents", "labels"], ["z", "y"]))
    with pytest.raises(InputError, match=r"needs more inputs. Expected latents \[B, 4\], labels \[B\]. Received: lat"):
        inputs.arrange(latents=Z)
    with pytest.raises(InputError, match="Received: labels"):
        inputs.in_order(latents=None, labels=Y)
    with pytest.raises(InputError, match="Received: nothing"):
        inputs.arrange()
    with pytest.raises(
        InputError, match=r"Unknown input. Expected some of .'latents', 'images', 'labels'.. Received: y\."
    ):
        inputs.arrange(latents=Z, labels=Y, y=Y)


def test_rejects_reading_the_shape_of_a_missing_input():
    generator, discriminator = build_generator((8, 8, 1), 4, width=2), build_discriminator((8, 8, 1), width=2)
    with pytest.raises(
        InputError, match=r"does not take images. Expected images \[B, H, W, C\]. Received: latents \[B, 4\]"
    ):
        _ = NetworkInputs.of(generator).image_shape
    with pytest.raises(
        InputError, match=r"does not take latents. Expected latents \[B, L\]. Received: images \[B, 8, 8, 1\]"
    ):
        GAN(keras.Sequential([keras.Input((8, 8, 1)), layers.Activation("tanh")]), discriminator)
