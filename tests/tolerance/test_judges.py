"""Tests of the rate that is corrected for mistakes of judges: by hand, by search, and by simulation."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan.errors import InputError
from gan.tolerance import (
    GoldCounts,
    WrongRange,
    confidence_sequence,
    corrected_bounds,
    corrected_rate,
    gold_needed,
)

NO_GOLD = GoldCounts(0, 0, 0, 0)
THIRD = 1 - 0.05 / 3


def test_rates_of_a_judge():
    gold = GoldCounts(40, 50, 58, 60, wrong_open=5, right_open=1)
    assert gold.sensitivity == pytest.approx(40 / 45)
    assert gold.specificity == pytest.approx(58 / 59)
    assert NO_GOLD.sensitivity is NO_GOLD.specificity is None
    lower, upper = gold.sensitivity_bounds()
    assert (1 - upper, 1 - lower) == pytest.approx((confidence_sequence(5, 50)[0], confidence_sequence(10, 50)[1]))
    lower, upper = gold.specificity_bounds(0.9)
    assert (1 - upper, 1 - lower) == pytest.approx(
        (confidence_sequence(1, 60, 0.9)[0], confidence_sequence(2, 60, 0.9)[1])
    )


def test_the_corrected_rate_inverts_the_mistakes():
    """Of 1,000 samples 100 are wrong, of which 80 are called so, and 9 of the 900 others."""
    gold = GoldCounts(80, 100, 99, 100)
    assert corrected_rate(WrongRange.known(89, 1_000), gold) == pytest.approx(0.1)
    assert corrected_rate(WrongRange(89, 189, 1_100), gold) == pytest.approx(0.1)  # 100 open ones
    assert corrected_rate(WrongRange.known(0, 1_000), gold) == 0
    assert corrected_rate(WrongRange.known(900, 1_000), gold) == 1
    assert corrected_rate(WrongRange.known(89, 1_000), GoldCounts(50, 100, 50, 100)) is None
    assert corrected_rate(WrongRange.known(89, 1_000), NO_GOLD) is None
    assert corrected_rate(WrongRange.known(0, 0), gold) is None


@pytest.mark.parametrize("bad", [(2, 1, 0, 0), (0, 0, 2, 1), (-1, 1, 0, 0), (1, 2, 0, 0, 2), (0, 0, 1, 2, 0, 2)])
def test_rejects_impossible_counts(bad):
    with pytest.raises(InputError):
        GoldCounts(*bad)


CALLED = st.integers(1, 3_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
GOLD = st.integers(0, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(called=CALLED, wrong=GOLD, right=GOLD)
@settings(max_examples=60)
def test_bounds_are_the_extremes_over_all_values_within_three_sequences(called, wrong, right):
    gold = GoldCounts(*wrong, *right)
    lower, upper = corrected_bounds(WrongRange.known(*called), gold)
    q, se, sp = confidence_sequence(*called, THIRD), gold.sensitivity_bounds(THIRD), gold.specificity_bounds(THIRD)
    p = np.linspace(0, 1, 2_001)
    corners = np.array([p * s + (1 - p) * (1 - t) for s, t in itertools.product(se, sp)])
    possible = p[(corners.min(axis=0) <= q[1]) & (corners.max(axis=0) >= q[0])]
    if len(possible):
        assert lower == pytest.approx(possible[0], abs=6e-4)
        assert upper == pytest.approx(possible[-1], abs=6e-4)
    else:
        assert upper - lower < 6e-4 or (lower, upper) == (0, 1)
    if se[0] + sp[0] > 1 and q[1] >= 1 - sp[1] and q[0] <= se[1]:  # the formula of Rogan and Gladen at its corners
        assert upper == pytest.approx(min(1, (q[1] + sp[1] - 1) / (se[0] + sp[1] - 1)))
        assert lower == pytest.approx(np.clip((q[0] + sp[0] - 1) / (se[1] + sp[0] - 1), 0, 1))


def test_bounds_without_gold_and_with_contradicting_gold_say_nothing():
    called = WrongRange.known(3, 1_000)
    assert corrected_bounds(called, NO_GOLD) == (0, 1)
    unclear = GoldCounts(10, 14, 20, 22)  # Se + Sp may be 0.8, but then more samples would be called wrong
    assert unclear.sensitivity_bounds(THIRD)[0] + unclear.specificity_bounds(THIRD)[0] < 0.82
    assert corrected_bounds(called, unclear) == pytest.approx((0, 0.0506), abs=1e-4)
    assert corrected_bounds(WrongRange.known(500, 1_000), GoldCounts(50, 100, 50, 100)) == (0, 1)
    assert corrected_bounds(called, GoldCounts(100, 100, 700, 1_000)) == (0, 1)  # 30 % of right gold, 0.3 % of samples
    assert corrected_rate(called, GoldCounts(100, 100, 700, 1_000)) == 0
    with pytest.raises(InputError):
        corrected_bounds(called, NO_GOLD, 1.0)


def test_perfect_judges_with_much_gold_leave_the_interval_of_the_samples():
    called = WrongRange.known(12, 2_000)
    found = corrected_bounds(called, GoldCounts(10**8, 10**8, 10**8, 10**8))
    assert found == pytest.approx(confidence_sequence(12, 2_000, THIRD), abs=1e-6)


@given(least=st.integers(0, 40), more=st.integers(0, 40), share=st.floats(0, 1), missed=st.integers(0, 9))
@settings(max_examples=40)
def test_open_judgements_contain_the_bounds_of_every_answer(least, more, share, missed):
    open_ = corrected_bounds(WrongRange(least, least + more, 500), GoldCounts(180, 200, 290, 300, 11, 4))
    gold = GoldCounts(180 + missed, 200, 290 + round(4 * share), 300)
    lower, upper = corrected_bounds(WrongRange.known(least + round(share * more), 500), gold)
    assert open_[0] <= lower <= upper <= open_[1] or (lower, upper) == (0, 1)


def test_gold_needed_is_the_smallest_number_at_the_same_rates():
    called, gold = WrongRange.known(20, 2_000), GoldCounts(57, 60, 60, 60)
    needed = gold_needed(called, gold, 0.02)
    assert needed % 2 == 0 < needed

    def width(more):  # multiples of 20 keep the rates
        kept = GoldCounts(57 + 57 * more // 60, 60 + more, 60 + more, 60 + more)
        lower, upper = corrected_bounds(called, kept)
        return upper - lower

    assert width(-(-needed // 2 // 20) * 20) <= 0.02
    assert width((needed // 2 - 1) // 20 * 20) > 0.02
    assert gold_needed(called, gold, 0.05) < needed < gold_needed(called, gold, 0.02, 0.99)


def test_gold_needed_at_the_edges():
    many = WrongRange.known(20, 5_000)
    assert gold_needed(many, NO_GOLD, 1.0) == 0
    assert gold_needed(many, GoldCounts(10**6, 10**6, 10**6, 10**6), 0.02) == 0
    assert gold_needed(many, NO_GOLD, 0.02) == 10  # no mistake is expected, and few samples are called wrong
    assert gold_needed(many, NO_GOLD, 0.0) is None
    assert gold_needed(WrongRange.known(1, 100), NO_GOLD, 0.01) is None  # too few samples
    assert gold_needed(WrongRange(20, 220, 5_000), NO_GOLD, 0.02) is None  # 4 % are open
    assert gold_needed(many, GoldCounts(100, 200, 100, 200), 0.02) is None  # judges who toss a coin
    with pytest.raises(InputError):
        gold_needed(many, NO_GOLD, 1.5)


RATE, SENSITIVITY, SPECIFICITY, SHARE = 0.02, 0.85, 0.985, 0.1
"""Error rate of the samples, how judges call them, and the share of gold."""


def simulate(most, every, repetitions):
    """Returns how often the true rate is ever outside the corrected bounds, and outside those without correction."""
    rng, outside = np.random.default_rng(0), np.zeros(2)
    for _ in range(repetitions):
        is_gold, is_wrong = rng.random(most) < SHARE, rng.random(most) < RATE
        is_wrong[is_gold] = rng.random(is_gold.sum()) < 0.5
        called = rng.random(most) < np.where(is_wrong, SENSITIVITY, 1 - SPECIFICITY)
        kinds = (~is_gold, ~is_gold & called, is_gold & is_wrong, is_gold & is_wrong & called,
                 is_gold & ~is_wrong, is_gold & ~is_wrong & ~called)  # fmt: skip
        looks = np.cumsum(kinds, axis=1)[:, every - 1 :: every].T.tolist()
        bounds = [
            (
                *corrected_bounds(WrongRange.known(said, n), GoldCounts(hit, wrong, passed, right)),
                *confidence_sequence(said, n),
            )
            for n, said, wrong, hit, right, passed in looks
        ]
        lower, upper, lower_raw, upper_raw = np.array(bounds).T
        outside += [(lower > RATE).any() or (upper < RATE).any(), (lower_raw > RATE).any() or (upper_raw < RATE).any()]
    return outside / repetitions


EVER_OUTSIDE = (0.0, 1.0)
"""Of 1,000 simulated audits of 20,000 pictures, looked at 80 times. See docs/evaluation.md."""


def test_a_few_simulated_corrected_bounds_always_cover_and_those_without_correction_do_not():
    corrected, raw = simulate(10_000, 1_000, 40)
    assert corrected <= 0.05
    assert raw > 0.5


@pytest.mark.slow
def test_simulated_corrected_bounds_cover_at_every_look():
    found = simulate(20_000, 250, 1_000)
    assert found == pytest.approx(EVER_OUTSIDE, abs=1e-9)
    assert found[0] <= 0.05
