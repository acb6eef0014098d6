"""The command line in a real process."""

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from benchmarks import cli
from benchmarks.cli import BENCHMARKS, load_benchmark, main

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """Runs `python -m benchmarks` in an environment where importing TensorFlow fails."""
    blocked = tmp_path_factory.mktemp("blocked") / "tensorflow"
    blocked.mkdir()
    (blocked / "__init__.py").write_text("raise AssertionError('tensorflow was imported')")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(blocked.parent), str(ROOT)])}

    def run(*arguments):
        words = [sys.executable, "-m", "benchmarks", *arguments]
        return subprocess.run(words, cwd=blocked, env=environment, capture_output=True, text=True, timeout=60)

    return run


def test_help_names_all_benchmarks(command):
    done = command("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: python -m benchmarks " in done.stdout
    assert all(name in done.stdout for name in BENCHMARKS)


def test_help_of_a_benchmark_names_its_options(capsys):
    for name in BENCHMARKS:
        with pytest.raises(SystemExit) as ended:
            main([name, "--help"])
        assert ended.value.code == 0
        said = capsys.readouterr().out
        assert f"usage: python -m benchmarks {name} " in said
        options = {field.name.replace("_", "-") for field in fields(load_benchmark(name))}
        assert options >= {"out"}
        assert all(f"--{option} " in said for option in options | {"json"})
        assert f"benchmarks/results/{name}" in said.replace("\n", "")


def test_an_unknown_benchmark_lists_all_names(command):
    done = command("nonsense")
    assert (done.returncode, done.stdout) == (2, "")
    assert all(name in done.stderr for name in BENCHMARKS)
    assert command().returncode == 2


def test_bad_input_is_one_line_on_stderr(command):
    done = command("step", "--rounds", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "benchmarks: Bad `rounds`. Expected a whole number >= 1. Received: rounds=0.\n"


def test_a_missing_package_is_named_with_the_install_command(monkeypatch, capsys):
    from benchmarks.__main__ import main as from_the_first_import_on

    for module in ("benchmarks.cli", "benchmarks.benchmark", "benchmarks.summary"):
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "tabulate", None)  # importing it fails
    assert from_the_first_import_on() == 2
    said = capsys.readouterr().err
    assert said.startswith("benchmarks: ")
    assert "tabulate" in said
    assert said.endswith("Expected: pip install '.[benchmarks]'\n")


def test_ctrl_c_is_status_130_without_a_traceback(monkeypatch, capsys, tmp_path):
    def interrupted(self, log):
        raise KeyboardInterrupt

    monkeypatch.setattr(load_benchmark("start"), "run", interrupted)
    assert main(["start", "--out", str(tmp_path / "out")]) == 130
    assert capsys.readouterr().err == "benchmarks: interrupted\n"

    from benchmarks.__main__ import main as from_the_first_import_on

    monkeypatch.setattr(cli, "main", lambda: interrupted(None, None))
    assert from_the_first_import_on() == 130
