from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.tiny import sequential, small_gan, table, text
from keras import layers

from gan.errors import InputError
from gan.evaluation.robustness import SEVERITIES, classifier_curve, error_rate, generator_error_rate
from gan.evaluation.robustness.batches import InputNoise
from gan.evaluation.robustness.typos import Typos, mistyped
from gan.tolerance import ErrorRate

# Error rates of a classifier

X = np.array([[1.0, 0], [-1, 0], [2, 0], [-2, 0], [3, 0]], np.float32)
Y = np.array([1, 0, 0, 1, 1])  # by the sign of the first column: right, right, wrong, wrong, right


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_every_example_counts_whatever_the_batch(batch_size):
    logit = partial(error_rate, table(), from_logits=True)
    assert logit((X, Y), batch_size=batch_size) == ErrorRate(2, 5)
    assert logit((X, Y[:, None]), batch_size=batch_size) == ErrorRate(2, 5)
    assert logit(tf.data.Dataset.from_tensor_slices((X, Y)).batch(batch_size)) == ErrorRate(2, 5)
    probability = table(activation="sigmoid")
    assert error_rate(probability, (X, Y), from_logits=False, batch_size=batch_size) == ErrorRate(2, 5)
    # of the outputs x and 2x, the second is larger when x > 0: the same predictions
    assert error_rate(table(2), (X, Y), batch_size=batch_size) == ErrorRate(2, 5)
    assert error_rate(table(2, "softmax"), (X, Y), batch_size=batch_size) == ErrorRate(2, 5)


def test_a_logit_is_not_a_probability():
    assert error_rate(table(), (X * 0.1, Y), from_logits=True) == ErrorRate(2, 5)
    assert error_rate(table(), (X * 0.1, Y), from_logits=False) == ErrorRate(3, 5)  # none is > .5


def test_an_output_that_is_no_number_is_wrong():
    broken = X.copy()
    broken[:2] = np.nan
    assert error_rate(table(2), (broken, Y)) == ErrorRate(4, 5)
    assert error_rate(table(), (broken, Y), from_logits=True) == ErrorRate(4, 5)


def test_several_inputs_by_name_or_in_order():
    inputs = {"a": keras.Input((1,), name="a"), "b": keras.Input((1,), name="b")}
    difference = layers.Subtract()([inputs["a"], inputs["b"]])
    first, second, labels = np.array([[1.0], [2], [3]]), np.array([[2.0], [1], [1]]), np.array([0, 1, 0])
    by_name = keras.Model(inputs, difference)
    data = ({"b": second, "a": first}, labels)
    assert error_rate(by_name, data, from_logits=True, batch_size=2) == ErrorRate(1, 3)
    assert error_rate(by_name, tf.data.Dataset.from_tensor_slices(data).batch(2), from_logits=True) == ErrorRate(1, 3)
    in_order = keras.Model(list(inputs.values()), difference)
    for kind in (list, tuple):
        assert error_rate(in_order, (kind([first, second]), labels), from_logits=True) == ErrorRate(1, 3)


def test_text_and_a_model_compiled_to_run_eagerly():
    model, tokens = text(), np.array([[0, 0, 1], [1, 1, 2], [2, 2, 0], [3, 3, 1]])
    assert error_rate(model, (tokens, np.array([0, 1, 2, 0]))) == ErrorRate(1, 4)
    model.compile(run_eagerly=True)
    assert error_rate(model, (tokens, np.array([0, 1, 2, 0])), batch_size=3) == ErrorRate(1, 4)


def test_noise_of_inputs_is_as_large_as_said_for_each_channel():
    rng = np.random.default_rng(0)
    x = {"f": rng.normal(1e6, [1.0, 100.0], (4_000, 2)), "i": rng.integers(0, 9, 4_000), "v": rng.normal(size=4_000)}
    data = (x, np.zeros(4_000, int))
    noisy = InputNoise(data, 0.5, seed=1, batch_size=64)(x)
    np.testing.assert_array_equal(noisy["i"], x["i"])
    assert noisy["f"].dtype == x["f"].dtype
    np.testing.assert_allclose((noisy["f"] - x["f"]).std(axis=0), [0.5, 50.0], rtol=0.05)
    np.testing.assert_allclose((noisy["v"] - x["v"]).std(), 0.5, rtol=0.05)
    in_parts = InputNoise(tf.data.Dataset.from_tensor_slices(data).batch(300), 0.5, seed=1, batch_size=1)
    parts = [in_parts({"f": x["f"][i], "i": x["i"][i], "v": x["v"][i]}) for i in (slice(0, 7), slice(7, 4_000))]
    np.testing.assert_allclose(np.concatenate([part["f"] for part in parts]), noisy["f"], rtol=1e-9)


