"""Tests of faults in weights and inputs, and of perturbation curves."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.comparison import assert_same, differs, values
from helpers.tiny import sequential, small_gan, table, text
from keras import layers

from gan import generate
from gan.errors import InputError
from gan.evaluation.robustness import (
    FAULTS,
    SEVERITIES,
    classifier_curve,
    generator_curve,
    generator_error_rate,
    perturbation_curve,
    perturbed,
)
from gan.tolerance import ErrorRate

# Effects of faults on kernels


def test_int8_of_known_numbers():
    model = sequential((3,), layers.Dense(2, use_bias=False))
    model.set_weights([np.array([[127.0, 0.0], [1.4, 0.0], [-63.6, 0.0]], np.float32)])
    rounded = perturbed(model, "int8").get_weights()[0]
    np.testing.assert_array_equal(
        rounded, [[127, 0], [1, 0], [-64, 0]]
    )  # the scale is 1; a channel of zeros does not change


def test_float16_of_known_numbers():
    model = sequential((4,), layers.Dense(1, use_bias=False))
    model.set_weights([np.array([[1 + 2**-10], [1 + 2**-12], [0.1], [1e6]], np.float32)])
    rounded = perturbed(model, "float16").get_weights()[0][:, 0]
    np.testing.assert_array_equal(rounded, np.array([1 + 2**-10, 1.0, 0.0999755859375, np.inf], np.float32))


@pytest.mark.parametrize(
    ("shape", "layer", "channels"),
    [
        ((4_000,), layers.Dense(3), (1,)),
        ((9, 9, 200), layers.Conv2D(5, 3), (3,)),
        ((9, 9, 200), layers.Conv2DTranspose(5, 3), (2,)),
        ((9, 9, 4), layers.DepthwiseConv2D(21, padding="same", depth_multiplier=3), (2, 3)),
        ((7,), layers.Embedding(4_000, 3), (1,)),
        ((2, 9, 200), layers.TimeDistributed(layers.Conv1DTranspose(5, 3)), (1,)),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_int8_has_at_most_255_values_per_channel_and_an_error_of_half_a_step(shape, layer, channels):
    model = sequential(shape, layer)
    kernel = np.random.default_rng(0).normal(size=model.weights[0].shape)
    sizes = [1] * kernel.ndim
    sizes[channels[-1]] = -1
    kernel *= 10.0 ** np.arange(kernel.shape[channels[-1]]).reshape(sizes)  # each channel needs its own scale
    model.set_weights([kernel, *model.get_weights()[1:]])
    rounded = perturbed(model, "int8").get_weights()[0]
    both = [np.moveaxis(w, channels, range(-len(channels), 0)) for w in (model.get_weights()[0], rounded)]
    by_channel = [w.reshape(-1, np.prod(w.shape[-len(channels) :])) for w in both]
    assert by_channel[0].shape[0] > 255
    for before, after in zip(by_channel[0].T, by_channel[1].T):
        assert 100 < len(np.unique(after)) <= 255
        assert np.abs(before - after).max() <= np.abs(before).max() / 127 / 2 * (1 + 1e-4)
        assert np.abs(after).max() == pytest.approx(np.abs(before).max(), rel=1e-6)


def test_weight_noise_has_the_stated_deviation_and_grows_linearly():
    model = sequential((300,), layers.Dense(200), layers.Dense(150))
    noises = {s: [b - a for a, b in zip(values(model), values(perturbed(model, "weight_noise", severity=s)))]
              for s in (0.3, 0.6)}  # fmt: skip
    for index in (0, 2):
        kernel = values(model)[index]
        assert noises[0.3][index].std() == pytest.approx(0.3 * kernel.std(), rel=0.02)
        assert abs(noises[0.3][index].mean()) < 0.02 * kernel.std()
        np.testing.assert_allclose(noises[0.6][index], 2 * noises[0.3][index], atol=1e-6)
    first, second = noises[0.3][0].ravel()[:30_000], noises[0.3][2].ravel()
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03  # two weights have independent noise


def test_weight_noise_is_a_function_of_the_seed():
    model = small_gan().generator
    again = [values(perturbed(model, "weight_noise", seed=seed)) for seed in (5, 5, 6)]
    assert_same(again[0], again[1])
    assert differs(again[0], again[2])


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_faults_change_kernels_but_not_biases_or_normalization(fault):
    model = sequential(
        (6, 5), layers.BatchNormalization(), layers.LayerNormalization(axis=(1, 2)), layers.GRU(3), layers.Dense(2)
    )
    model.set_weights([np.random.default_rng(1).uniform(0.1, 1, w.shape) for w in model.weights])
    kernels = {"kernel", "recurrent_kernel"}
    assert sum(len(w.shape) > 1 for w in model.weights) > sum(w.name in kernels for w in model.weights) == 3
    for before, after in zip(model.weights, perturbed(model, fault).weights):
        assert np.array_equal(before, after) == (before.name not in kernels), before.path


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_severity_zero_changes_no_bit_and_no_fault_changes_the_original(fault):
    model = small_gan().generator
    model.set_weights([np.where(w == 0, -0.0, w) for w in model.get_weights()])
    before = [w.tobytes() for w in values(model)]
    assert [w.tobytes() for w in values(perturbed(model, fault, severity=0))] == before
    copied = perturbed(model, fault)
    assert differs(values(copied), values(model))
    assert [w.tobytes() for w in values(model)] == before
    assert not {id(w) for w in copied.weights} & {id(w) for w in model.weights}


# Models that can be copied


class Block(keras.Model):  # not registered with Keras
    def __init__(self, units=3, **options):
        super().__init__(**options)
        self.units = units
        self.parts = [layers.Dense(units), {"last": layers.Dense(2)}]

    def call(self, x):
        return self.parts[1]["last"](self.parts[0](x))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class NotSerializable(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


def test_copies_nested_shared_and_subclassed_models_completely():
    inner = sequential((4,), layers.Dense(4, name="inside"))
    inputs = keras.Input((4,))
    shared = keras.Model(inputs, Block()(inner(inner(inputs))))
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_array_equal(perturbed(shared, "int8", severity=0)(x), shared(x))
    copied = perturbed(shared, "int8")
    assert len(copied.weights) == len(shared.weights) == 6
    assert len(np.unique(np.round(copied(x) - shared(x), 6))) > 1
    for before, after in zip(shared.weights, copied.weights):
        assert np.array_equal(before, after) == (before.name == "bias")


def test_copies_state_that_set_weights_does_not_copy():
    scale = layers.Normalization()
    scale.adapt(np.random.default_rng(0).normal(5, 3, size=(99, 3)))
    model, x = sequential((3,), scale, layers.Dense(2)), np.ones((1, 3), np.float32)
    np.testing.assert_array_equal(perturbed(model, "int8", severity=0)(x), model(x))
    words = layers.TextVectorization(output_sequence_length=2)
    words.adapt(["yes no", "perhaps"])
    model = sequential((), words, layers.Embedding(5, 2), dtype="string")
    strings = tf.constant(["no", "perhaps yes"])
    np.testing.assert_array_equal(perturbed(model, "int8", severity=0)(strings), model(strings))


def test_half_precision_weights_keep_their_dtype():
    model = sequential((50,), layers.Dense(3, dtype="float16"))
    copied = perturbed(model, "weight_noise", severity=0.5)
    assert copied.weights[0].dtype == "float16"
    assert differs(values(copied), values(model))


def test_rejects_a_model_that_keras_cannot_save():
    model = NotSerializable()
    model(np.zeros((1, 3), np.float32))
    with pytest.raises(InputError, match=r"The model cannot be copied\. Expected one that Keras can save"):
        perturbed(model, "int8")
    with pytest.raises(InputError, match="a built Keras model"):
        perturbed(keras.Sequential([layers.Dense(2)]), "int8")


# Curves


def test_a_curve_starts_without_a_fault_and_measures_one_copy_per_severity():
    model, measured = small_gan().generator, []

    def measure(faulty, latent_noise=0.0):
        measured.append((values(faulty), latent_noise))
        return ErrorRate(len(measured), 10)

    before = values(model)
    severities = {"weight_noise": [0.5, 0.0], "latent_noise": [2.0]}
    faults = ["weight_noise", "latent_noise", "int8"]
    points = perturbation_curve(model, measure, faults=faults, severities=severities, seed=7)
    expected = [("none", 0.0), ("weight_noise", 0.5), ("weight_noise", 0.0), ("latent_noise", 2.0), ("int8", 1.0)]
    assert [(point.fault, point.severity) for point in points] == expected
    assert [point.rate.wrong for point in points] == [1, 2, 3, 4, 5]
    assert [noise for _, noise in measured] == [0.0, 0.0, 0.0, 2.0, 0.0]
    for index in (0, 2, 3):
        assert_same(measured[index][0], before)
    assert_same(measured[1][0], values(perturbed(model, "weight_noise", severity=0.5, seed=7)))
    assert_same(measured[4][0], values(perturbed(model, "int8")))
    assert_same(values(model), before)


def test_the_curve_of_a_generator():
    generator = small_gan().generator
    keras.utils.set_random_seed(1)
    classifier = sequential((28, 28, 1), layers.Flatten(), layers.Dense(10))
    points = generator_curve(generator, classifier, 20, severities={"weight_noise": [4.0]}, seed=2)
    assert [p.fault for p in points] == ["none", "weight_noise", "float16", "int8", *["latent_noise"] * 3]
    assert [p.severity for p in points[-3:]] == list(SEVERITIES["latent_noise"])
    wrong = classifier(generate(generator, 20, seed=2)).numpy().argmax(axis=1) != np.arange(20) % 10
    assert points[0].rate == ErrorRate(int(wrong.sum()), 20)
    faulty = perturbed(generator, "weight_noise", severity=4.0, seed=2)
    assert points[1].rate == generator_error_rate(faulty, classifier, 20, seed=2)
    assert points[-1].rate == generator_error_rate(generator, classifier, 20, seed=2, latent_noise=2.0)


def test_the_curves_of_text_and_table_classifiers():
    tokens = np.repeat(np.arange(4), 3 * 25).reshape(-1, 3)
    points = classifier_curve(text(), (tokens, tokens[:, 0]))
    assert {p.fault for p in points} == set(FAULTS) | {"none"}
    rates = {(p.fault, p.severity): p.rate for p in points}
    assert rates["none", 0.0] == rates["int8", 1.0] == rates["float16", 1.0] == ErrorRate(0, 100)
    severe = classifier_curve(
        text(), (tokens, tokens[:, 0]), faults=["weight_noise"], severities={"weight_noise": [9.0]}
    )
    assert severe[-1].rate.wrong > 0
    x = np.array([[1.0, 0], [-1, 0], [2, 0]])
    points = classifier_curve(table(), (x, np.array([1, 0, 1])), from_logits=True)
    assert points[0].rate == ErrorRate(0, 3)
    assert [p.severity for p in points if p.fault == "input_noise"] == list(SEVERITIES["input_noise"])
    with pytest.raises(InputError, match="No floating-point input for noise"):
        classifier_curve(text(), (tokens, tokens[:, 0]), faults=["input_noise"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"faults": ["rust"]}, "Unknown fault. Expected names from .*Received: 'rust'"),
        ({"faults": ["int8"], "severities": {"int8": [0.5]}}, "0 \\(off\\) or 1 \\(on\\) for int8"),
        ({"faults": ["weight_noise"], "severities": {"weight_noise": [-1]}}, "`severity`"),
        ({"faults": ["latent_noise"], "severities": {"latent_noise": [float("nan")]}}, "`severity`"),
        ({"faults": ["int8"], "severities": {"float16": [1]}}, "Severities without their fault"),
        ({"faults": ["input_noise"]}, "an option `input_noise`"),
        ({"seed": -1}, "`seed`"),
    ],
)
def test_rejects_bad_options_before_the_first_measurement(options, message):
    def measure(model, latent_noise=0.0):
        raise AssertionError("too late")

    with pytest.raises(InputError, match=message):
        perturbation_curve(table(), measure, **options)


def test_rejects_bad_faults():
    for fault, message in (("rust", "Unknown `fault`"), ("input_noise", "an input fault")):
        with pytest.raises(InputError, match=message):
            perturbed(table(), fault)
    with pytest.raises(InputError, match="`seed`"):
        perturbed(table(), "weight_noise", seed=2**32)
