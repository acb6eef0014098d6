"""Tests of the random numbers of train steps."""

import ast

import numpy as np
import pytest
import tensorflow as tf
from helpers import rooms

from gan.models import random

KEY = random.key(5, 6)


def test_uniform_numbers_are_uniform_between_their_limits():
    numbers = random.uniform((100_000,), KEY, -2.0, 6.0).numpy()
    assert -2 <= numbers.min() < -1.99
    assert 5.99 < numbers.max() < 6
    counts = np.histogram(numbers, bins=16)[0]
    assert np.square(counts - 6_250).sum() / 6_250 < 37.7  # chi square with 15 degrees of freedom, .999


def test_numbers_depend_only_on_the_key():
    np.testing.assert_array_equal(random.uniform((5,), KEY), random.uniform((5,), KEY))
    for other in (random.fold_in(KEY, 0), random.fold_in(KEY, 1), random.key(6, 5)):
        assert not np.intersect1d(random.uniform((50,), KEY), random.uniform((50,), other)).size


SHAPES = [(), (1,), (7, 1, 3), (64, 64), (1_024, 32)]
"""Shapes with odd and even numbers of elements."""


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("draw", [random.bits, random.uniform, random.normal], ids=["bits", "uniform", "normal"])
def test_numbers_are_the_same_in_every_mode(draw, shape):
    def drawn():
        return draw(shape, random.fold_in(KEY, 3))

    eager = drawn().numpy()
    assert eager.shape == shape
    for xla in (False, True):
        np.testing.assert_array_equal(tf.function(drawn, jit_compile=xla)(), eager)


def test_the_shape_of_normal_numbers_may_be_a_tensor():
    def drawn(rows):
        return random.normal((tf.shape(rows)[0], 5), KEY)

    signature = [tf.TensorSpec([None], tf.float32)]
    np.testing.assert_array_equal(
        tf.function(drawn, input_signature=signature)(tf.zeros(3)), random.normal((3, 5), KEY)
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_normal_numbers_are_those_of_tensorflow(shape):
    """Samples of published seeds stay the same."""
    expected = tf.random.stateless_normal(shape, KEY, alg="philox")
    np.testing.assert_allclose(random.normal(shape, KEY), expected, rtol=0, atol=1e-6)


def test_normal_numbers_are_the_box_muller_transform_of_pairs_of_bits():
    first, second = np.random.default_rng(0).integers(0, 2**23, (2, 2), np.uint32)
    first[0] = 0  # the logarithm of 0 is replaced by that of 1e-7
    pairs = tf.constant(np.stack([first, second], axis=1) | np.uint32(2**31))  # the highest 9 bits have no effect
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(random, "bits", lambda shape, key: pairs)
        numbers = random.normal((2, 2), KEY).numpy()
    u, v = np.maximum(first * 2.0**-23, np.float64(np.float32(1e-7))), second * 2.0**-23
    expected = np.sqrt(-2 * np.log(u)) * np.stack([np.sin(2 * np.pi * v), np.cos(2 * np.pi * v)])
    np.testing.assert_array_equal(numbers, expected.T.astype(np.float32))


def test_normal_numbers_have_the_moments_of_the_normal_distribution():
    numbers = random.normal((400_000,), KEY).numpy().astype(np.float64)
    for power, moment, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):  # spread: variance of x^power
        assert abs(np.mean(numbers**power) - moment) < 4 * np.sqrt(spread / numbers.size)


def test_every_call_of_a_stateless_generator_names_its_algorithm():
    """The default `auto_select` depends on the device."""
    calls = []
    for name, path in rooms.sources().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = getattr(node.func, "attr", "") if isinstance(node, ast.Call) else ""
            if called.startswith("stateless_") and called != "stateless_call":  # a method of Keras' layers
                calls.append(
                    (name, {word.arg: getattr(word.value, "value", None) for word in node.keywords}.get("alg"))
                )
    assert len(calls) >= 5
    assert [name for name, algorithm in calls if algorithm != "philox"] == []
