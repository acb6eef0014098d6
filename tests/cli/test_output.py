"""Commands without a reader, run as processes: they keep their exit status."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.commands import OFFLINE

from gan.tolerance import EXIT_STATUS

EVALUATED = """
import sys
from dataclasses import replace
from gan.cli import main
from gan.cli.evaluate import Evaluate
from gan.evaluation.report import load_report

verdict, length, *arguments = sys.argv[1:]
empty = {"conventions": {}, "meaning": {}, "metrics": {}, "error_rate_by_class": (), "perturbation": None}
report = replace(load_report("mnist"), verdict=verdict, labels="x" * int(length), summary={}, **empty)
Evaluate.report = lambda self: (report, None)
raise SystemExit(main(arguments))
"""
"""`gan evaluate` without an evaluation: VERDICT LENGTH evaluate ..., with a report of this verdict and length."""


def run(*arguments, stdout="read", stderr="read", script=None, unbuffered=False, cwd=None):
    """Returns (status, stdout, stderr) of `gan ARGUMENTS`; a stream is read, without a reader, closed, or full."""
    made = []

    def end(kind):
        if kind == "reader gone":
            reader, writer = os.pipe()
            os.close(reader)
        elif kind == "full":
            writer = os.open("/dev/full", os.O_WRONLY)
        else:
            return subprocess.PIPE
        made.append(writer)
        return writer

    command = ["-m", "gan"] if script is None else ["-c", script]
    closed = "".join(f"{number}>&- " for number, kind in ((1, stdout), (2, stderr)) if kind == "closed")
    ends = {"stdout": end(stdout), "stderr": end(stderr)}
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, *command, *map(str, arguments)],
        **ends,
        text=True,
        timeout=300,
        cwd=cwd,
        env={**os.environ, **OFFLINE, "PYTHONUNBUFFERED": "1" if unbuffered else ""},
    )
    for descriptor in made:
        os.close(descriptor)
    return done.returncode, done.stdout or "", done.stderr or ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["presets"],  # less than a buffer: the pipe breaks when the interpreter ends
        ["presets", "--json"],  # more: it breaks in the middle of a print
        ["info", "mnist"],
        ["compare", "mnist", "mnist-mlp"],  # through rich, which ends a program whose pipe breaks
        ["train", "--help"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("stdout", ["reader gone", "closed"])
def test_a_command_without_a_reader_of_stdout_succeeds_silently(arguments, stdout):
    assert run(*arguments, stdout=stdout) == (0, "", "")


@pytest.mark.parametrize("length", [1, 100_000])
@pytest.mark.parametrize("verdict", EXIT_STATUS)
def test_the_status_of_an_evaluation_is_its_verdict_without_a_reader(verdict, length):
    done = run(verdict, length, "evaluate", "x", "--json", script=EVALUATED, stdout="reader gone")
    assert done == (EXIT_STATUS[verdict], "", "")


@pytest.mark.parametrize("stderr", ["reader gone", "closed", "full"])
@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["info", "nothing"], 2),
        (["train", "--nonsense"], 2),  # reported by tyro
        (["exceeded", 1, "evaluate", "x", "--json"], 3),
    ],
    ids=["input", "option", "verdict"],
)
def test_the_status_is_kept_without_a_reader_of_stderr(arguments, status, stderr):
    evaluated = "evaluate" in arguments
    found, said, errors = run(*arguments, stderr=stderr, script=EVALUATED if evaluated else None)
    assert (found, errors) == (status, "")
    assert (json.loads(said)["verdict"] if evaluated else said) == ("exceeded" if evaluated else "")


def test_the_status_is_kept_without_readers_and_without_buffers():
    assert run("info", "nothing", stdout="reader gone", stderr="reader gone", unbuffered=True) == (2, "", "")
    done = run("undecided", 1, "evaluate", "x", "--json", script=EVALUATED, stdout="reader gone", unbuffered=True)
    assert done == (4, "", "")


@pytest.mark.parametrize("arguments", [["presets"], ["presets", "--json"], ["presets", "--help"]], ids=" ".join)
def test_a_full_disk_is_a_failure(arguments):
    assert run(*arguments, stdout="full") == (1, "", "gan: [Errno 28] No space left on device\n")


def test_no_file_gets_the_descriptor_of_a_closed_stream(tmp_path):
    """Otherwise, code that writes to descriptor 2 directly, such as TensorFlow, would write to that file."""
    script = """
import os, sys
from gan.cli.info import Info
from gan.cli import main

Info.run = lambda self: open("opened", "w").fileno()
raise SystemExit(main(["info", "x"]))
"""
    status, _, _ = run(script=script, stderr="closed", cwd=tmp_path)
    assert status > 2


@pytest.mark.slow
def test_a_real_evaluation_keeps_its_verdict(tiny_run, tmp_path):
    arguments = ["evaluate", tiny_run["folder"], "--num", 200, "--classifier", "mnist-probe", "--output", tmp_path]
    arguments += ["--tolerance", 0.02]
    status, said, _ = run(*arguments, "--json", stdout="reader gone")
    verdict = json.loads((tmp_path / "report.json").read_text())["verdict"]
    assert (status, said) == (EXIT_STATUS[verdict], "")
    assert status == 3


@pytest.mark.slow
def test_training_continues_without_a_reader_of_its_progress(tmp_path):
    tiny = ["--dataset", "mnist5k", "--steps", 2, "--batch-size", 8, "--g-width", 2, "--d-width", 2, "--json"]
    status, said, _ = run("train", *tiny, "--output", tmp_path / "run", stderr="reader gone")
    assert (status, json.loads(said)["steps"]) == (0, 2)
    assert Path(json.loads(said)["generator"]).is_file()
