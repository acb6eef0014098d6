"""Tests of the prediction-powered estimate, and the reason why it is shown without its interval."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gan.errors import InputError
from gan.tolerance import PredictedCounts


def of_arrays(wrong, flagged, judged):
    """Returns the counts of pictures (bool [N]), of which the first `judged` are judged."""
    y, f = wrong[:judged], flagged[:judged]
    return PredictedCounts(
        num=len(flagged),
        flagged=int(flagged.sum()),
        judged=judged,
        judged_flagged=int(f.sum()),
        wrong=int(y.sum()),
        wrong_flagged=int((y & f).sum()),
    )


def ppi(wrong, flagged, judged):
    """Returns estimate and variance of PPI++ as its source defines them: the others are the unlabeled data."""
    y, f, others = (array.astype(float) for array in (wrong[:judged], flagged[:judged], flagged[judged:]))
    variance = f.var()
    power = np.cov(y, f, ddof=0)[0, 1] / variance / (1 + judged / len(others)) if variance else 0.0
    estimate = power * others.mean() + (y - power * f).mean()
    return estimate, power**2 * others.var() / len(others) + (y - power * f).var() / judged


@given(seed=st.integers(0, 10**6), rate=st.floats(0, 1), share=st.floats(0, 1), judged=st.integers(1, 60))
def test_the_estimate_is_that_of_the_source_and_of_two_strata(seed, rate, share, judged):
    rng = np.random.default_rng(seed)
    wrong = rng.random(80) < rate
    flagged = rng.random(80) < np.where(wrong, share, 1 - share)
    counts = of_arrays(wrong, flagged, judged)
    assert counts.rate == pytest.approx(ppi(wrong, flagged, judged)[0], abs=1e-12)
    y, f = wrong[:judged], flagged[:judged]
    if 0 < f.sum() < judged:
        strata = flagged.mean() * y[f].mean() + (1 - flagged.mean()) * y[~f].mean()
        assert counts.rate == pytest.approx(strata, abs=1e-12)
        assert counts.power == pytest.approx(y[f].mean() - y[~f].mean())
    else:
        assert (counts.rate, counts.power) == (y.mean(), 0)


def test_a_perfect_classifier_counts_all_pictures():
    counts = PredictedCounts(num=10_000, flagged=123, judged=200, judged_flagged=4, wrong=4, wrong_flagged=4)
    assert (counts.power, counts.rate) == (1, pytest.approx(0.0123))


def test_all_pictures_judged_need_no_classifier():
    assert PredictedCounts(num=50, flagged=9, judged=50, judged_flagged=9, wrong=3, wrong_flagged=1).rate == 3 / 50


@pytest.mark.parametrize(
    "changes",
    [
        {"num": 0}, {"flagged": 101}, {"judged": 0}, {"judged": 101}, {"judged_flagged": 11}, {"wrong": 21},
        {"wrong_flagged": 3}, {"wrong_flagged": -1}, {"wrong": 20, "wrong_flagged": 1},
        {"flagged": 99, "judged_flagged": 18},
    ],
)  # fmt: skip
def test_rejects_impossible_counts(changes):
    good = {"num": 100, "flagged": 10, "judged": 20, "judged_flagged": 2, "wrong": 3, "wrong_flagged": 2}
    PredictedCounts(**good)
    with pytest.raises(InputError):
        PredictedCounts(**{**good, **changes})


NUM, JUDGED, RATE = 10_000, 200, 0.004
COVERED = {(0.0, 0.02): 0.5531, (0.8, 0.001): 0.5328, (0.8, 0.005): 0.3972, (0.9, 0.003): 0.3114, (1.0, 0.0): 0.5299}
"""Share of wrong and of right pictures that the classifier flags -> how often the normal 95 % interval covers the rate,
of 20,000 simulations. See docs/evaluation.md."""


def covered(flagged_wrong, flagged_right, repetitions):
    """Returns how often the normal interval of PPI++ contains the rate, and how often a judged picture is wrong."""
    rng = np.random.default_rng(0)
    wrong, right = RATE * flagged_wrong, (1 - RATE) * flagged_right
    chances = [wrong, RATE - wrong, right, 1 - RATE - right]
    judged, others = (rng.multinomial(num, chances, size=repetitions).T for num in (JUDGED, NUM - JUDGED))
    estimates, variances = ppi_of_counts(*judged, *others)
    return (abs(estimates - RATE) <= 1.96 * np.sqrt(variances)).mean(), (judged[0] + judged[1] > 0).mean()


def ppi_of_counts(both, missed, alarms, neither, *others):
    """Returns `ppi` of the numbers of judged pictures (wrong and flagged, wrong, flagged, neither), and of others."""
    n, num = both + missed + alarms + neither, sum(others)
    y, f, rest = (both + missed) / n, (both + alarms) / n, (others[0] + others[2]) / num
    variance, covariance = f * (1 - f), both / n - y * f
    power = np.divide(covariance, variance, out=np.zeros(np.shape(y)), where=variance > 0) / (1 + n / num)
    spread = y * (1 - y) - 2 * power * covariance + power**2 * variance
    return power * rest + y - power * f, power**2 * rest * (1 - rest) / num + spread / n


@pytest.mark.parametrize("seed", range(20))
def test_both_forms_of_ppi_are_equal(seed):
    rng = np.random.default_rng(seed)
    wrong, flagged = rng.random((2, 80)) < rng.random((2, 1))
    cells = (wrong & flagged, wrong & ~flagged, ~wrong & flagged, ~wrong & ~flagged)
    counts = [cell[part].sum() for part in (slice(30), slice(30, None)) for cell in cells]
    assert ppi_of_counts(*counts) == pytest.approx(ppi(wrong, flagged, 30), abs=1e-12)


def test_without_a_wrong_judgement_the_normal_interval_is_empty():
    """So it cannot cover more often than one of 200 judgements is wrong: in 55.1 % of all cases."""
    wrong, flagged = np.zeros(NUM, bool), np.random.default_rng(0).random(NUM) < 0.005
    flagged[0] = True
    assert ppi(wrong, flagged, JUDGED) == (0, 0)
    assert stats.binom.sf(0, JUDGED, RATE) == pytest.approx(0.551, abs=5e-4)


@pytest.mark.parametrize("classifier", COVERED)
def test_the_normal_interval_of_rare_errors_covers_at_most_55_percent(classifier):
    normal, found = covered(*classifier, 20_000)
    assert normal == pytest.approx(COVERED[classifier], abs=1e-4)
    assert found == pytest.approx(0.551, abs=0.011)
    assert normal <= found


def test_the_normal_interval_of_common_errors_covers_95_percent(monkeypatch):
    """The formula of this test is right: it fails because errors are rare."""
    monkeypatch.setitem(globals(), "RATE", 0.3)
    assert covered(0.8, 0.1, 20_000)[0] == pytest.approx(0.95, abs=0.01)
