"""Tests of the random numbers of train steps."""

import numpy as np
import tensorflow as tf

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


def test_keys_and_uniform_numbers_are_the_same_under_xla():
    def draw():
        return random.uniform((7, 1, 3), random.fold_in(KEY, 3), -1.0, 1.0)

    np.testing.assert_array_equal(tf.function(draw, jit_compile=True)(), draw())