def test_noise_of_inputs_is_the_same_for_arrays_and_a_data_set():
    rng = np.random.default_rng(3)
    inputs = {"a": keras.Input((1,), name="a"), "i": keras.Input((1,), name="i", dtype="int32")}
    model = keras.Model(inputs, layers.Add()([inputs["a"], 0.1 * keras.ops.cast(inputs["i"], "float32")]))
    data = ({"a": rng.normal(size=(200, 1)), "i": rng.integers(-3, 4, (200, 1))}, rng.integers(0, 2, 200))
    noisy = partial(error_rate, model, from_logits=True, input_noise=2.0, seed=4)
    assert noisy(data) == noisy(tf.data.Dataset.from_tensor_slices(data).batch(33)) == noisy(data, batch_size=7)
    assert noisy(data) != noisy(data, seed=5)


def test_noise_of_inputs_makes_errors_as_the_normal_distribution_says():
    x = np.repeat([[1.0, 0.0], [-1.0, 0.0]], 2_000, axis=0)  # deviation 1: wrong when severity * N(0, 1) < -1
    rate = error_rate(table(), (x, np.repeat([1, 0], 2_000)), from_logits=True, input_noise=1.0)
    assert rate.value == pytest.approx(0.1587, abs=0.02)


WORDS = np.array(["house", "mouse", "tree", "a", ""])


def test_a_typo_leaves_out_doubles_swaps_or_replaces():
    owner = np.random.default_rng
    assert mistyped("house", 0.0, "aehosu", owner(0)) == "house"
    once = {mistyped("ab", 0.5, "abc", owner(seed)) for seed in range(300)}
    assert {"ab", "b", "a", "aab", "abb", "ba", "cb", "ac"} <= once
    assert {mistyped("a", 1.0, "ab", owner(seed)) for seed in range(100)} == {"", "aa", "b"}
    assert mistyped("", 1.0, "ab", owner(0)) == ""
    ten = "abcdefghij"
    untouched = np.mean([mistyped(ten, 0.1, ten, owner(seed)) == ten for seed in range(2_000)])
    assert untouched == pytest.approx(0.9**10, abs=0.04)


def test_typos_are_a_function_of_seed_and_position_in_arrays_and_data_sets():
    data = ({"word": WORDS, "length": np.arange(5)}, np.zeros(5, int))
    typed = Typos(data, 0.5, seed=3, batch_size=2)(data[0])
    np.testing.assert_array_equal(typed["length"], np.arange(5))
    assert typed["word"].tolist() != WORDS.tolist()
    assert Typos(data, 0.5, seed=4, batch_size=2)(data[0])["word"].tolist() != typed["word"].tolist()
    in_parts = Typos(tf.data.Dataset.from_tensor_slices(data).batch(3), 0.5, seed=3, batch_size=1)
    tensors = [{"length": np.arange(5)[part], "word": tf.constant(WORDS[part])} for part in (slice(0, 2), slice(2, 5))]
    assert np.concatenate([in_parts(x)["word"] for x in tensors]).tolist() == typed["word"].tolist()
    pairs = np.array([["ab", "cd"], ["ef", "gh"]])
    assert Typos((pairs, np.zeros(2, int)), 1.0, seed=0, batch_size=2)(pairs).shape == (2, 2)


