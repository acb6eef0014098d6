"""Tests of the layers of a discriminator in order, and of those that training leaves as they are (FreezeD)."""

import keras
import numpy as np
import pytest
from helpers.comparison import assert_same, differs
from helpers.tiny import small_gan
from keras import layers

from gan import GAN, build_discriminator, build_generator
from gan.errors import InputError
from gan.models.networks import CONDITIONINGS, DISCRIMINATORS, NORMS, list_stages, trained_variables

SHAPE, DENSE = (32, 32, 1), (8, 8, 1)
IMAGES = np.random.default_rng(0).uniform(-1, 1, (8, *DENSE)).astype(np.float32)

STAGES = {
    "dcgan": ["16x16x2", "8x8x4", "4x4x8"],
    "tf_tutorial": ["16x16x2", "8x8x4", "4x4x8"],
    "resnet": ["32x32x2", "16x16x4", "8x8x8", "4x4x16"],
    "mlp": ["16", "8", "4", "2"],
}
"""Architecture -> shape of the output of each stage before the logits, of width 2 and 32x32 pixels."""


def output_of(stage):
    return "x".join(str(axis) for axis in stage[-1].output.shape[1:])


@pytest.mark.parametrize("norm", sorted(NORMS))
@pytest.mark.parametrize("arch", sorted(DISCRIMINATORS))
def test_the_stages_of_each_architecture(arch, norm):
    assert sorted(STAGES) == sorted(DISCRIMINATORS)
    for conditioning in sorted(CONDITIONINGS):
        d = build_discriminator(SHAPE, 3, arch, 2, norm=norm, conditioning=conditioning)
        *stages, head = list_stages(d)
        assert [output_of(stage) for stage in stages] == STAGES[arch]
        assert [layer.units for layer in head] == [1]
        in_stages = sum(len(layer.trainable_variables) for stage in [*stages, head] for layer in stage)
        embeddings = 1  # of the labels, which always trains
        assert in_stages + embeddings == len(d.trainable_variables)


def test_a_stage_of_a_residual_network_is_a_convolution_and_a_block():
    stages = list_stages(build_discriminator(SHAPE, 0, "resnet", 2, norm="batch"))
    kinds = [[type(layer).__name__ for layer in stage] for stage in stages]
    block = ["BatchNormalization", "Conv2D"] * 3
    assert kinds == [["Conv2D", *block]] * 3 + [["Conv2D", *block, "BatchNormalization"], ["Dense"]]


def test_the_stages_of_a_network_of_ones_own():
    images = keras.Input((8, 8, 1))
    body = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(2, 3), layers.Conv2D(2, 3, strides=2)], name="body")
    x = layers.Conv2D(2, 3, padding="same", name="same")(body(images))
    x = layers.PReLU(name="slopes")(x)
    x = layers.Dense(3, name="wide")(layers.GlobalAveragePooling2D()(x))
    x = layers.LayerNormalization(name="norm")(x)
    d = keras.Model(images, layers.Dense(1, name="logits")(x))
    assert [[layer.name for layer in stage] for stage in list_stages(d)] == [
        ["body", "same", "slopes"],  # all of 2x2 pixels
        ["wide", "norm"],
        ["logits"],
    ]
    assert [one.path for one in trained_variables(d, 2)] == [one.path for one in d.layers[-1].trainable_variables]


def test_more_layers_than_there_are_before_the_logits_are_refused():
    d = build_discriminator(SHAPE, 0, "dcgan", 2)
    assert trained_variables(d, 0) == d.trainable_variables
    assert [one.name for one in trained_variables(d, 3)] == ["kernel", "bias"]
    with pytest.raises(InputError, match=r"at most 3: it has 3 layers before its logits.*freeze_d=4"):
        trained_variables(d, 4)
    with pytest.raises(InputError, match="at most 0"):
        trained_variables(keras.Sequential([keras.Input((2,)), layers.Dense(1)]), 1)
    for value in (-1, True, 1.5):
        with pytest.raises(InputError, match="freeze_d"):
            small_gan(freeze_d=value)


def numbers(variables):
    return [np.array(one) for one in variables]


def dense_pair(classes=0, *, penalties=(), **options):
    """Returns a compiled GAN of dense networks for 8x8 pixels, whose D has four layers before its logits."""
    keras.utils.set_random_seed(0)
    gan = GAN(build_generator(DENSE, 2, classes, "mlp", 2), build_discriminator(DENSE, classes, "mlp", 2, **options))
    gan.compile(*(keras.optimizers.Adam(0.01) for _ in range(2)), penalties=penalties, freeze_d=2)
    return gan


def test_frozen_layers_do_not_change_by_a_bit_and_the_others_do(tmp_path):
    gan = dense_pair(3, penalties=["r1"])
    d = gan.discriminator
    first, second, *_ = list_stages(d)
    frozen = [one for layer in (*first, *second) for one in layer.trainable_variables]
    assert len(frozen) == 4
    trained = gan.optimizer.d_variables
    assert {id(one) for one in frozen}.isdisjoint(map(id, trained))
    assert len(frozen) + len(trained) == len(d.trainable_variables)
    assert all(layer.trainable for layer in d.layers)  # nobody toggles it
    moments = [one for one in gan.d_optimizer.variables if one.shape != ()]
    assert [tuple(one.shape) for one in moments] == [tuple(v.shape) for v in trained for _ in range(2)]

    before = numbers(frozen)
    others = [*trained, *gan.generator.trainable_variables]
    starts = numbers(others)
    data = IMAGES, np.arange(8) % 3
    gan.train_on_batch(*data)
    assert_same(numbers(frozen), before)
    for start, variable in zip(starts, others):
        assert differs([start], [np.array(variable)]), variable.path

    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert loaded.freeze_d == 2
    assert_same(numbers(loaded.d_optimizer.variables), numbers(gan.d_optimizer.variables))
    for model in (gan, loaded):
        model.train_on_batch(*data)
    assert_same(numbers(loaded.discriminator.weights), numbers(d.weights))
    assert_same(numbers(frozen), before)


@pytest.mark.parametrize("norm", ["batch", "spectral"])
def test_statistics_of_frozen_layers_follow_the_images(norm):
    gan = dense_pair(norm=norm)
    layers_kept = [layer for stage in list_stages(gan.discriminator)[:2] for layer in stage]
    frozen = [one for layer in layers_kept for one in layer.trainable_variables]
    statistics = [one for layer in layers_kept for one in layer.non_trainable_variables]
    before, followed = numbers(frozen), numbers(statistics)
    gan.run_eagerly = True
    gan.train_on_batch(IMAGES)
    assert_same(numbers(frozen), before)
    assert differs(numbers(statistics), followed)
