"""Change detectors: by hand, by brute force, and their mean time between false alarms."""

import numpy as np
import pytest
from helpers.audits import first_changed, first_exceeded, first_uniform_alarm, largest_uniform_evidence, wrong_places
from scipy.stats import kstest

from gan.deployment.monitor.detectors import (
    BINS,
    STAKE,
    WINDOWS,
    RateDetector,
    UniformDetector,
    bets_on_bins,
    bets_on_rates,
    rates_to_detect,
)
from gan.deployment.monitor.drift import LabelDrift, LatentDrift
from gan.deployment.monitor.rate import AuditedRate
from gan.deployment.monitor.version_audit import CHANGE_SAMPLES, DRIFT_SAMPLES
from gan.errors import InputError


def test_rates_are_those_of_doubled_odds():
    np.testing.assert_allclose(rates_to_detect(0.2)[:3], [1 / 3, 0.5, 2 / 3])  # odds 1:4, doubled 1:2, 1:1, 2:1
    for tolerance in (1e-6, 0.02, 0.5, 0.9):
        rates = rates_to_detect(tolerance)
        assert tolerance < rates[0]
        assert 0.99 < rates[-1] < 0.9991
    assert len(rates_to_detect(1.0)) == 0
    with pytest.raises(InputError):
        rates_to_detect(0.0)


def test_a_bet_on_a_rate_has_a_mean_of_at_most_one_up_to_the_tolerance():
    right, wrong = bets_on_rates(np.array([0.5]), 0.2)
    np.testing.assert_allclose([right, wrong], [[0.5 / 0.8], [0.5 / 0.2]])
    rates = rates_to_detect(0.02)
    right, wrong = bets_on_rates(rates, 0.02)
    np.testing.assert_allclose(0.98 * right + 0.02 * wrong, 1.0)
    for p in (0.0, 0.005, 0.019):
        assert ((1 - p) * right + p * wrong < 1).all()


def test_the_evidence_of_a_rate_is_the_sum_over_all_starts():
    rng = np.random.default_rng(0)
    wrong = rng.random(60) < 0.1
    detector = RateDetector(0.05, 1e12)
    detector.add(wrong)
    bets = bets_on_rates(rates_to_detect(0.05), 0.05)[wrong.astype(int)]
    by_hand = np.mean([sum(np.prod(bets[start:, j]) for start in range(60)) for j in range(bets.shape[1])])
    assert detector.evidence == pytest.approx(by_hand)
    assert detector.outcomes == 60


def test_three_wrong_outcomes_by_hand():
    """At a tolerance of 0.5 and rates 2/3, 4/5, ... one wrong outcome has the evidence 2 r, the next (2 r + 1) 2 r."""
    rates = rates_to_detect(0.5)
    detector = RateDetector(0.5, 1e12)
    detector.add(np.array([True]))
    assert detector.evidence == pytest.approx(np.mean(2 * rates))
    detector.add(np.array([True]))
    assert detector.evidence == pytest.approx(np.mean((2 * rates + 1) * 2 * rates))
    detector.add(np.array([False]))
    assert detector.evidence == pytest.approx(np.mean(((2 * rates + 1) * 2 * rates + 1) * 2 * (1 - rates)))


def test_an_alarm_resets_the_evidence():
    detector = RateDetector(0.02, 100.0)
    assert detector.add(np.ones(2, bool))
    assert (detector.alarms, detector.evidence) == (1, 0.0)
    assert not detector.add(np.zeros(100, bool))


def test_a_tolerance_of_one_is_never_exceeded():
    detector, rate = RateDetector(1.0, 10.0), AuditedRate(1.0)
    assert not detector.add(np.ones(1_000, bool))
    assert not rate.add(np.ones(1_000, bool))


@pytest.mark.parametrize("mean_samples", [1.0, 0.0, -5.0])
def test_a_mean_time_below_two_outcomes_is_refused(mean_samples):
    with pytest.raises(InputError):
        UniformDetector(mean_samples)