def test_typos_make_errors_in_a_classifier_of_strings():
    letters = layers.TextVectorization(standardize=None, split="character", vocabulary=["a", "b"], output_mode="count")
    model = sequential((), letters, layers.Dense(2, use_bias=False), dtype="string")
    model.set_weights([np.array([[0.0, 0], [1, 0], [0, 1]], np.float32)])  # more a than b: 0
    data = (np.array(["aab", "abb"] * 200), np.array([0, 1] * 200))
    assert error_rate(model, data) == ErrorRate(0, 400)
    rates = [error_rate(model, data, typos=share).value for share in (0.05, 0.2, 1.0)]
    assert 0 < rates[0] < rates[1] < rates[2]
    points = classifier_curve(model, data)
    assert [p.severity for p in points if p.fault == "typos"] == list(SEVERITIES["typos"])
    with pytest.raises(InputError, match="a number from 0 to 1"):
        classifier_curve(model, data, faults=["typos"], severities={"typos": [2]})


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ((X, Y), {}, "A single output needs `from_logits`. Expected from_logits"),
        (X, {}, "Bad `data`"),
        (None, {}, "Bad `data`"),
        ((X, Y[:3]), {}, "differ in number"),
        ((X.tolist(), Y), {}, "Bad inputs. Expected an array"),
        (({}, Y), {}, "Bad inputs"),
        ((X[:0], Y[:0]), {}, "Empty data"),
        ((X, Y.astype(float)), {}, "Bad labels. Expected whole numbers"),
        ((X, np.eye(2, dtype=int)[Y]), {}, "Bad labels"),
        ((X, Y + 1), {"from_logits": True}, "Expected 5 labels from 0 to 1. Received: 5 from 1 to 2"),
        ((X, Y * 2 - 1), {"from_logits": True}, "do not match the classifier"),
        ((X, Y), {"batch_size": 0}, "`batch_size`"),
        ((X, Y), {"input_noise": -1.0}, "`input_noise`"),
        ((X, Y), {"seed": -1}, "`seed`"),
        ((X.astype(int), Y), {"input_noise": 0.1}, "No floating-point input for noise"),
        ((X, Y), {"typos": 0.1}, "No text input for typos"),
        ((X, Y), {"typos": 1.1}, "`typos`"),
        (tf.data.Dataset.from_tensor_slices((X, Y)), {}, "batches"),
        (tf.data.Dataset.from_tensor_slices(X).batch(2), {}, "batches"),
        (tf.data.Dataset.from_tensor_slices((X, Y, Y)).batch(2), {}, "batches"),
        (tf.data.Dataset.from_tensor_slices((X, Y)).batch(2).take(0), {}, "Empty data"),
        (tf.data.Dataset.from_tensor_slices((X, Y)).batch(2).repeat(), {}, "Infinite data"),
    ],
)
def test_bad_data(data, options, message):
    with pytest.raises(InputError, match=message):
        error_rate(table(), data, **options)


def test_models_that_are_no_classifier_are_refused():
    two = keras.Input((2,))
    with pytest.raises(InputError, match="several outputs"):
        error_rate(keras.Model(two, [two + 1, two + 2]), (X, Y))
    with pytest.raises(InputError, match="not a classifier"):
        error_rate(keras.Model(two, layers.Reshape((2, 1))(two)), (X, Y))


# Error rates of a generator


class FixedLogits(layers.Layer):
    """Images -> logits that do not depend on them: class 3, with probability softmax(height)."""

    def __init__(self, height):
        super().__init__()
        self.height = height

    def call(self, x):
        return keras.ops.tile(keras.ops.one_hot([3], 10) * self.height, (keras.ops.shape(x)[0], 1))


def judge(height=1.0):
    return sequential((28, 28, 1), FixedLogits(height))


def test_a_picture_is_wrong_when_another_class_is_seen_or_none_surely():
    conditional, unconditional = small_gan().generator, small_gan(0).generator
    assert generator_error_rate(conditional, judge(), 25, batch_size=4) == ErrorRate(22, 25)
    assert generator_error_rate(conditional, judge(), 25, labels=3) == ErrorRate(0, 25)
    assert generator_error_rate(unconditional, judge(10.0), 25) == ErrorRate(0, 25)  # e^10 / (e^10 + 9) > .9
    assert generator_error_rate(unconditional, judge(4.0), 25) == ErrorRate(25, 25)  # e^4 / (e^4 + 9) = .86
    for generator in (conditional, unconditional):
        assert generator_error_rate(generator, judge(np.nan), 25) == ErrorRate(25, 25)


def test_bad_input_of_a_generator_error_rate():
    generator = small_gan().generator
    with pytest.raises(InputError, match=r"Classifier and generator do not match. Expected logits \[B, 10\]"):
        generator_error_rate(generator, sequential((28, 28, 1), layers.Flatten(), layers.Dense(7)), 3)
    for options in ({"num": 0}, {"latent_noise": -1.0}, {"labels": 10}, {"batch_size": 0}):
        with pytest.raises(InputError, match=f"`{next(iter(options))}`"):
            generator_error_rate(generator, judge(), **{"num": 3, **options})
