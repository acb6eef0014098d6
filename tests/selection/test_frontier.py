"""Tests of the frontier: by hand, by its definition, and for many candidates."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan.errors import InputError, as_json, convert
from gan.selection import Frontier, ValidatedCandidate, find_frontier
from gan.tolerance import covers


def candidate(name, error, cost, coverage=1.0, real_coverage=1.0):
    return ValidatedCandidate(name=name, error=error, cost=cost, coverage=coverage, real_coverage=real_coverage)


def names(frontier):
    return [one.name for one in frontier.kept]


def test_five_points_by_hand():
    """`slow` costs more than `good` and errs more. `twin` and `good` err alike; `cheap` costs as much as `poor`."""
    points = [
        candidate("cheap", 0.05, 1.0),
        candidate("good", 0.01, 5.0),
        candidate("twin", 0.01, 8.0),
        candidate("slow", 0.02, 6.0),
        candidate("poor", 0.09, 1.0),
    ]
    found = find_frontier(points)
    assert names(found) == ["twin", "good", "cheap", "poor"]
    assert found.dropped == {"slow": "beaten by good"}
    assert find_frontier(reversed(points)) == found


def test_equal_candidates_are_ordered_by_name():
    found = find_frontier([candidate(name, 0.1, 1.0) for name in "cab"])
    assert (names(found), found.dropped) == (["a", "b", "c"], {})


def test_the_cheapest_one_that_beats_is_named():
    found = find_frontier([candidate("a", 0.0, 9.0), candidate("b", 0.1, 2.0), candidate("c", 0.2, 10.0)])
    assert (names(found), found.dropped) == (["a", "b"], {"c": "beaten by b"})


@pytest.mark.parametrize(("coverage", "real_coverage", "kept"), [(0.4, 0.5, True), (0.399, 0.5, False), (0.8, 1, True)])
def test_too_little_coverage_drops_out_before_the_comparison(coverage, real_coverage, kept):
    """So a candidate without coverage beats nobody."""
    good = candidate("good", 0.0, 1.0, coverage, real_coverage)
    found = find_frontier([good, candidate("other", 0.5, 5.0)])
    assert names(found) == (["good"] if kept else ["other"])
    assert found.dropped == ({"other": "beaten by good"} if kept else {"good": "coverage"})


def test_numbers_that_are_not_finite_drop_out():
    nan, inf = math.nan, math.inf
    rows = {"e": (nan, 1.0), "i": (inf, 1.0), "c": (0.1, nan), "d": (0.1, inf), "both": (nan, nan)}
    found = find_frontier(
        [candidate(name, *row) for name, row in rows.items()]
        + [candidate("covers", 0.1, 1.0, nan), candidate("real", 0.1, 1.0, 1.0, nan), candidate("good", 0.3, 3.0)]
    )
    assert names(found) == ["good"]
    assert found.dropped == {
        "e": "error is not finite",
        "i": "error is not finite",
        "both": "error is not finite",
        "c": "cost is not finite",
        "d": "cost is not finite",
        "covers": "coverage",
        "real": "coverage",
    }


def test_no_candidates_have_no_frontier():
    assert find_frontier([]) == Frontier(kept=(), dropped={})


def test_two_candidates_of_one_name():
    with pytest.raises(InputError, match=r"`candidates`. Expected unique values. Received: candidates=\['a', 'a'\]"):
        find_frontier([candidate("a", 0.1, 1.0), candidate("a", 0.2, 2.0)])


def test_is_read_from_json_as_written():
    found = find_frontier([candidate("a", 0.1, 1.0), candidate("b", 0.2, 2.0, 0.9, 0.95)])
    assert convert(as_json(found), Frontier, "selection.json") == found


NUMBERS = st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0, math.nan])
POINTS = st.lists(st.tuples(NUMBERS, NUMBERS, st.sampled_from([1.0, 1.0, 1.0, 0.5])), max_size=30)


def beats(one, other):
    return one.error < other.error and one.cost < other.cost


@given(points=POINTS, seed=st.integers(0, 2**32 - 1))
def test_frontier_by_its_definition(points, seed):
    candidates = {f"c{number}": candidate(f"c{number}", *point) for number, point in enumerate(points)}
    found = find_frontier(candidates.values())
    fit = [
        one
        for one in candidates.values()
        if math.isfinite(one.error + one.cost) and covers(one.coverage, one.real_coverage)
    ]
    best = [one for one in fit if not any(beats(other, one) for other in fit)]
    assert set(found.kept) == set(best)
    assert not set(names(found)) & set(found.dropped)
    assert set(names(found)) | set(found.dropped) == set(candidates)
    for name, reason in found.dropped.items():
        if reason.startswith("beaten by "):
            beaten_by = candidates[reason.removeprefix("beaten by ")]
            assert beats(beaten_by, candidates[name])
            assert beaten_by in found.kept
    order = [(one.error, -one.cost, one.name) for one in found.kept]
    assert order == sorted(order)
    assert all(after.cost <= one.cost for one, after in zip(found.kept, found.kept[1:]))
    shuffled = np.random.default_rng(seed).permutation(list(candidates))
    assert find_frontier([candidates[name] for name in shuffled]) == found


def test_many_candidates():
    rng = np.random.default_rng(0)
    errors, costs = rng.random((2, 2_000))
    candidates = [candidate(f"c{number}", *pair) for number, pair in enumerate(zip(errors, costs))]
    found = find_frontier(candidates)
    best = [i for i in range(2_000) if not ((errors < errors[i]) & (costs < costs[i])).any()]
    assert names(found) == [f"c{i}" for i in sorted(best, key=errors.__getitem__)]