def test_a_bet_on_bins_has_a_mean_of_one():
    counts = np.random.default_rng(0).random((len(WINDOWS), BINS)) * 30
    bets = np.array([bets_on_bins(counts, np.asarray(number)) for number in range(BINS)])
    np.testing.assert_allclose(bets.mean(axis=0), 1.0)
    empty = bets_on_bins(np.zeros((1, BINS)), np.asarray(3))
    np.testing.assert_allclose(empty, 1.0)
    one = np.zeros((1, BINS))
    one[0, 3] = 1.0  # half a count in each of 20 bins, and one more: density 20 * 1.5 / 11 there
    np.testing.assert_allclose(bets_on_bins(one, np.asarray(3)), 1 - STAKE + STAKE * 30 / 11)


def test_the_evidence_of_uniform_numbers_is_the_sum_over_all_starts():
    numbers = np.random.default_rng(1).random(50) ** 2
    detector = UniformDetector(1e12)
    detector.add(numbers)
    products = np.zeros((len(WINDOWS), 50))
    for j, window in enumerate(WINDOWS):
        for t, number in enumerate(numbers):
            past = np.zeros(BINS)
            for age, earlier in enumerate(numbers[:t][::-1]):
                past[int(earlier * BINS)] += (1 - 1 / window) ** age
            density = BINS * (past[int(number * BINS)] + 0.5) / (past.sum() + BINS / 2)
            products[j, t] = 1 - STAKE + STAKE * density
    by_hand = np.mean([sum(np.prod(row[start:]) for start in range(50)) for row in products])
    assert detector.evidence == pytest.approx(by_hand)


@pytest.mark.parametrize("sizes", [[1] * 40, [40], [3, 17, 0, 20]])
def test_states_do_not_depend_on_the_sizes_of_batches(sizes):
    rng = np.random.default_rng(2)
    wrong, numbers, labels = rng.random(40) < 0.3, rng.random(40), rng.integers(0, 5, 40)
    latents = rng.normal(size=(40, 6)).astype(np.float32)
    one = RateDetector(0.02, 1e3), UniformDetector(1e6), LabelDrift(5, 1e6, 7), LatentDrift(6, 1e6), AuditedRate(0.02)
    many = RateDetector(0.02, 1e3), UniformDetector(1e6), LabelDrift(5, 1e6, 7), LatentDrift(6, 1e6), AuditedRate(0.02)
    data = wrong, numbers, labels, latents, wrong
    for state, content in zip(one, data):
        state.add(content)
    for state, content in zip(many, data):
        at = 0
        for size in sizes:
            state.add(content[at : at + size])
            at += size
    assert [one[0].evidence, one[0].alarms] == [many[0].evidence, many[0].alarms]
    assert one[1].evidence == many[1].evidence
    assert one[2].detector.evidence == many[2].detector.evidence
    assert one[3].evidence == many[3].evidence
    assert vars(one[4]) == vars(many[4])


