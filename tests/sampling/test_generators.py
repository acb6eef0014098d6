"""Tests of what counts as a generator."""

import keras
import numpy as np
import pytest
from helpers.comparison import assert_same, values
from helpers.tiny import small_gan

from gan import InputError, generate, interpolate, load_generator, perturbation, project, sampling
from gan.saving.models import find_generator


@pytest.fixture(scope="module")
def trained():
    """A GAN whose averaged generator differs from its generator."""
    trained = small_gan(3, shape=(8, 8, 1))
    for weight in trained.generator.trainable_weights:
        weight.assign(weight + 0.1)
    return trained


def test_of_a_gan_the_averaged_generator_is_used(trained):
    expected = generate(trained.generator_ema, 3)
    np.testing.assert_array_equal(generate(trained, 3), expected)
    assert not np.array_equal(generate(trained.generator, 3), expected)
    np.testing.assert_array_equal(np.concatenate([*sampling.stream(trained, 3)]), expected)
    assert sampling.batch_for(trained) == sampling.batch_for(trained.generator_ema)
    assert sampling.compiled(trained) is sampling.compiled(trained.generator_ema)
    ends = [interpolate(network, 0, 1, 2) for network in (trained, trained.generator_ema)]
    np.testing.assert_array_equal(*ends)
    found = [
        project(network, expected[:1], labels=0, steps=1, restarts=1).latents
        for network in (trained, trained.generator_ema)
    ]
    np.testing.assert_array_equal(*found)


def test_a_name_a_folder_and_a_file_stand_for_a_generator():
    file = find_generator("mnist")
    expected = generate(load_generator("mnist"), 2)
    for given in ("mnist", str(file.path), file.path, file.path.parent, file):
        np.testing.assert_array_equal(generate(given, 2), expected)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (lambda gan: gan.discriminator, "not a generator.*latents .* in, images.*images"),
        (lambda gan: keras.Sequential([keras.layers.Dense(2)]), "no known inputs"),
        (lambda gan: "no-such-run", "No such checkpoint.*pretrained name"),
        (lambda gan: np.zeros((2, 3)), "Bad `generator`.*a generator, a GAN, a run folder.*ndarray of float64"),
        (lambda gan: type(gan), "Bad `generator`.*the class GAN itself"),
        (lambda gan: None, "Bad `generator`"),
    ],
)
def test_anything_else_is_refused(trained, given, words):
    for use in (generate, sampling.stream, sampling.compiled, sampling.batch_for):
        with pytest.raises(InputError, match=words):
            use(given(trained), *([2] if use in (generate, sampling.stream) else []))
    with pytest.raises(InputError, match=words):
        project(given(trained), np.zeros((1, 8, 8, 1)))


@pytest.mark.parametrize("labels", [1, np.int64(1), [1, 1], (1, 1), range(1, 3), np.array([1, 1], np.int8)])
def test_labels_of_any_kind_of_whole_numbers(trained, labels):
    expected = generate(trained, 2, labels=np.broadcast_to(np.array(labels), 2))
    np.testing.assert_array_equal(generate(trained, np.int64(2), labels=labels, seed=np.uint8(0)), expected)


def test_interpolation_does_not_change_the_generator(trained, tmp_path):
    generator = trained.generator_ema
    before = values(generator)
    first = interpolate(generator, 0, 1, 3)
    generator.save(tmp_path / "generator.keras")
    assert_same(values(load_generator(tmp_path / "generator.keras")), before)
    assert_same(values(perturbation.perturbed(generator, "int8", severity=0)), before)
    np.testing.assert_array_equal(interpolate(generator, 0, 1, 3), first)
