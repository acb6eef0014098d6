"""Tests of the augmentations of real and fake images."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gan.errors import InputError
from gan.models import augment, random
from gan.models.augment import AUGMENTATIONS, Brightness, Chain, Contrast, Cutout, Translation

KEY = tf.constant([3, 4], tf.int64)
IMAGES = tf.constant(np.random.default_rng(0).uniform(-1, 1, (64, 9, 12, 3)).astype(np.float32))


def test_brightness_adds_one_number_to_each_image():
    added = (Brightness(0.5)(IMAGES, KEY) - IMAGES).numpy()
    assert np.ptp(added, axis=(1, 2, 3)).max() < 1e-6
    assert -0.5 <= added.min() < -0.3
    assert 0.3 < added.max() <= 0.5


def test_contrast_keeps_the_mean_and_scales_the_deviations():
    changed = Contrast(0.5)(IMAGES, KEY).numpy()
    np.testing.assert_allclose(changed.mean(axis=(1, 2, 3)), np.mean(IMAGES, axis=(1, 2, 3)), atol=1e-6)
    factors = changed.std(axis=(1, 2, 3)) / np.std(IMAGES, axis=(1, 2, 3))
    assert 0.5 <= factors.min() < 0.7
    assert 1.3 < factors.max() <= 1.5


def test_translation_shifts_by_whole_pixels_and_fills_with_zero():
    height, width = 9, 12
    moved = Translation(0.25)(IMAGES, KEY).numpy()
    padded = np.pad(IMAGES, ((0, 0), (3, 3), (3, 3), (0, 0)))
    shifts = set()
    for before, after in zip(padded, moved):
        fits = [
            (down, right)
            for down in range(-3, 4)
            for right in range(-3, 4)
            if np.array_equal(before[3 - down : 3 - down + height, 3 - right : 3 - right + width], after)
        ]
        assert len(fits) == 1
        shifts.add(fits[0])
    assert {abs(down) for down, _ in shifts} == {0, 1, 2}  # 9 * .25 rounds to 2
    assert {abs(right) for _, right in shifts} == {0, 1, 2, 3}


def test_cutout_sets_one_rectangle_to_zero():
    cut = Cutout(0.5)(IMAGES, KEY).numpy() == 0
    assert (cut == cut[..., :1]).all()
    for mask in cut[..., 0]:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert (1 <= len(rows) <= 5, 1 <= len(columns) <= 6) == (True, True)
        assert mask.sum() == len(rows) * len(columns)
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (len(rows), len(columns))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_each_depends_only_on_the_key_and_changes_nothing_at_strength_zero(name):
    layer = AUGMENTATIONS[name]()
    first = layer(IMAGES, KEY).numpy()
    np.testing.assert_array_equal(layer(IMAGES, KEY), first)
    assert np.any(first != layer(IMAGES, KEY + 1).numpy())
    np.testing.assert_allclose(AUGMENTATIONS[name](0.0)(IMAGES, KEY), IMAGES, atol=1e-6)
    assert not layer.variables


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_each_has_first_and_second_derivatives_in_graph_mode_and_under_xla(name):
    layer = AUGMENTATIONS[name]()

    def curvature():  # d/dx of |d/dx sum (a(x)^2 / 2)|^2, as in a gradient penalty
        with tf.GradientTape() as outer:
            outer.watch(IMAGES)
            with tf.GradientTape() as inner:
                inner.watch(IMAGES)
                value = tf.reduce_sum(layer(IMAGES, KEY) ** 2) / 2
            slope = inner.gradient(value, IMAGES)
            squared = tf.reduce_sum(slope**2)
        return slope, outer.gradient(squared, IMAGES)

    graph, compiled = (tf.function(curvature, jit_compile=xla)() for xla in (False, True))
    for first, second in zip(graph, compiled):
        assert np.abs(first).max() > 0.1
        np.testing.assert_allclose(second, first, atol=1e-4)


def test_a_chain_applies_its_parts_in_order_with_separate_keys_and_survives_a_config():
    chain = augment.get(["translation", "brightness", "brightness"])
    whole = chain(IMAGES, KEY)
    fold = random.fold_in
    expected = Brightness()(Brightness()(Translation()(IMAGES, fold(KEY, 0)), fold(KEY, 1)), fold(KEY, 2))
    np.testing.assert_array_equal(whole, expected)
    again = Chain.from_config(chain.get_config())
    np.testing.assert_array_equal(again(IMAGES, KEY), whole)
    assert [type(part) for part in again.parts] == [Translation, Brightness, Brightness]


def test_computes_in_float32_under_another_policy():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        assert Brightness()(IMAGES, KEY).dtype == tf.float32
    finally:
        keras.config.set_dtype_policy("float32")


def test_get_accepts_names_and_rejects_bad_input():
    assert augment.get([]) is None
    with pytest.raises(InputError, match="Unknown `augment`"):
        augment.get(["flip"])
    with pytest.raises(InputError, match="strength"):
        Cutout(1.5)
