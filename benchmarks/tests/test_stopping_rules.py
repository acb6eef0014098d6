import json

import numpy as np
import pytest

from benchmarks.cli import main
from benchmarks.stopping_rules import (
    BEFORE,
    INTERVALS,
    PROBE_NUM,
    PROBE_RATIO,
    RULE,
    confirm_before,
    curves,
    is_within,
    probe_bounds,
    rules,
)
from benchmarks.tests.tables import rows_of
from gan.tolerance import ErrorRate


def test_the_probe_sees_fewer_errors_and_its_measurements_are_correlated():
    rates = np.full(2, 0.15)
    found = np.array([probe_bounds(rates, np.random.default_rng(seed)) for seed in range(300)])
    expected = ErrorRate(round(0.15 / PROBE_RATIO * PROBE_NUM), PROBE_NUM).interval[1]
    np.testing.assert_allclose(found.mean(axis=0), expected, rtol=0.01)
    assert 0.3 < np.corrcoef(found.T)[0, 1] < 0.7  # 0.7 between the normal numbers: less between the outcomes


def test_curves_just_above_the_tolerance_are_never_within():
    for kind, rates in curves(0.01).items():
        within = [is_within(kind, rate, 0.01) for rate in rates]
        assert any(within) == (kind in ("falls as a power", "falls and stays at 0.7 T", "flat, 0.7 T"))
        assert len(rates) == INTERVALS


def test_the_rule_of_one_confirmation_ends_with_the_first_nomination():
    rates, upper = np.array([0.5, 0.0, 0.5]), np.array([0.2, 0.01, 0.005])
    assert confirm_before(rates, upper, 0.02, np.random.default_rng(0)).interval == 2
    assert confirm_before(rates, upper, 0.005, np.random.default_rng(0)).interval == 0


@pytest.mark.parametrize(
    "name", [RULE, "confirm, 6 / (pi k)^2 of it", "confirm, a fifth of it each", "confirm, betting"]
)
def test_each_rule_goes_on_after_a_refusal_and_finds_a_perfect_generator(name):
    rates = np.array([0.5] * 10 + [0.0] * 10)
    outcome = rules()[name](rates, np.full(20, 0.004), 0.01, np.random.default_rng(0))
    assert outcome.interval > 10
    assert outcome.attempts > 1
    never = rules()[name](np.full(20, 0.5), np.full(20, 0.004), 0.01, np.random.default_rng(0))
    assert never.interval == 0


def test_a_small_simulation_gives_a_table_and_is_not_made_again(tmp_path, capsys):
    options = ["stopping-rules", "--paths", "3", "--out", str(tmp_path / "out")]
    assert main(options) == 0
    rows = rows_of(capsys.readouterr().out)
    assert len(rows) == 1 + len(curves(0.01)) * len(rules())
    assert {row[1] for row in rows[1:]} == {BEFORE, *rules()}
    before = json.loads((tmp_path / "out" / "results.json").read_text())["runs"]
    assert main(options) == 0
    assert json.loads((tmp_path / "out" / "results.json").read_text())["runs"] == before


@pytest.mark.parametrize(
    ("more", "message"), [(("--tolerance", "0.9"), "Bad `tolerance`"), (("--paths", "0"), "Bad `paths`")]
)
def test_bad_input_is_rejected(more, message, tmp_path, capsys):
    assert main(["stopping-rules", *more, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
