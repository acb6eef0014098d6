"""Tests of the dropout layer: the dropped share, the scale of the rest, and inference."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gan.models.networks.tf_tutorial import Dropout


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("shape", [(50_001,), (7, 9, 11, 101)])
def test_drops_the_share_and_keeps_the_mean(rate, shape):
    dropped = np.asarray(Dropout(rate, seed=0)(np.ones(shape, "float32"), training=True))
    assert dropped.shape == shape
    share = np.mean(dropped == 0.0)
    assert abs(share - rate) < 4 * np.sqrt(rate * (1 - rate) / dropped.size)
    np.testing.assert_allclose(dropped[dropped != 0.0], 1 / (1 - rate), rtol=1e-4)


def test_neighbors_are_dropped_independently():
    """The two halves of one random number decide about neighbors."""
    dropped = np.asarray(Dropout(0.5, seed=1)(np.ones(100_000, "float32"), training=True)) == 0.0
    for step in (1, 2):
        assert abs(np.mean(dropped[:-step] & dropped[step:]) - 0.25) < 0.01


def test_drops_nothing_outside_of_training():
    x = np.arange(6, dtype="float32")
    np.testing.assert_array_equal(Dropout(0.5)(x, training=False), x)
    np.testing.assert_array_equal(Dropout(0.0)(x, training=True), x)


def test_each_call_drops_other_values_and_the_seed_decides_which():
    x, one, same, other = np.ones(1_000, "float32"), Dropout(0.5, seed=3), Dropout(0.5, seed=3), Dropout(0.5, seed=4)
    first = np.asarray(one(x, training=True))
    np.testing.assert_array_equal(first, same(x, training=True))
    assert (first != np.asarray(one(x, training=True))).any()
    assert (first != np.asarray(other(x, training=True))).any()


def test_only_kept_values_have_a_gradient():
    x, layer = tf.ones([1_000]), Dropout(0.3, seed=0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
    np.testing.assert_array_equal(tape.gradient(y, x), y)


def test_bfloat16_stays_bfloat16():
    assert Dropout(0.3, dtype="mixed_bfloat16")(np.ones((4, 5), "float32"), training=True).dtype == "bfloat16"


def test_a_saved_layer_loads_as_the_same_class(tmp_path):
    keras.Sequential([keras.Input((5,)), Dropout(0.25)]).save(tmp_path / "d.keras")
    layer = keras.saving.load_model(tmp_path / "d.keras").layers[0]
    assert type(layer) is Dropout
    assert layer.rate == 0.25
