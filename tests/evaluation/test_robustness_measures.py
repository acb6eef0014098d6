"""Tests of the error rates of classifiers and generators, with and without faults."""

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
Y = np.array([1, 0, 0, 1, 1])  # predictions by the sign of the first column: correct, correct, wrong, wrong, correct


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_counts_every_example_for_any_batch_size(batch_size):
    logit = partial(error_rate, table(), from_logits=True)
    assert logit((X, Y), batch_size=batch_size) == ErrorRate(2, 5)
    assert logit((X, Y[:, None]), batch_size=batch_size) == ErrorRate(2, 5)
    assert logit(tf.data.Dataset.from_tensor_slices((X, Y)).batch(batch_size)) == ErrorRate(2, 5)
    probability = table(activation="sigmoid")
    assert error_rate(probability, (X, Y), from_logits=False, batch_size=batch_size) == ErrorRate(2, 5)
    # the second of the outputs x and 2x is larger if x > 0: the same predictions
    assert error_rate(table(2), (X, Y), batch_size=batch_size) == ErrorRate(2, 5)
    assert error_rate(table(2, "softmax"), (X, Y), batch_size=batch_size) == ErrorRate(2, 5)


def test_a_logit_is_not_a_probability():
    assert error_rate(table(), (X * 0.1, Y), from_logits=True) == ErrorRate(2, 5)
    assert error_rate(table(), (X * 0.1, Y), from_logits=False) == ErrorRate(3, 5)  # no output exceeds .5


def test_nan_outputs_are_errors():
    not_finite = X.copy()
    not_finite[:2] = np.nan
    assert error_rate(table(2), (not_finite, Y)) == ErrorRate(4, 5)
    assert error_rate(table(), (not_finite, Y), from_logits=True) == ErrorRate(4, 5)


def test_accepts_several_inputs_by_name_or_in_order():
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


def test_accepts_text_and_a_model_that_runs_eagerly():
    model, tokens = text(), np.array([[0, 0, 1], [1, 1, 2], [2, 2, 0], [3, 3, 1]])
    assert error_rate(model, (tokens, np.array([0, 1, 2, 0]))) == ErrorRate(1, 4)
    model.compile(run_eagerly=True)
    assert error_rate(model, (tokens, np.array([0, 1, 2, 0])), batch_size=3) == ErrorRate(1, 4)


def test_input_noise_has_the_stated_deviation_in_each_channel():
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


def test_input_noise_is_the_same_for_arrays_and_a_dataset():
    rng = np.random.default_rng(3)
    inputs = {"a": keras.Input((1,), name="a"), "i": keras.Input((1,), name="i", dtype="int32")}
    model = keras.Model(inputs, layers.Add()([inputs["a"], 0.1 * keras.ops.cast(inputs["i"], "float32")]))
    data = ({"a": rng.normal(size=(200, 1)), "i": rng.integers(-3, 4, (200, 1))}, rng.integers(0, 2, 200))
    noisy = partial(error_rate, model, from_logits=True, input_noise=2.0, seed=4)
    assert noisy(data) == noisy(tf.data.Dataset.from_tensor_slices(data).batch(33)) == noisy(data, batch_size=7)
    assert noisy(data) != noisy(data, seed=5)


def test_input_noise_gives_the_error_rate_of_the_normal_distribution():
    x = np.repeat([[1.0, 0.0], [-1.0, 0.0]], 2_000, axis=0)  # deviation 1: an error if severity * N(0, 1) < -1
    rate = error_rate(table(), (x, np.repeat([1, 0], 2_000)), from_logits=True, input_noise=1.0)
    assert rate.value == pytest.approx(0.1587, abs=0.02)


WORDS = np.array(["house", "mouse", "tree", "a", ""])


def test_a_typo_drops_doubles_swaps_or_replaces_a_letter():
    make_rng = np.random.default_rng
    assert mistyped("house", 0.0, "aehosu", make_rng(0)) == "house"
    once = {mistyped("ab", 0.5, "abc", make_rng(seed)) for seed in range(300)}
    assert {"ab", "b", "a", "aab", "abb", "ba", "cb", "ac"} <= once
    assert {mistyped("a", 1.0, "ab", make_rng(seed)) for seed in range(100)} == {"", "aa", "b"}
    assert mistyped("", 1.0, "ab", make_rng(0)) == ""
    ten = "abcdefghij"
    untouched = np.mean([mistyped(ten, 0.1, ten, make_rng(seed)) == ten for seed in range(2_000)])
    assert untouched == pytest.approx(0.9**10, abs=0.04)


def test_typos_depend_only_on_seed_and_position_in_arrays_and_datasets():
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


def test_typos_cause_errors_in_a_classifier_of_strings():
    letters = layers.TextVectorization(standardize=None, split="character", vocabulary=["a", "b"], output_mode="count")
    model = sequential((), letters, layers.Dense(2, use_bias=False), dtype="string")
    model.set_weights([np.array([[0.0, 0], [1, 0], [0, 1]], np.float32)])  # class 0: more a than b
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
def test_rejects_bad_data(data, options, message):
    with pytest.raises(InputError, match=message):
        error_rate(table(), data, **options)


def test_rejects_models_that_are_not_classifiers():
    two = keras.Input((2,))
    with pytest.raises(InputError, match="several outputs"):
        error_rate(keras.Model(two, [two + 1, two + 2]), (X, Y))
    with pytest.raises(InputError, match="not a classifier"):
        error_rate(keras.Model(two, layers.Reshape((2, 1))(two)), (X, Y))


# Error rates of a generator


class FixedLogits(layers.Layer):
    """Returns the same logits for all images: class 3, with probability softmax(height)."""

    def __init__(self, height):
        super().__init__()
        self.height = height

    def call(self, x):
        return keras.ops.tile(keras.ops.one_hot([3], 10) * self.height, (keras.ops.shape(x)[0], 1))


def fixed_classifier(height=1.0):
    return sequential((28, 28, 1), FixedLogits(height))


def test_a_sample_is_wrong_if_it_shows_another_class_or_no_class_clearly():
    conditional, unconditional = small_gan().generator, small_gan(0).generator
    assert generator_error_rate(conditional, fixed_classifier(), 25, batch_size=4) == ErrorRate(22, 25)
    assert generator_error_rate(conditional, fixed_classifier(), 25, labels=3) == ErrorRate(0, 25)
    assert generator_error_rate(unconditional, fixed_classifier(10.0), 25) == ErrorRate(0, 25)  # e^10 / (e^10 + 9) > .9
    assert generator_error_rate(unconditional, fixed_classifier(4.0), 25) == ErrorRate(25, 25)  # e^4 / (e^4 + 9) = .86
    for generator in (conditional, unconditional):
        assert generator_error_rate(generator, fixed_classifier(np.nan), 25) == ErrorRate(25, 25)


def test_generator_error_rate_rejects_bad_input():
    generator = small_gan().generator
    with pytest.raises(InputError, match=r"Classifier and generator do not match. Expected logits \[B, 10\]"):
        generator_error_rate(generator, sequential((28, 28, 1), layers.Flatten(), layers.Dense(7)), 3)
    for options in ({"num": 0}, {"latent_noise": -1.0}, {"labels": 10}, {"batch_size": 0}):
        with pytest.raises(InputError, match=f"`{next(iter(options))}`"):
            generator_error_rate(generator, fixed_classifier(), **{"num": 3, **options})
