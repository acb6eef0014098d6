"""Tests of the augmentations of real and fake images."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gan.errors import InputError
from gan.models import augment, random
from gan.models.augment import (
    AUGMENTATIONS,
    Adaptive,
    Brightness,
    Chain,
    Color,
    Contrast,
    Cutout,
    Flip,
    IntegerTranslation,
    Occasional,
    Rotate90,
    Scale,
    Translation,
)

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


def test_flip_mirrors_about_half_of_the_images():
    image = np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1)
    found = Flip()(np.repeat(image, 400, axis=0), KEY).numpy()
    mirrored = [[2, 1, 0], [5, 4, 3]]
    is_mirrored = (found[..., 0] == mirrored).all(axis=(1, 2))
    np.testing.assert_array_equal(found[~is_mirrored], np.repeat(image, (~is_mirrored).sum(), axis=0))
    assert 160 < is_mirrored.sum() < 240  # 4 standard deviations of 10


@pytest.mark.parametrize(("shape", "turns"), [((3, 3), [0, 1, 2, 3]), ((2, 3), [0, 2])])
def test_rotate90_turns_by_multiples_of_90_degrees_that_keep_the_shape(shape, turns):
    image = np.arange(np.prod(shape), dtype=np.float32).reshape(*shape, 1)
    images = np.repeat(image[None], 400, axis=0)
    found = Rotate90()(images, KEY).numpy()
    counts = [sum(np.array_equal(one, np.rot90(image, turn)) for one in found) for turn in turns]
    assert sum(counts) == 400
    assert all(abs(count - 400 / len(turns)) < 40 for count in counts)  # 4 standard deviations, or more
    for _ in range(3):
        found = Rotate90()(found, KEY).numpy()  # the same turn again
    np.testing.assert_array_equal(found, images)


def test_integer_translation_shifts_in_a_circle_and_keeps_all_pixels():
    moved = IntegerTranslation(0.25)(IMAGES, KEY).numpy()
    shifts = set()
    for before, after in zip(IMAGES.numpy(), moved):
        fits = [
            (down, right)
            for down in range(-2, 3)
            for right in range(-3, 4)
            if np.array_equal(np.roll(before, (down, right), axis=(0, 1)), after)
        ]
        assert len(fits) == 1
        shifts.add(fits[0])
    assert {down for down, _ in shifts} == set(range(-2, 3))  # 9 * .25 rounds to 2
    assert {right for _, right in shifts} == set(range(-3, 4))


def test_scale_keeps_constants_and_scales_lines_about_the_center():
    np.testing.assert_allclose(Scale()(tf.fill((50, 5, 7, 2), 0.3), KEY), np.full((50, 5, 7, 2), 0.3), atol=1e-6)
    one_pixel = tf.fill((4, 1, 1, 3), 0.3)
    np.testing.assert_allclose(Scale()(one_pixel, KEY), one_pixel, atol=1e-6)
    place = np.arange(9) - 4.0
    lines = tf.constant(np.tile(place.astype(np.float32)[None, None, :, None], (200, 3, 1, 1)))
    scaled = Scale()(lines, KEY).numpy()
    middle = scaled[:, 1, 3:6, 0]  # bilinear interpolation of a line is exact: place / factor
    slopes = middle[:, 2]
    np.testing.assert_allclose(middle, slopes[:, None] * [-1, 0, 1], atol=1e-5)
    np.testing.assert_allclose(scaled[:, :1], scaled[:, 1:2], atol=1e-5)  # the rows do not differ
    exponents = -np.log2(slopes) / 0.2  # standard normal
    assert abs(exponents.mean()) < 0.3
    assert 0.8 < exponents.std() < 1.2


def test_scale_continues_an_image_by_reflection():
    edge = augment._scale_matrices(tf.constant([0.5]), 5).numpy()[0]  # place 0 is 2 pixels beyond the first one
    expected = np.zeros((5, 5))
    expected[range(5), [2, 0, 2, 4, 2]] = 1  # places -2, 0, 2, 4, 6
    np.testing.assert_allclose(edge, expected, atol=1e-6)


def test_color_is_the_linear_map_of_its_formula():
    """With only one spread above 0, the random number follows from one pixel, and the other pixels must fit it."""
    pixels = IMAGES.numpy()
    gray = pixels.mean(axis=-1, keepdims=True)

    added = Color(0.5, 0, 0, 0)(IMAGES, KEY).numpy() - pixels
    assert np.ptp(added, axis=(1, 2, 3)).max() < 1e-5
    assert 0.3 < added[:, 0, 0, 0].std() < 0.7

    factor = Color(0, 0.5, 0, 0)(IMAGES, KEY).numpy() / pixels
    np.testing.assert_allclose(factor, np.broadcast_to(factor[:, :1, :1, :1], factor.shape), rtol=1e-3)
    assert 0.35 < np.log2(factor[:, 0, 0, 0]).std() < 0.65

    saturated = Color(0, 0, 1, 0)(IMAGES, KEY).numpy()
    np.testing.assert_allclose(saturated.mean(axis=-1, keepdims=True), gray, atol=1e-5)
    factor = np.linalg.norm(saturated - gray, axis=-1) / np.linalg.norm(pixels - gray, axis=-1)
    np.testing.assert_allclose(factor, np.broadcast_to(factor[:, :1, :1], factor.shape), rtol=1e-3)
    assert 0.7 < np.log2(factor[:, 0, 0]).std() < 1.3

    turned = Color(0, 0, 0, 1)(IMAGES, KEY).numpy()
    np.testing.assert_allclose(turned.mean(axis=-1, keepdims=True), gray, atol=1e-5)
    lengths = np.linalg.norm(pixels, axis=-1)
    np.testing.assert_allclose(np.linalg.norm(turned, axis=-1), lengths, atol=1e-5)


@pytest.mark.parametrize(
    ("saturation", "angle", "color", "expected"),
    [
        (1.0, 2 * np.pi / 3, (1, 0, 0), (0, 1, 0)),  # a third of a turn: red becomes green
        (1.0, -2 * np.pi / 3, (1, 0, 0), (0, 0, 1)),
        (0.0, 1.0, (1, 0, -0.4), (0.2, 0.2, 0.2)),  # no saturation: gray
        (2.0, 0.0, (0.6, 0, 0), (1.0, -0.2, -0.2)),
        (3.0, 0.7, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),  # gray has no hue
    ],
)
def test_colors_turn_about_the_gray_axis(saturation, angle, color, expected):
    matrix = augment._color_matrices(tf.constant([saturation]), tf.constant([angle])).numpy()[0]
    np.testing.assert_allclose(matrix @ np.array(color), expected, atol=1e-6)


def test_color_of_one_channel_has_no_saturation_and_no_hue():
    images = IMAGES[..., :1]
    np.testing.assert_array_equal(Color(0, 0, 1, 1)(images, KEY), images)
    gray = tf.repeat(images, 3, axis=-1)
    np.testing.assert_allclose(Color()(images, KEY), Color()(gray, KEY)[..., :1], atol=1e-5)


UNCHANGED = [layer(0.0) for layer in (Brightness, Contrast, Translation, Cutout, IntegerTranslation, Scale)]


@pytest.mark.parametrize("layer", [*UNCHANGED, Color(0, 0, 0, 0)], ids=lambda layer: type(layer).__name__)
def test_a_strength_of_zero_changes_nothing(layer):
    np.testing.assert_allclose(layer(IMAGES, KEY), IMAGES, atol=1e-6)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_each_depends_only_on_the_key_and_survives_a_config(name):
    layer = AUGMENTATIONS[name]()
    first = layer(IMAGES, KEY).numpy()
    again = type(layer).from_config(layer.get_config())
    np.testing.assert_array_equal(again(IMAGES, KEY), first)
    assert np.any(first != layer(IMAGES, KEY + 1).numpy())
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
        np.testing.assert_allclose(second, first, rtol=1e-4, atol=1e-4)


def test_a_chain_applies_its_parts_in_order_with_separate_keys_and_survives_a_config():
    chain = augment.get(["translation", "brightness", "brightness"])
    whole = chain(IMAGES, KEY)
    fold = random.fold_in
    expected = Brightness()(Brightness()(Translation()(IMAGES, fold(KEY, 0)), fold(KEY, 1)), fold(KEY, 2))
    np.testing.assert_array_equal(whole, expected)
    again = Chain.from_config(chain.get_config())
    np.testing.assert_array_equal(again(IMAGES, KEY), whole)
    assert [type(part) for part in again.parts] == [Translation, Brightness, Brightness]


ADDED = (1, 2, 4)


@keras.saving.register_keras_serializable(package="test_augment")
class Add(augment.Augmentation):
    """Adds a number to all pixels of all images."""

    def __init__(self, number, name=None):
        super().__init__(name=name)
        self.number = number

    def call(self, images, key):
        return images + self.number


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_each_part_is_applied_to_each_image_with_its_probability_independently(probability):
    """The sum of the added numbers tells which parts were applied, so all 8 sets of parts can be counted."""
    images = np.zeros((4_000, 1, 2, 1), np.float32)
    found = Occasional(map(Add, ADDED), probability=probability)(images, KEY).numpy()
    assert (found[:, :, :1] == found).all()  # a whole image, or nothing of it
    counts = np.bincount(found[:, 0, 0, 0].astype(int), minlength=8)
    for chosen, count in enumerate(counts):
        size = chosen.bit_count()
        share = probability**size * (1 - probability) ** (3 - size)
        assert abs(count - 4_000 * share) <= 4.5 * np.sqrt(4_000 * share * (1 - share))


ALL = list(AUGMENTATIONS)


def test_probability_zero_changes_no_bit_and_probability_one_is_the_chain():
    np.testing.assert_array_equal(augment.get(ALL, probability=0.0)(IMAGES, KEY), IMAGES)
    np.testing.assert_array_equal(augment.get(ALL, probability="ada")(IMAGES, KEY), IMAGES)
    chain = augment.get(ALL)
    assert type(chain) is Chain
    expected = chain(IMAGES, KEY).numpy()
    adaptive = Adaptive(chain.parts)
    adaptive.probability.assign(1.0)
    for certain in (Occasional(chain.parts, probability=1.0), adaptive):
        np.testing.assert_array_equal(certain(IMAGES, KEY), expected)


@pytest.mark.parametrize("probability", [0.3, "ada"])
def test_a_probability_survives_a_config(probability):
    layer = augment.get(["flip", "color"], probability=probability)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
    np.testing.assert_array_equal(again(IMAGES, KEY), layer(IMAGES, KEY))


def test_computes_in_float32_under_another_policy():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        assert Brightness()(IMAGES, KEY).dtype == tf.float32
    finally:
        keras.config.set_dtype_policy("float32")


def test_get_accepts_names_and_rejects_bad_input():
    assert augment.get([]) is None
    with pytest.raises(InputError, match="Unknown `augment`"):
        augment.get(["mirror"])
    for probability in (-0.1, 1.1, float("nan"), "often", None):
        with pytest.raises(InputError, match="`probability`"):
            augment.get(["flip"], probability=probability)
    with pytest.raises(InputError, match="strength"):
        Cutout(1.5)
