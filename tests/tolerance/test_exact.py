"""Tests of the exact intervals: by sums over all outcomes."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gan.errors import InputError
from gan.tolerance import WrongRange, clopper_pearson, hypergeometric_bounds, wilson_interval

CONFIDENCES = st.sampled_from([0.5, 0.9, 0.95, 0.999])


@given(n=st.integers(1, 10**5), share=st.floats(0, 1), confidence=CONFIDENCES)
def test_clopper_pearson_equals_scipys(n, share, confidence):
    wrong = round(share * n)
    expected = stats.binomtest(wrong, n).proportion_ci(confidence, method="exact")
    np.testing.assert_allclose(clopper_pearson(wrong, n, confidence), (expected.low, expected.high), atol=1e-9)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 1 - 1e-12])
@pytest.mark.parametrize(("wrong", "n"), [(0, 1), (1, 1), (0, 10**7), (3, 10**7), (40_000, 10**7), (10**7, 10**7)])
def test_at_a_bound_the_tail_has_half_of_the_error(wrong, n, confidence):
    lower, upper = clopper_pearson(wrong, n, confidence)
    assert 0 <= lower <= wrong / n <= upper <= 1
    tail = (1 - confidence) / 2
    assert (lower == 0) == (wrong == 0)
    assert (upper == 1) == (wrong == n)
    if wrong > 0:
        assert stats.binom.sf(wrong - 1, n, lower) == pytest.approx(tail, rel=1e-3)
    if wrong < n:
        assert stats.binom.cdf(wrong, n, upper) == pytest.approx(tail, rel=1e-3)


LEAST_COVERAGE = {"clopper_pearson": 0.9503, "wilson_interval": 0.9198}
"""Lowest coverage of the 95 % intervals of 1,000 outcomes over rates from 0.1 to 50 %, as in docs/evaluation.md."""


def coverage(interval, n, rates):
    bounds = np.array([interval(wrong, n) for wrong in range(n + 1)])
    contains = (bounds[:, :1] <= rates) & (rates <= bounds[:, 1:])
    return (stats.binom.pmf(np.arange(n + 1)[:, None], n, rates) * contains).sum(axis=0)


def test_clopper_pearson_covers_every_rate_and_wilson_does_not():
    rates = np.linspace(0.001, 0.5, 1_997)
    least = {
        interval.__name__: coverage(interval, 1_000, rates).min() for interval in (clopper_pearson, wilson_interval)
    }
    assert least == pytest.approx(LEAST_COVERAGE, abs=5e-4)
    assert least["clopper_pearson"] >= 0.95


def brute_force(wrong, n, total, tail):
    """Returns the numbers of wrong ones among `total` that no test rejects, by whole numbers of ways."""
    kept = []
    for of_total in range(total + 1):
        ways = [comb(of_total, i) * comb(total - of_total, n - i) for i in range(n + 1)]
        if min(sum(ways[: wrong + 1]), sum(ways[wrong:])) >= tail * comb(total, n):
            kept.append(of_total)
    return kept


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_hypergeometric_bounds_equal_a_search_through_all_numbers(confidence):
    for total in range(13):
        for n in range(total + 1):
            for wrong in range(n + 1):
                kept = brute_force(wrong, n, total, (1 - Fraction(str(confidence))) / 2)
                assert hypergeometric_bounds(wrong, n, total, confidence) == (kept[0], kept[-1])
                assert kept == list(range(kept[0], kept[-1] + 1))


@given(data=st.data(), total=st.integers(1, 10**6), confidence=CONFIDENCES)
def test_hypergeometric_bounds_equal_scipys_tails(data, total, confidence):
    n = data.draw(st.integers(1, min(total, 3_000)))
    wrong, tail = data.draw(st.integers(0, n)), (1 - confidence) / 2
    least, most = hypergeometric_bounds(wrong, n, total, confidence)
    assert wrong <= least + (n - wrong) <= total
    assert wrong <= most <= total - (n - wrong)
    close = 1 + 1e-6  # the distribution has about nine digits
    assert stats.hypergeom.cdf(wrong, total, most, n) * close >= tail
    assert most == total - (n - wrong) or stats.hypergeom.cdf(wrong, total, most + 1, n) <= tail * close
    assert stats.hypergeom.sf(wrong - 1, total, least, n) * close >= tail
    assert least == wrong or stats.hypergeom.sf(wrong - 1, total, least - 1, n) <= tail * close


@pytest.mark.parametrize(("n", "total"), [(20, 50), (50, 300), (1, 30), (30, 30)])
def test_hypergeometric_bounds_cover_every_number(n, total):
    bounds = np.array([hypergeometric_bounds(wrong, n, total) for wrong in range(n + 1)])
    for of_total in range(total + 1):
        chance = stats.hypergeom.pmf(np.arange(n + 1), total, of_total, n)
        assert chance @ (of_total < bounds[:, 0]) <= 0.025
        assert chance @ (of_total > bounds[:, 1]) <= 0.025


def test_hypergeometric_bounds_at_the_edges():
    assert hypergeometric_bounds(0, 0, 0) == (0, 0)
    assert hypergeometric_bounds(0, 0, 7) == (0, 7)
    assert hypergeometric_bounds(3, 10, 10) == (3, 3)
    least, most = hypergeometric_bounds(4_000, 10**6, 10**7)
    assert least < 40_000 < most
    np.testing.assert_allclose((least, most), np.array(clopper_pearson(4_000, 10**6)) * 10**7, rtol=0.002)
    for bad in ((1, 2, 1), (3, 2, 10), (-1, 2, 10), (0, 1, 10, 1.0)):
        with pytest.raises(InputError):
            hypergeometric_bounds(*bad)


def test_a_range_of_wrong_outcomes():
    assert WrongRange(2, 5, 13).rate == 2 / 10
    assert WrongRange(0, 4, 4).rate is WrongRange(0, 0, 0).rate is None
    assert WrongRange.known(3, 9) == WrongRange(3, 3, 9)
    for bad in ((3, 2, 10), (0, 11, 10), (-1, 2, 10), (0, 0, -1)):
        with pytest.raises(InputError):
            WrongRange(*bad)
