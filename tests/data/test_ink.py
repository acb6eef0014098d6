"""Tests the separation of ink from uneven backgrounds."""

import numpy as np
import pytest

from gan.data import ink

SIDE = 120
STROKE = (slice(30, 90), slice(55, 62))
"""A vertical stroke."""


def page(background, contrast=0.5):
    """A page [120, 120] with a stroke that lets only a share of the light through."""
    brightness = np.array(np.broadcast_to(background, (SIDE, SIDE)), np.float32)
    brightness[STROKE] *= 1 - contrast
    return brightness


BACKGROUNDS = {
    "even": np.full((1, 1), 0.8),
    "ramp": np.linspace(0.9, 0.3, SIDE)[None],
    "steps": np.repeat([0.9, 0.45, 0.7], 40)[None],
    "diagonal edge": np.where(np.add.outer(np.arange(SIDE), np.arange(SIDE)) > 100, 0.8, 0.5),
}


@pytest.mark.parametrize("name", BACKGROUNDS)
def test_slopes_and_edges_of_the_background_are_removed_exactly(name):
    brightness = page(BACKGROUNDS[name], contrast=0.0)
    assert ink.remove_background(brightness, 25, is_dark=True).max() == pytest.approx(0, abs=1e-6)
    assert ink.remove_background(brightness, 25, is_dark=False).max() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", ["even", "ramp"])
def test_dark_ink_is_the_share_of_light_that_it_absorbs(name):
    found = ink.remove_background(page(BACKGROUNDS[name]), 25, is_dark=True)
    np.testing.assert_allclose(found[STROKE], 0.5, atol=0.06)  # the closing is level across the stroke
    found[STROKE] = 0
    assert found.max() == pytest.approx(0, abs=1e-6)


def test_light_ink_is_found_on_a_dark_background():
    found = ink.remove_background(1 - page(BACKGROUNDS["even"]), 25, is_dark=False)
    np.testing.assert_allclose(found[STROKE], 0.4, atol=1e-6)
    assert np.count_nonzero(found > 1e-6) == 60 * 7


@pytest.mark.parametrize("sigma", [0.005, 0.02, 0.05])
def test_noise_is_estimated_on_slopes_and_beside_strokes(sigma):
    noise = np.random.default_rng(0).normal(0, sigma, (SIDE, SIDE))
    assert ink.estimate_noise((page(BACKGROUNDS["ramp"]) + noise).astype(np.float32)) == pytest.approx(sigma, rel=0.06)
    assert ink.estimate_noise(page(BACKGROUNDS["ramp"])) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("slope", [0.0, 0.05, -0.08])
@pytest.mark.parametrize("is_vertical", [False, True])
def test_ruled_lines_are_removed_and_strokes_across_them_stay(slope, is_vertical):
    rows, columns = np.mgrid[:SIDE, :SIDE]
    lines = 0.2 * ((rows + np.rint(slope * columns)) % 24 == 11).astype(np.float32)
    stroke = np.zeros_like(lines)
    stroke[(slice(20, 100), slice(50, 58))] = 0.7
    found = np.maximum(lines, stroke)
    cleaned = ink.remove_lines(found.T if is_vertical else found)
    cleaned = cleaned.T if is_vertical else cleaned
    np.testing.assert_allclose(cleaned[25:95, 51:57], 0.7, atol=1e-6)
    cleaned[18:102, 48:60] = 0
    assert np.mean(cleaned > 0.05) < 0.002
    np.testing.assert_array_equal(ink.remove_lines(stroke), stroke)


def test_otsu_separates_two_values():
    values = np.array([0.1] * 70 + [0.8] * 30)
    assert 0.1 < ink.otsu_threshold(values) <= 0.8
    assert np.mean(values >= ink.otsu_threshold(values)) == 0.3
    assert ink.otsu_threshold(np.full(5, 0.3)) == pytest.approx(0.3)
