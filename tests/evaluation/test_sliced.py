"""Tests of the sliced Wasserstein distance: closed forms of points, pyramids, and properties of images."""

import numpy as np
import pytest

from gan.errors import InputError
from gan.evaluation.metrics import SLICED, sliced, sliced_wasserstein
from gan.evaluation.metrics.sliced import laplacian_pyramid, sliced_distance

LINE = np.ones((1, 1), np.float32)


def images(shape=(6, 16, 16, 3), seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([0, 1, 2], [2, 0, 1], 0),  # the order does not matter
        ([0, 0, 0], [3, 3, 3], 3),
        ([0, 1], [0, 3], 1),  # half of the mass moves by 2
        ([-1, 1], [-2, 2], 1),
    ],
)
def test_on_a_line_it_is_the_wasserstein_distance_of_samples(a, b, expected):
    a, b = (np.array(points, np.float32)[:, None] for points in (a, b))
    assert sliced_distance(a, b, LINE) == sliced_distance(b, a, -LINE) == expected


def test_a_translation_moves_each_projection_by_its_share():
    rng = np.random.default_rng(0)
    points, directions = rng.normal(size=(50, 3)), rng.normal(size=(70, 3))
    shift = np.array([1.0, -2.0, 0.5])
    expected = np.abs(directions @ shift).mean()
    assert sliced_distance(points, points[::-1] + shift, directions) == pytest.approx(expected)


def test_the_details_of_a_linear_ramp_are_zero_except_at_the_border():
    ramp = np.tile(np.arange(32, dtype=np.float32)[None, :, None, None], (1, 1, 32, 1))
    fine, middle, coarse = laplacian_pyramid(ramp)
    assert (fine.shape, middle.shape, coarse.shape) == ((1, 32, 32, 1), (1, 16, 16, 1), (1, 8, 8, 1))
    np.testing.assert_allclose(fine[:, 4:-4], 0, atol=1e-5)
    np.testing.assert_allclose(coarse[0, 2:-2, 0, 0], np.arange(0, 32, 4)[2:-2], atol=0.2)


@pytest.mark.parametrize(("shape", "levels"), [((8, 8, 1), [8]), ((15, 20, 3), [15, 8]), ((33, 33, 2), [33, 17, 9])])
def test_equal_sets_have_no_distance_at_any_size(shape, levels):
    same = images((5, *shape))
    found = sliced_wasserstein(same, same.copy(), patches=3, directions=8)
    assert [int(name.rpartition("_")[2].partition("x")[0]) for name in found if name != SLICED] == levels
    assert set(found.values()) == {0.0}


def test_another_brightness_is_seen_in_the_smallest_copy_alone():
    real, options = images(), {"patches": 4, "directions": 32}
    once, twice = (sliced_wasserstein(real, real + shift, **options) for shift in (0.25, 0.5))
    assert once[f"{SLICED}_16x16"] == pytest.approx(0, abs=1e-5)
    assert twice[f"{SLICED}_8x8"] == pytest.approx(2 * once[f"{SLICED}_8x8"], rel=1e-4)
    assert once[SLICED] == pytest.approx(once[f"{SLICED}_8x8"] / 2, rel=1e-3)


def test_lost_details_are_seen_in_the_finest_level():
    real, other = images((40, 16, 16, 1)), images((40, 16, 16, 1), seed=1)
    plain = np.repeat(np.repeat(other[:, ::4, ::4], 4, axis=1), 4, axis=2)
    sharp, blurred = (sliced_wasserstein(real, fake, patches=16)[f"{SLICED}_16x16"] for fake in (other, plain))
    assert sharp < 0.5 * blurred


def test_a_seed_draws_the_same_patches_and_directions():
    real, fake = images(), images(seed=1)
    first, again, other = (sliced_wasserstein(real, fake, patches=2, seed=seed)[SLICED] for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        (images((4, 7, 9, 1)), images((4, 7, 9, 1)), "at least 8 pixels"),
        (images(), images((5, 16, 16, 3)), "shape of the real images"),
        (images(), np.full_like(images(), np.nan), "finite numbers"),
    ],
)
def test_rejects_other_images(real, fake, message):
    with pytest.raises(InputError, match=message):
        sliced_wasserstein(real, fake)


def test_the_images_of_a_block_do_not_change_the_distance(monkeypatch):
    real, fake = images((7, 33, 17, 3)), images((7, 33, 17, 3), seed=1)
    seen = []
    whole = sliced_wasserstein(real, fake, patches=4, directions=8)
    monkeypatch.setattr(sliced, "BLOCK", 3)
    monkeypatch.setattr(sliced, "laplacian_pyramid", lambda part: seen.append(len(part)) or laplacian_pyramid(part))
    assert sliced_wasserstein(real, fake, patches=4, directions=8) == whole
    assert seen == [3, 3, 1] * 2
