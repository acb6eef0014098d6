import json

import pytest
from helpers.comparison import size_of

from benchmarks import machine
from benchmarks.cli import main
from benchmarks.machine import Ended
from benchmarks.tests.tables import rows_of

TAKEN = {"--help": 0.25, "import tensorflow": 5.0, "--out": 6.5}
OPTIONS = ["start", "--num", "3", "--rounds", "2"]


@pytest.fixture
def started(monkeypatch):
    """Replaces processes by durations from `TAKEN`. Returns the arguments of each started process."""
    words = []

    def ended(*arguments):
        words.append(arguments)
        return Ended(next(seconds for word, seconds in TAKEN.items() if word in arguments), 100.0, "")

    monkeypatch.setattr(machine, "run_python", ended)
    return words


def test_start_takes_turns_and_resumes(started, tmp_path, capsys):
    out = tmp_path / "start"
    assert main([*OPTIONS, "--out", str(out)]) == 0
    assert [words[:3] for words in started[:3]] == [
        ("-m", "gan", "--help"), ("-c", "import tensorflow"), ("-m", "gan", "sample")
    ]  # fmt: skip
    assert started[2][3:6] == ("mnist", "--num", "3")
    assert len(started) == 6
    assert rows_of(capsys.readouterr().out)[1:] == [
        ["gan --help", "2", "0.25", "-4.75"],
        ["import tensorflow", "2", "5.00", "0.00"],
        ["gan sample mnist --num 3", "2", "6.50", "1.50"],
    ]
    width, height = size_of(out / "plot.png")
    assert width > height > 100

    assert main([*OPTIONS, "--rounds", "3", "--out", str(out)]) == 0
    assert list(json.loads((out / "results.json").read_text())["runs"]) == ["round-0", "round-1", "round-2"]
    assert len(started) == 9
    assert main([*OPTIONS, "--num", "4", "--out", str(out)]) == 2
    assert "settings.num=3" in capsys.readouterr().err


@pytest.mark.slow
def test_start_measures_real_processes(tmp_path):
    assert main([*OPTIONS, "--rounds", "1", "--out", str(tmp_path / "start")]) == 0
    (run,) = json.loads((tmp_path / "start" / "results.json").read_text())["runs"].values()
    assert all(seconds > 0 for seconds in run["seconds"].values())


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--num", "0"), "Bad `num`"),
        (("--rounds", "0"), "Bad `rounds`"),
        (("--checkpoint", "nonsense"), "No such checkpoint"),
    ],
)
def test_bad_input_is_rejected_before_anything_is_written(more, message, tmp_path, capsys):
    assert main([*OPTIONS, *more, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
