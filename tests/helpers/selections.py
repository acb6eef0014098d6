"""Simulated selections: candidates of known error rates, correlated measurements, and several ways to choose."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr
from scipy.stats import binom

from gan.selection import Outcome, ValidatedCandidate, find_frontier, run_sequence
from gan.tolerance import most_wrong

NOBODY = -1


@dataclass(frozen=True)
class World:
    """Candidates with true error rates and costs, float [N]."""

    errors: np.ndarray
    costs: np.ndarray


def just_above(num_candidates, tolerance):
    """All are at the tolerance + 1e-4, at different costs: whoever is named is a mistake."""
    return World(np.full(num_candidates, tolerance + 1e-4), 1.0 + np.arange(num_candidates))


def one_good(num_candidates, tolerance):
    """The dearest is at half of the tolerance, the others at the tolerance + 1e-4."""
    world = just_above(num_candidates, tolerance)
    world.errors[-1] = tolerance / 2
    return world


def graded(num_candidates, tolerance):
    """The dearest third is at half of the tolerance, the middle at the tolerance + 1e-4, the cheapest at 3 times it."""
    thirds = np.arange(num_candidates) * 3 // num_candidates
    return World(np.array([3 * tolerance, tolerance + 1e-4, tolerance / 2])[thirds], 1.0 + np.arange(num_candidates))


def draw_counts(errors, num, repetitions, correlation, rng):
    """Returns numbers of wrong samples among `num`, int [repetitions, N]: binomial each, correlated in a repetition.

    Gaussian copula: quantiles of the binomial distributions at the normal distribution of
    sqrt(correlation) shock + sqrt(1 - correlation) noise, with one shock for all candidates of a repetition.
    """
    shock, noise = rng.standard_normal((repetitions, 1)), rng.standard_normal((repetitions, len(errors)))
    shares = ndtr(np.sqrt(correlation) * shock + np.sqrt(1 - correlation) * noise)
    counts = np.empty(shares.shape, int)
    for error in np.unique(errors):
        of_it = errors == error
        counts[:, of_it] = np.searchsorted(binom.cdf(np.arange(num), num, error), shares[:, of_it])
    return counts


def sequence_choice(world, validated, tested, num, tolerance):
    """Returns the index that the real frontier and the real sequence of tests name for two rows of counts [N]."""
    frontier = find_frontier(
        ValidatedCandidate(name=str(index), error=wrong / num, cost=cost)
        for index, (wrong, cost) in enumerate(zip(validated.tolist(), world.costs.tolist()))
    )
    names = [candidate.name for candidate in frontier.kept]

    def measure(name):
        return Outcome(wrong=int(tested[int(name)]), num=num)

    chosen = run_sequence(names, measure, tolerance=tolerance, num=num).chosen
    return NOBODY if chosen is None else int(chosen)


def cheapest_within(world, counts, num, tolerance):
    """Returns the index of the cheapest whose Wilson verdict is `within` in each row of counts [repetitions, N]."""
    cost = np.where(counts <= most_wrong(num, tolerance), world.costs, np.inf)
    return np.where(np.isfinite(cost).any(axis=1), cost.argmin(axis=1), NOBODY)


def best_look(counts, num, tolerance):
    """Returns the index of the lowest count in each row of counts [repetitions, N] if its verdict is `within`."""
    return np.where(counts.min(axis=1) <= most_wrong(num, tolerance), counts.argmin(axis=1), NOBODY)


def simulate(world, *, tolerance, num, repetitions, correlation, seed=0):
    """Returns the indices that each way to choose names, int [repetitions], -1 for nobody.

    Each candidate has `num` samples of validation and `num` of test. `sequence`: the frontier on validation samples,
    then the tests in sequence. `cheapest tested`: the cheapest of all whose verdict on test samples is `within`.
    `cheapest validated`: the same on validation samples. `best look`: the lowest error on validation samples, if its
    verdict on the same samples is `within`.
    """
    rng = np.random.default_rng(seed)
    validated, tested = (draw_counts(world.errors, num, repetitions, correlation, rng) for _ in range(2))
    pairs = zip(validated, tested)
    return {
        "sequence": np.array([sequence_choice(world, *pair, num, tolerance) for pair in pairs]),
        "cheapest tested": cheapest_within(world, tested, num, tolerance),
        "cheapest validated": cheapest_within(world, validated, num, tolerance),
        "best look": best_look(validated, num, tolerance),
    }


def mistakes(world, named, tolerance):
    """Returns how many of the named indices have an error rate above the tolerance."""
    return int((named >= 0).sum() - hits(world, named, tolerance))


def hits(world, named, tolerance):
    """Returns how many of the named indices have an error rate within the tolerance."""
    return int((world.errors[named[named >= 0]] <= tolerance).sum())
