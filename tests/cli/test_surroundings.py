"""Streams, locale and settings of the process around a command change neither its exit status nor its verdict."""

import io
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.commands import OFFLINE

from gan.cli import main
from gan.cli.evaluate import Evaluate
from gan.cli.main import run
from gan.evaluation.report import load_report
from gan.tolerance import EXIT_STATUS


class Bytes(io.BytesIO):
    """Bytes that remain readable after the stream above them is closed."""

    def close(self):
        """Keeps the content."""


def encoded(encoding):
    return lambda: io.TextIOWrapper(Bytes(), encoding=encoding, write_through=True)


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


STREAMS = {
    **{encoding: encoded(encoding) for encoding in ("ascii", "latin-1", "cp437", "cp1252", "utf-8", "utf-16")},
    "text": io.StringIO,
    "none": lambda: None,
    "closed": closed,
}
COMMANDS = {
    "overview": (["--help"], 0, "usage: gan"),
    "help": (["evaluate", "--help"], 0, "--tolerance"),
    "presets": (["presets"], 0, "mnist-sprint"),
    "info": (["info", "mnist"], 0, "sha256"),
    "compare": (["compare", "mnist", "mnist-mlp"], 0, "exceeded"),
    "compare as json": (["compare", "mnist", "mnist-mlp", "--json"], 0, "exceeded"),
    "input": (["info", "n\u00f6thing \u2022"], 2, "No such checkpoint"),
    "option": (["train", "--n\u00f6nsense"], 2, "nsense"),
    **{f"evaluate {verdict}": (["evaluate", "x"], status, verdict) for verdict, status in EXIT_STATUS.items()},
}
SETTINGS = {
    "none": {},
    "narrow": {"COLUMNS": "1", "LINES": "1"},
    "ten columns": {"COLUMNS": "10"},
    "no number": {"COLUMNS": "wide", "LINES": ""},
    "dumb": {"TERM": "dumb"},
    "forced color": {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "40"},
    "no color": {"NO_COLOR": "1"},
}


@pytest.fixture
def evaluation(monkeypatch):
    """Replaces the evaluation by a report with the verdict that the test sets."""
    verdicts = []
    monkeypatch.setattr(Evaluate, "report", lambda self: (replace(load_report("mnist"), verdict=verdicts[-1]), None))
    return verdicts.append


def said_by(command, streams, monkeypatch, evaluation):
    """Runs a command with new streams. Returns its status and what both streams show, or None without text."""
    arguments, _, word = COMMANDS[command]
    if arguments[0] == "evaluate":
        evaluation(word)
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, STREAMS[streams]())
    made = sys.stdout, sys.stderr
    try:
        status = main(arguments)
    except SystemExit as ended:
        status = ended.code
    assert (sys.stdout, sys.stderr) == made
    if streams in ("none", "closed"):
        return status, None
    if streams == "text":
        return status, "".join(stream.getvalue() for stream in made)
    assert [stream.errors for stream in made] == ["strict", "strict"]
    return status, "".join(stream.buffer.getvalue().decode(streams) for stream in made)


@pytest.mark.parametrize("streams", STREAMS)
@pytest.mark.parametrize("command", COMMANDS)
def test_streams_change_no_status_and_lose_no_verdict(command, streams, monkeypatch, evaluation):
    _, expected, word = COMMANDS[command]
    status, said = said_by(command, streams, monkeypatch, evaluation)
    assert status == expected
    if said is not None:
        assert word in " ".join(said.split())


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("command", COMMANDS)
def test_terminals_change_no_status_and_cut_no_verdict(command, settings, monkeypatch, evaluation):
    for name, value in SETTINGS[settings].items():
        monkeypatch.setenv(name, value)
    _, expected, word = COMMANDS[command]
    status, said = said_by(command, "ascii", monkeypatch, evaluation)
    assert status == expected
    if command != "option":  # its box wraps words
        assert word in " ".join(said.split())


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("ascii", b"+- * | ... \\xfc \\u6570 \xe9\n"),
        ("latin-1", b"\xb1 * | ... \xfc \\u6570 \xe9\n"),
        ("cp437", b"\xf1 * \xb3 ... \x81 \\u6570 \xe9\n"),
        ("utf-8", "\u00b1 \u2022 \u2502 \u2026 \u00fc \u6570 ".encode() + b"\xe9\n"),
    ],
)
def test_characters_that_an_encoding_lacks_are_replaced(encoding, written, monkeypatch):
    """The last character is a byte of a file name that is not UTF-8, as `os.fsdecode` returns it."""
    monkeypatch.setattr(sys, "stdout", STREAMS.get(encoding, encoded(encoding))())
    assert run(lambda: print("\u00b1 \u2022 \u2502 \u2026 \u00fc \u6570 \udce9") or 0) == 0
    assert sys.stdout.buffer.getvalue() == written


@pytest.mark.parametrize("options", [["error"], ["e"], ["ignore", "error::UserWarning"]])
def test_warnings_are_no_errors_even_if_the_interpreter_says_so(options, monkeypatch, capsys):
    monkeypatch.setattr(sys, "warnoptions", options)
    warnings.simplefilter("error")
    assert run(lambda: warnings.warn("look", stacklevel=1) or 3) == 3
    assert capsys.readouterr().err == "gan: warning: look\n"
    with pytest.raises(UserWarning):
        warnings.warn("look", stacklevel=1)  # the filters of the caller are as before


def as_process(*command, env, cwd=None, options=()):
    return subprocess.run(
        [sys.executable, *options, "-m", "gan", *command],
        env={**{name: value for name, value in os.environ.items() if name != "HOME"}, **OFFLINE, **env},
        cwd=cwd,
        capture_output=True,
        timeout=300,
    )


def test_a_process_of_another_locale_without_home_and_temporary_folder_prints_the_verdict():
    nowhere = dict.fromkeys(("TMPDIR", "MPLCONFIGDIR", "KERAS_HOME", "XDG_CACHE_HOME"), "/proc/nowhere")
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONWARNINGS": "error"}
    done = as_process("compare", "mnist", "mnist-mlp", env={**nowhere, **locale})
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"exceeded" in done.stdout
    assert b"+-" in done.stdout


def test_help_is_the_same_without_docstrings():
    """`python -OO` removes the docstrings that the help is made of."""
    whole, optimized = (as_process("evaluate", "--help", env={}, options=options) for options in ([], ["-OO"]))
    assert (optimized.returncode, optimized.stdout) == (0, whole.stdout)


def test_a_removed_working_folder_is_named_where_it_matters(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "removed"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert main(["compare", "mnist", "mnist-mlp"]) == 0
    assert run(Path.cwd) == 1
    assert capsys.readouterr().err.endswith("(the working folder was removed)\n")


@pytest.mark.slow  # the commands without streams are the stand-in
def test_training_needs_no_streams(forked_gan, tmp_path):
    """As under pythonw, which has neither stdout nor stderr."""
    script = tmp_path / "trains.py"
    script.write_text(
        """
import sys
before = sys.stdout, sys.stderr
sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = None
import numpy as np
import gan
from gan.config import ModelConfig, OptimizationConfig, TrainConfig

images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), np.uint8)
dataset = gan.Dataset.from_arrays(images, np.arange(40) % 2)
config = TrainConfig(
    model=ModelConfig(latent_dim=4, g_width=2, d_width=2), optimization=OptimizationConfig(steps=2, batch_size=4)
)
gan.train(config, dataset=dataset, output="run")
sys.stdout, sys.stderr = before
""",
        encoding="utf-8",
    )
    done = forked_gan(cwd=tmp_path, script=str(script))
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "run" / "generator.keras").is_file()