def test_golden_numbers():
    """Evidence after fixed outcomes: a change of the detectors changes alarms of servers that run."""
    rate, uniform, labels = RateDetector(0.02, 1e9), UniformDetector(1e6), LabelDrift(3, 1e6, 5)
    rate.add(np.arange(100) % 25 == 0)
    uniform.add(np.arange(100) * 0.618033988749895 % 1)
    labels.add(np.arange(60) // 30)
    found = [rate.evidence, uniform.evidence, labels.detector.evidence]
    np.testing.assert_allclose(found, GOLDEN, rtol=1e-9)


GOLDEN = [11.767131017602527, 20.95568070006561, 354.8466182555242]


def test_classes_become_ranks_by_hand():
    drift = LabelDrift(3, 1e6, 0)
    ties = np.random.Generator(np.random.Philox(0)).random(3)
    ranks = [drift._rank(label, tie) for label, tie in zip([1, 0, 1], ties)]
    np.testing.assert_allclose(ranks, [ties[0], ties[1] / 2, (1 + 2 * ties[2]) / 3])
    assert drift.counts.tolist() == [1, 2, 0]


def test_ranks_of_classes_of_any_distribution_are_uniform_and_independent():
    rng = np.random.default_rng(3)
    drift = LabelDrift(4, 1e6, 1)
    labels, ties = rng.choice(4, 4_000, p=[0.7, 0.05, 0.05, 0.2]), rng.random(4_000)
    ranks = np.array([drift._rank(label, tie) for label, tie in zip(labels, ties)])
    assert kstest(ranks, "uniform").pvalue > 0.01
    assert abs(np.corrcoef(ranks[1:], ranks[:-1])[0, 1]) < 0.05


def test_a_drift_of_classes_is_found_whatever_the_classes_were():
    rng = np.random.default_rng(4)
    drift = LabelDrift(10, DRIFT_SAMPLES, 2)
    assert not drift.add(rng.choice(10, 3_000, p=[0.91, *[0.01] * 9]))
    assert drift.add(np.full(150, 7))


def test_standard_normal_latents_do_not_drift_and_others_do():
    rng = np.random.default_rng(5)
    normal = rng.normal(size=(3_000, 64)).astype(np.float32)
    drift = LatentDrift(64, DRIFT_SAMPLES)
    assert not drift.add(normal)
    assert drift.outcomes == 3_000
    assert drift.evidence < DRIFT_SAMPLES
    others = {
        "too long": 1.3 * normal,
        "uniform": rng.uniform(-1, 1, (200, 64)),
        "shifted": normal + 0.3,
        "one vector": np.repeat(normal[:1], 200, axis=0),
        "on the sphere": normal / np.linalg.norm(normal, axis=1, keepdims=True) * 8,
    }
    for name, latents in others.items():
        assert LatentDrift(64, DRIFT_SAMPLES).add(latents[:200].astype(np.float32)), name


def test_the_simulations_decide_as_the_classes_do():
    for seed, rate in enumerate((0.02, 0.06, 0.5)):
        places = wrong_places(1, 1_500, rate, seed)
        wrong = np.isin(np.arange(1, 1_501), places)
        audited, detector = AuditedRate(0.02), RateDetector(0.02, 50.0)
        first = [np.inf, np.inf]
        for number, outcome in enumerate(wrong, start=1):
            for kind, state in enumerate((audited, detector)):
                if state.add(np.array([outcome])) and first[kind] == np.inf:
                    first[kind] = number
        assert [first_exceeded(places, 1_500, 0.02, 0.95)[0], first_changed(places, 1_500, 0.02, 50.0)[0]] == first
    numbers = np.random.default_rng(9).random((1, 400)) ** 1.5
    detector = UniformDetector(1_000.0)
    hits = [number for number in range(400) if detector.add(numbers[0, number : number + 1])]
    assert first_uniform_alarm(numbers.T, 1_000.0)[0] == hits[0] + 1
    rng, detector, most = np.random.default_rng(3), UniformDetector(1e12), 0.0
    for place in rng.integers(0, BINS, (10_000, 1))[:300, 0]:
        detector.add(np.array([(place + 0.5) / BINS]))
        most = max(most, detector.evidence)
    assert largest_uniform_evidence(1, 300, 3)[0] == pytest.approx(most)


def test_false_alarms_are_at_least_as_far_apart_as_stated():
    """A small stand-in of test_monitor_simulations. Alarms within n outcomes: at most n / c of the streams."""
    places = wrong_places(300, 4_000, 0.02, 0)
    found = first_changed(places, 4_000, 0.02, 400.0)
    assert np.minimum(found, 4_000).mean() >= 400
    assert (found <= 100).mean() <= 0.25
    rng = np.random.default_rng(6)
    found = first_uniform_alarm((rng.random(100) for _ in range(2_000)), 300.0)
    assert np.minimum(found, 2_000).mean() >= 300
    assert (found <= 60).mean() <= 0.2


@pytest.mark.parametrize(
    ("rate", "most"),
    [
        (0.9, 15),
        (0.5, 50),
        pytest.param(0.2, 220, marks=pytest.mark.slow),
        pytest.param(0.1, 700, marks=pytest.mark.slow),
    ],
)
def test_a_rise_is_noticed_after_any_number_of_good_outcomes(rate, most):
    """docs/monitoring.md states these numbers of audited pictures: 99.9 % of the rises are noticed within them."""
    found = first_changed(wrong_places(4_000, most, rate, 1), most, 0.02, CHANGE_SAMPLES)
    assert (found <= most).mean() >= 0.999
    detector, rng = RateDetector(0.02, CHANGE_SAMPLES), np.random.default_rng(7)
    assert not detector.add(rng.random(30_000) < 0.004)
    assert detector.add(rng.random(most) < rate)
