"""The simplex: weights that are at least zero and sum to one."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from gan.errors import InputError, check_seed, check_whole, is_number

TOLERATED = 1e-6
"""Largest difference from one of the sum of weights that a user gives."""
NEGLIGIBLE = 1e-4
"""A smaller weight becomes zero where the minimum stays as good."""
ACCURACY = 1e-9
"""Difference of values, relative to the larger of 1 and the value, that is not more than the error of the solver."""

Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]
"""A function of weights [n] that returns its value and its gradient [n]."""


def check_weights(name: str, weights: Sequence[float] | np.ndarray, n: int) -> np.ndarray:
    """Returns `n` weights as float64 [n], divided by their sum.

    Raises `InputError`, which names the option `name`, unless they are `n` finite numbers >= 0 that sum to 1 within
    `TOLERATED`.
    """
    given = weights.tolist() if isinstance(weights, np.ndarray) else list(weights)
    received = f"{name}={given}"
    if len(given) != n or not all(map(is_number, given)):
        raise InputError(f"Bad `{name}`", expected=f"{n} number{'s' * (n != 1)}", received=received)
    values = np.asarray(given, np.float64)
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise InputError(f"Bad `{name}`", expected="finite numbers >= 0", received=received)
    total = float(values.sum())
    if abs(total - 1) > TOLERATED:
        raise InputError(
            f"Bad `{name}`", expected="weights that sum to 1", received=f"{received}, the sum is {total:g}"
        )
    return values / total


def minimize_on_simplex(function: Objective, n: int, *, starts: int = 8, seed: int = 0) -> np.ndarray:
    """Finds the weights w, float64 [n], w >= 0 and sum(w) = 1, with the smallest value of a smooth function.

    Sequential quadratic programming (SLSQP, Kraft 1988) runs from equal weights, from each vertex, and from `starts`
    draws that are uniform on the simplex. The best point found is returned: never worse than any of these starts. Of a
    convex function it is the minimum; of another one, the lowest minimum that was reached.

    Weights below `NEGLIGIBLE` become zero if the value then stays the same within `ACCURACY`. The solver ends that near
    to a bound without touching it, and a part with weight zero can be left out.

    Args:
        function: returns (value, gradient [n]) at weights [n]. A point without a finite value is skipped.
        n: number of weights.
        starts: number of random starts.
        seed: seed of the random starts.

    Raises `InputError` if no start has a finite value and gradient.
    """
    from scipy.optimize import minimize  # slow to import

    check_whole("n", n, 1)
    check_whole("starts", starts, 0)
    check_seed(seed)
    if n == 1:
        return np.ones(1)
    best, least = np.full(n, 1 / n), np.inf
    for start in _starts(n, starts, seed):
        value, gradient = function(start)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            continue
        with np.errstate(all="ignore"):  # a step of the solver to a point without a finite value
            found = minimize(
                function,
                start,
                jac=True,
                method="SLSQP",
                bounds=[(0.0, 1.0)] * n,
                constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
                options={"ftol": 1e-14, "maxiter": 500},
            ).x
        for point in (start, _project(found)):
            value = function(point)[0] if np.isfinite(point).all() else np.inf
            if value < least:
                best, least = point, value
    if not np.isfinite(least):
        raise InputError("Nothing to minimize", expected="a finite value and gradient", received="none at any start")
    sparse = _project(np.where(best < NEGLIGIBLE, 0.0, best))
    return sparse if function(sparse)[0] <= least + ACCURACY * max(1.0, abs(least)) else best


def _starts(n: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    yield np.full(n, 1 / n)
    yield from np.eye(n)
    yield from np.random.default_rng(seed).dirichlet(np.ones(n), draws)


def _project(weights: np.ndarray) -> np.ndarray:
    """Returns weights on the simplex that differ from the given ones by no more than the error of the solver."""
    clipped = np.clip(weights, 0.0, None)
    return clipped / clipped.sum()
