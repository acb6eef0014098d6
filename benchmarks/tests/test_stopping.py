import json

import pytest

from benchmarks import machine
from benchmarks.cli import main
from benchmarks.stopping import Stopping
from benchmarks.tests.tables import rows_of


@pytest.mark.slow
def test_compares_a_run_with_an_oracle_and_resumes(tmp_path, capsys):
    out = tmp_path / "out"
    options = ["stopping", "--preset", "mnist-sprint", "--dataset", "mnist5k", "--seeds", "0", "--oracle-num", "500"]
    options += ["--classifier", "mnist-probe", "--out", str(out)]
    assert main([*options, "--tolerances", "0.5"]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert rows[1][:3] == ["50 %", "0", "within"]
    content = json.loads((out / "results.json").read_text())
    run, oracle = content["runs"]["0.5-0"], content["runs"]["oracle-0"]
    assert run["planned_images"] == 844 * 32
    assert run["images"] == int(rows[1][3].replace(",", "")) < run["planned_images"]
    assert len(oracle["curve"]) == 20
    first = next(point["images"] for point in oracle["curve"] if point["wrong"] <= 250)
    assert rows[1][4:6] == [f"{first:,}", f"{run['images'] / first:.2f}"]


def test_the_oracle_stops_at_the_first_interval_within_the_tolerance():
    point = {"interval": 1, "num": 100, "wrong": 1, "bounds": [0.002, 0.05], "seconds": 1.0, "is_last": False}
    run = {
        "session": 0, "config": {"seed": 3, "stopping": {"tolerance": 0.1}}, "verdict": "within", "images": 300,
        "planned_images": 1_000, "seconds": 12.0, "compile_seconds": 2.0, "confirmations": [point],
        "confirm_seconds": 1.0,
    }  # fmt: skip
    curve = [{"images": images, "wrong": wrong} for images, wrong in ((100, 60), (200, 10), (300, 9))]
    oracle = {"session": 0, "config": {"seed": 3, "stopping": {"tolerance": None}}, "curve": curve}
    settings = {"preset": "mnist", "dataset": "mnist", "oracle_num": 100, "classifier_sha256": "0" * 64}
    sessions = [machine.facts("python -m benchmarks stopping")]
    content = {"settings": settings, "sessions": sessions, "runs": {"0.1-3": run, "oracle-3": oracle}}
    [row] = Stopping().table(content).rows
    assert row[:6] == ["10 %", "3", "within", "300", "200", "1.50"]
    assert row[10] == f"{100 * 1.0 / (2 + 9 * 1_000 / 300):.1f}"  # of the planned run


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--tolerances", "1.5"), "Bad `tolerances`"),
        (("--tolerances", "0.0000001"), "No confirmation could show"),
        (("--preset", "x"), "preset"),
        (("--oracle-num", "0"), "Bad `oracle_num`"),
        (("--dataset", "kmnist"), "another dataset"),
    ],
)
def test_bad_input_is_rejected(more, message, tmp_path, capsys):
    assert main(["stopping", *more, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
