"""Rates, burn rates, repeated pictures and the choice of samples: by hand, and as properties."""

import numpy as np
import pytest
from helpers.audits import first_exceeded, wrong_places

from gan.deployment.monitor.burn import BUCKETS, WINDOWS, BurnRates
from gan.deployment.monitor.choice import AuditChoice
from gan.deployment.monitor.rate import AuditedRate, confidence_of_version
from gan.deployment.monitor.repeats import ReadPictures
from gan.errors import InputError
from gan.tolerance import confidence_sequence


def test_the_errors_of_all_versions_sum_to_five_percent():
    assert [round(1 - confidence_of_version(k), 6) for k in (1, 2, 3)] == [0.025, 0.008333, 0.004167]
    assert sum(1 - confidence_of_version(k) for k in range(1, 10_001)) == pytest.approx(0.05, rel=1e-3)
    with pytest.raises(InputError):
        confidence_of_version(0)


def test_bounds_are_those_of_the_confidence_sequence():
    rate = AuditedRate(0.02)
    assert (rate.value, rate.bounds) == (None, (0.0, 1.0))
    rate.add(np.arange(1_000) < 3)
    assert (rate.n, rate.wrong, rate.value) == (1_000, 3, 0.003)
    assert rate.bounds == confidence_sequence(3, 1_000)


def test_a_tolerance_is_exceeded_once_also_if_only_in_between():
    wrong = np.r_[np.ones(8, bool), np.zeros(5_000, bool)]
    rate = AuditedRate(0.02)
    assert rate.add(wrong)
    assert rate.bounds[0] < 0.02
    assert rate.has_exceeded
    assert not rate.add(np.ones(100, bool))


def test_few_streams_at_the_tolerance_ever_exceed_it():
    places = wrong_places(400, 20_000, 0.02, 0)
    assert np.isfinite(first_exceeded(places, 20_000, 0.02, 0.95)).mean() <= 0.05
    assert np.isfinite(first_exceeded(wrong_places(400, 20_000, 0.005, 1), 20_000, 0.02, 0.95)).mean() == 0
    assert np.isfinite(first_exceeded(wrong_places(400, 20_000, 0.04, 2), 20_000, 0.02, 0.95)).mean() == 1


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_burn_rates_by_hand():
    clock = Clock()
    burn = BurnRates(clock)
    assert burn.values(0.02) == dict.fromkeys(WINDOWS)
    burn.add(100, 4)
    assert burn.values(0.02) == dict.fromkeys(WINDOWS, 2.0)
    clock.now = 3_600.0  # the hour is over
    burn.add(100, 0)
    assert burn.values(0.02) == {"1h": 0.0, "6h": 1.0, "1d": 1.0, "3d": 1.0}
    clock.now = 24.5 * 3_600.0
    assert burn.values(0.01) == {"1h": None, "6h": None, "1d": 0.0, "3d": 2.0}
    clock.now = 80 * 3_600.0
    assert burn.values(0.02) == dict.fromkeys(WINDOWS)


def test_burn_rates_by_brute_force():
    rng, clock = np.random.default_rng(0), Clock()
    burn, events = BurnRates(clock), []
    for _ in range(2_000):
        clock.now += rng.exponential(400)
        n = int(rng.integers(0, 5))
        events.append((clock.now, n, int(rng.integers(0, n + 1))))
        burn.add(*events[-1][1:])
    for name, seconds in WINDOWS.items():
        part = seconds / BUCKETS
        kept = [event for event in events if event[0] // part > clock.now // part - BUCKETS]
        expected = sum(event[2] for event in kept) / sum(event[1] for event in kept) / 0.05
        assert burn.values(0.05)[name] == pytest.approx(expected)
        assert len(burn._windows[name]._counts) <= BUCKETS


def test_a_clock_that_goes_back_loses_nothing():
    clock = Clock()
    burn = BurnRates(clock)
    clock.now = 10_000.0
    burn.add(10, 1)
    clock.now = 9_000.0
    burn.add(10, 1)
    assert burn.values(0.1)["1h"] == 1.0


def test_repeated_pictures_are_not_fresh_and_a_changed_one_is_reported_once():
    pictures = ReadPictures()
    fresh, changed = pictures.add([1, 2, 1], np.array([False, True, False]))
    assert fresh.tolist() == [True, True, False]
    assert changed.tolist() == [False]
    fresh, changed = pictures.add([1, 2, 1, 2], np.array([True, True, True, False]))
    assert fresh.tolist() == [False] * 4
    assert changed.tolist() == [True, False, False, False]


def test_the_pictures_read_longest_ago_are_forgotten():
    pictures = ReadPictures(3)
    pictures.add([1, 2, 3], np.zeros(3, bool))
    pictures.add([1, 4], np.zeros(2, bool))  # 2 is the oldest now
    assert len(pictures) == 3
    assert pictures.add([1, 3, 4, 2], np.zeros(4, bool))[0].tolist() == [False, False, False, True]


def test_the_choice_is_a_share_of_the_samples_and_a_function_of_its_arguments():
    choice = AuditChoice(0.05, 3, "mnist")
    rows = [choice.rows(request, 1_000) for request in range(200)]
    counts = np.bincount(np.concatenate(rows), minlength=1_000)
    assert abs(sum(map(len, rows)) / 200_000 - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 200_000)
    assert counts.var() == pytest.approx(200 * 0.05 * 0.95, rel=0.2)  # as of independent choices
    np.testing.assert_array_equal(AuditChoice(0.05, 3, "mnist").rows(7, 1_000), rows[7])
    np.testing.assert_array_equal(choice.rows(7, 400), rows[7][rows[7] < 400])
    for other in (AuditChoice(0.05, 4, "mnist"), AuditChoice(0.05, 3, "other")):
        assert other.rows(7, 1_000).tolist() != rows[7].tolist()
    assert choice.rows(8, 1_000).tolist() != rows[7].tolist()


def test_golden_choice():
    assert AuditChoice(0.1, 0, "mnist").rows(0, 50).tolist() == GOLDEN
    assert AuditChoice(1.0, 0, "mnist").rows(5, 4).tolist() == [0, 1, 2, 3]


GOLDEN = [0, 3, 14, 26, 29, 36, 38, 39, 41]


@pytest.mark.parametrize("share", [0.0, -0.1, 1.5, float("nan")])
def test_a_bad_share_is_refused(share):
    with pytest.raises(InputError, match="audit"):
        AuditChoice(share, 0, "mnist")
