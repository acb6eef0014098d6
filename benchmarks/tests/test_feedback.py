import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from benchmarks.cli import main
from benchmarks.feedback import ARMS, START, T_QUANTILE, Feedback, format_paired, gain, write_lines
from benchmarks.tests.tables import rows_of
from gan.config import ModelConfig, OptimizationConfig, TrainConfig
from gan.deployment.feedback.pictures import AuditPlan
from gan.saving import files, metadata
from gan.saving.rejected import read_rejected

ASKED = TrainConfig(
    model=ModelConfig(latent_dim=8, g_width=4, d_width=4),
    optimization=OptimizationConfig(batch_size=16, steps_per_execution=2),
)
TINY = {"asked": ASKED, "free": replace(ASKED, model=replace(ASKED.model, conditioning="none"))}
OPTIONS = ["feedback", "--dataset", "mnist5k", "--presets", "asked", "--seeds", "3", "--judgements", "40",
           "--images", "32", "--start-images", "32", "--num", "200", "--classifier", "mnist-probe"]  # fmt: skip


@pytest.fixture
def _tiny(digits, monkeypatch):
    """Installs tiny presets, and embedded digits that are read only once."""
    for module in ("gan.data.load", "gan.training.setup"):
        monkeypatch.setattr(f"{module}.load_dataset", lambda name, **_: {"mnist5k": digits}[name])
    for module in ("feedback", "runs"):
        monkeypatch.setattr(f"benchmarks.{module}.PRESETS", TINY)


@pytest.mark.slow  # the parts are tested below
@pytest.mark.usefixtures("_tiny")
def test_all_arms_start_from_the_judged_run_and_differ_only_in_their_fakes(tmp_path, capsys):
    out = tmp_path / "feedback"
    assert main([*OPTIONS, "--out", str(out)]) == 0
    content = json.loads((out / "results.json").read_text())
    assert list(content["runs"]) == [f"asked-3-{arm}" for arm in (START, *ARMS)]
    records = {arm: metadata.load(out / "runs" / f"asked-3-{arm}") for arm in (START, *ARMS)}
    start = out / "runs" / "asked-3-start"
    judged = content["runs"]["asked-3-start"]
    assert judged["called_wrong"] == sum(judged["called_wrong_by_class"])
    for arm in ("control", "feedback"):
        lines = read_rejected(start / f"{arm}.jsonl")
        assert len(lines.indices) == judged["called_wrong"] == records[arm].feedback.num
        assert lines.generator_sha256 == files.sha256(start / "generator.keras")
        seed, plan = int(lines.seeds[0]), AuditPlan(int(lines.seeds[0]), 10)
        assert lines.labels.tolist() == [plan.picture(int(index)).label for index in lines.indices]
        assert (lines.seeds == seed).all()
    plain = {"feedback": None, "feedback_share": 0.1}
    configs = {arm: replace(records[arm].config, **plain).as_dict() for arm in ARMS}
    assert configs["none"] == configs["control"] == configs["feedback"]
    assert configs["mismatched"]["optimization"].pop("mismatched_labels") == pytest.approx(0.18)
    del configs["none"]["optimization"]["mismatched_labels"]
    assert configs["mismatched"] == configs["none"]
    assert configs["none"]["init_from"] == str(start)
    rows = rows_of((out / "table.md").read_text())
    assert [row[1] for row in rows[1:]] == [START, *ARMS]

    before = (out / "results.json").read_text()
    assert main([*OPTIONS, "--out", str(out)]) == 0
    assert json.loads((out / "results.json").read_text())["runs"] == json.loads(before)["runs"]
    assert main([*OPTIONS, "--share", "0.2", "--out", str(out)]) == 2
    assert "settings.share=0.1" in capsys.readouterr().err


def test_samples_called_wrong_are_those_that_the_probe_reads_otherwise(monkeypatch, tmp_path):
    """The stand-in for the probe reads everything as class 3."""
    monkeypatch.setattr("benchmarks.feedback._wrong", lambda probe, samples, labels: labels != 3)
    monkeypatch.setattr("gan.generate", lambda generator, num, **_: np.zeros((num, 28, 28, 1), np.float32))
    monkeypatch.setattr("gan.load_generator", lambda checkpoint: None)
    monkeypatch.setattr("benchmarks.feedback.models.find_generator", lambda start: _Found())
    monkeypatch.setattr("benchmarks.feedback.models.describe", lambda found: found)
    found = Feedback(judgements=300)._judge(tmp_path, 1)
    labels = np.array([AuditPlan(4_000_000_008, 10).picture(place).label for place in range(300)])
    said, control = (read_rejected(tmp_path / f"{arm}.jsonl") for arm in ("feedback", "control"))
    assert said.indices.tolist() == np.flatnonzero(labels != 3).tolist()
    assert len(control.indices) == len(said.indices) == found["called_wrong"]
    assert (labels[control.indices] == 3).any()  # the control is drawn without regard to the judgement
    assert found["called_wrong_by_class"] == np.bincount(labels[labels != 3], minlength=10).tolist()


class _Found:
    sha256, num_classes = "ab" * 32, 10


def test_the_lines_of_an_arm_can_be_trained_on(tmp_path):
    write_lines(tmp_path / "x.jsonl", "ab" * 32, 7, np.array([2, 0]), np.array([5, 6, 1]))
    found = read_rejected(tmp_path / "x.jsonl")
    assert (found.indices.tolist(), found.labels.tolist(), found.seeds.tolist()) == ([2, 0], [1, 5], [7, 7])


def test_gains_by_hand():
    assert format_paired([]) == "-"
    assert format_paired([0.5]) == "+0.50"
    # mean 2, standard deviation 1, half-width 4.303 / sqrt(3)
    assert format_paired([1.0, 2.0, 3.0]) == "+2.00 ± 1.00 (-0.48 to +4.48)"
    control = {0: {"error_rate": 0.03}, 1: {"error_rate": 0.05}, 5: {"error_rate": 0.9}}
    assert gain(control, {1: {"error_rate": 0.04}, 0: {"error_rate": 0.03}, 7: {"error_rate": 0.0}}).startswith("+0.50")


def test_quantiles_of_students_t():
    for number, quantile in T_QUANTILE.items():
        assert quantile == pytest.approx(stats.t.ppf(0.975, number - 1), abs=6e-4)


@pytest.mark.usefixtures("_tiny")
@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--seeds",), "at least one"),
        (("--judgements", "1"), "Bad `judgements`"),
        (("--images", "0"), "Bad `images`"),
        (("--share", "1"), "Bad `share`"),
        (("--num", "10"), "Bad `num`"),
        (("--presets", "nonsense"), "Unknown preset"),
        (("--presets", "free"), "conditional presets"),
        (("--probe", "nonsense"), "No such classifier"),
    ],
)
def test_bad_input_is_rejected_before_anything_is_trained(more, message, tmp_path, capsys):
    assert main([*OPTIONS, *more, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
