import json

import pytest

from benchmarks.cli import main
from benchmarks.tests.tables import rows_of


@pytest.mark.slow
def test_both_calls_take_turns_and_rounds_are_added(tmp_path, capsys):
    options = ["fit-checks", "--steps", "3", "--dataset", "mnist5k", "--out", str(tmp_path / "out")]
    assert main([*options, "--rounds", "1"]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert [row[:2] for row in rows[1:]] == [["1", "1"], ["3", "1"]]
    assert main([*options, "--rounds", "2"]) == 0
    found = json.loads((tmp_path / "out" / "results.json").read_text())["runs"]
    assert [list(run["seconds"]) for run in found.values()] == [
        ["keras.Model.fit", "GAN.fit"],
        ["GAN.fit", "keras.Model.fit"],
    ]


@pytest.mark.parametrize(
    ("more", "message"),
    [(("--steps", "1"), "Bad `steps`"), (("--rounds", "0"), "Bad `rounds`"), (("--preset", "x"), "preset")],
)
def test_bad_input_is_rejected_before_anything_is_written(more, message, tmp_path, capsys):
    assert main(["fit-checks", *more, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
