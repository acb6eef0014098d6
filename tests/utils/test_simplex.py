"""Tests of weights on the simplex: checks, and minima that can be worked out by hand."""

import numpy as np
import pytest

from gan.errors import InputError
from gan.utils.simplex import check_weights, minimize_on_simplex


@pytest.mark.parametrize("given", [[0.25, 0.75], (0.25, 0.75), np.array([0.25, 0.75], np.float32), [0.25, 0.7500005]])
def test_weights_that_sum_to_one_are_returned_with_that_sum(given):
    weights = check_weights("weights", given, 2)
    assert weights.dtype == np.float64
    assert weights.sum() == pytest.approx(1, abs=1e-15)
    np.testing.assert_allclose(weights, [0.25, 0.75], atol=1e-6)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ([0.5], r"Expected 2 numbers. Received: mix=\[0\.5\]\."),
        ([0.5, "0.5"], "Expected 2 numbers"),
        ([True, 0.0], "Expected 2 numbers"),
        ([[0.5], [0.5]], "Expected 2 numbers"),
        ([1.5, -0.5], "Expected finite numbers >= 0"),
        ([float("nan"), 1.0], "Expected finite numbers >= 0"),
        ([0.5, 0.6], r"Expected weights that sum to 1. Received: mix=\[0\.5, 0\.6\], the sum is 1\.1"),
        ([0.0, 0.0], "the sum is 0"),
        ([0.5, 0.50001], "sum to 1"),
    ],
)
def test_rejects_other_weights(given, problem):
    with pytest.raises(InputError, match=f"Bad `mix`.*{problem}"):
        check_weights("mix", given, 2)


def distance_to(point):
    """Squared distance to a point, and its gradient."""
    return lambda w: (float(np.sum((w - point) ** 2)), 2 * (w - point))


def test_a_quadratic_with_its_minimum_inside():
    np.testing.assert_allclose(minimize_on_simplex(distance_to([0.2, 0.3, 0.5]), 3), [0.2, 0.3, 0.5], atol=1e-6)


def test_a_quadratic_with_its_minimum_outside():
    """The nearest point of the simplex to (.9, .5, -.4) is (.7, .3, 0): both differ by .2 from the first two."""
    weights = minimize_on_simplex(distance_to([0.9, 0.5, -0.4]), 3)
    np.testing.assert_allclose(weights, [0.7, 0.3, 0.0], atol=1e-6)
    assert weights[2] == 0


@pytest.mark.parametrize("best", [0, 1, 2, 3])
def test_a_linear_function_has_its_minimum_at_a_vertex(best):
    slopes = np.array([3.0, 2.0, 4.0, 5.0])
    slopes[best] = 1.0
    weights = minimize_on_simplex(lambda w: (float(slopes @ w), slopes), 4)
    np.testing.assert_array_equal(weights, np.eye(4)[best])


def test_one_weight_is_one():
    np.testing.assert_array_equal(minimize_on_simplex(lambda w: (np.nan, w), 1), [1.0])


def test_the_minimum_that_only_some_starts_reach_is_found():
    """Of the concave -|w - a|^2 every vertex is a local minimum; the lowest is the farthest from a."""
    center = np.array([0.5, 0.4, 0.1])
    weights = minimize_on_simplex(lambda w: (-float(np.sum((w - center) ** 2)), -2 * (w - center)), 3, starts=0)
    np.testing.assert_array_equal(weights, [0, 0, 1])


def test_a_narrow_valley_needs_random_starts():
    """f = -exp(-400 |w - a|^2) is flat at the vertices and at equal weights, beyond the reach of a step from there."""
    valley = np.array([0.05, 0.25, 0.7])

    def function(w):
        value = -np.exp(-400 * np.sum((w - valley) ** 2))
        return float(value), -800 * (w - valley) * value

    assert function(minimize_on_simplex(function, 3, starts=0))[0] > -0.1
    np.testing.assert_allclose(minimize_on_simplex(function, 3, starts=20), valley, atol=1e-5)


def test_is_deterministic_and_never_worse_than_its_starts():
    rng = np.random.default_rng(0)
    for _ in range(5):
        matrix = rng.normal(size=(4, 4))
        matrix = matrix + matrix.T  # indefinite

        def function(w, matrix=matrix):
            return float(w @ matrix @ w), 2 * matrix @ w

        weights = minimize_on_simplex(function, 4, seed=3)
        np.testing.assert_array_equal(weights, minimize_on_simplex(function, 4, seed=3))
        assert weights.sum() == pytest.approx(1, abs=1e-12)
        assert (weights >= 0).all()
        assert function(weights)[0] <= min(function(start)[0] for start in [np.full(4, 0.25), *np.eye(4)])


def test_a_small_weight_that_matters_is_kept():
    """w_2 + 1e-12 / w_2 has its minimum 2e-6 at w_2 = 1e-6; without the second part there is no finite value."""

    def function(w):
        if w[1] <= 0:
            return np.inf, np.zeros(2)
        return w[1] + 1e-12 / w[1], np.array([0.0, 1 - 1e-12 / w[1] ** 2])

    assert minimize_on_simplex(function, 2)[1] > 0


def test_rejects_a_function_without_a_finite_value():
    with pytest.raises(InputError, match="Nothing to minimize"):
        minimize_on_simplex(lambda w: (np.nan, w), 2)
    with pytest.raises(InputError, match="`n`"):
        minimize_on_simplex(distance_to([1.0]), 0)
