import json
from dataclasses import replace

import pytest

from benchmarks.cli import main
from benchmarks.tests.tables import rows_of
from gan.cli.main import main as gan
from gan.saving import files, models
from gan.saving.ensemble_member import EnsembleMember
from gan.saving.run_folder import CLASSIFIER, CONFIG


@pytest.fixture
def ensemble(tmp_path):
    """A classifier whose card tells that it contains mnist-probe."""
    found = models.find_classifier("mnist-classifier")
    member = EnsembleMember(name="probe", sha256=models.find_classifier("mnist-probe").card.sha256, weight=0.1)
    (tmp_path / "both").mkdir()
    (tmp_path / "both" / CLASSIFIER).write_bytes(found.file.path.read_bytes())
    files.write_json(tmp_path / "both" / CONFIG, replace(found.card, members=(member,)).as_dict())
    return tmp_path / "both"


def test_bad_input_is_rejected(ensemble, tmp_path, capsys):
    for options, message in (
        (["--runs", "a", "a"], "Bad `runs`"),
        (["--keeps", "0"], "Bad `keeps`"),
        (["--num", "1"], "Bad `num`"),
        (["--classifier", "mnist-probe"], "cannot judge what is left"),
        (["--classifier", str(ensemble)], "cannot judge what is left"),
        (["--runs", str(tmp_path / "missing")], "No such discriminator"),
    ):
        assert main(["rejection", *options, "--out", str(tmp_path / "out")]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_measures_a_run_before_and_after(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("gan.selection.rejection.fitting.FITTED", 1_000)
    run, out = tmp_path / "run", tmp_path / "out"
    assert gan(["train", "mnist-sprint", "--dataset", "mnist5k", "--output", str(run)]) == 0
    capsys.readouterr()
    assert main(["rejection", "--runs", str(run), "--keeps", "0.5", "--num", "700", "--out", str(out)]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert len(rows) == 1 + 4
    found = json.loads((out / "results.json").read_text())["runs"][str(run)]["rejections"]
    kept = found["classifier, keep 0.5"]
    assert kept["before"]["rate"]["n"] == kept["after"]["rate"]["n"] == kept["num"] == 700
    assert kept["after"]["rate"]["wrong"] < kept["before"]["rate"]["wrong"]
    assert kept["attempts"] > 1_000
