"""Whole selections: in this process on a few steps of training, and on the command line."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from helpers.tiny import QUICK

from gan.errors import InputError, TrainingError
from gan.evaluation.coverage import CoverageReference
from gan.saving import log_file, training_state
from gan.selection import looks, measured_costs
from gan.selection import training as trials
from gan.selection.candidate import Candidate
from gan.selection.record import SelectionOptions, load_selection
from gan.selection.saved import select_saved
from gan.selection.selection import resume_selection, select
from gan.selection.trial import TrialTask
from gan.selection.workers import Workers
from gan.training import callbacks
from gan.training.train import resume, train

STEPS = 8
"""Steps of a candidate, of 16 images each."""


class Here(Workers):
    """Runs the tasks in this process. `interrupt_at`: number of the trial before which Ctrl-C comes."""

    def __init__(self, interrupt_at=None):
        self.interrupt_at, self.trials = interrupt_at, []

    def run_trials(self, tasks):
        for task in tasks:
            if len(self.trials) == self.interrupt_at:
                raise KeyboardInterrupt
            self.trials.append((task.name, task.intervals))
            yield task, trials.run_trial(task)

    def measure_costs(self, task):
        return measured_costs.measure_costs(replace(task, rounds=2))


@pytest.fixture
def quick(monkeypatch):
    """Turns of a single graph call, and coverage as of real images: such short runs have none."""
    monkeypatch.setattr(measured_costs, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(looks, "COVERAGE_NUM", 100)
    monkeypatch.setattr(CoverageReference, "coverage", lambda reference, samples: reference.real_coverage)
    looks.ValidationLook.of.cache_clear()
    yield
    looks.ValidationLook.of.cache_clear()


def candidates(*rates):
    steps = replace(QUICK.optimization, steps=STEPS)
    configs = {rate: replace(QUICK, optimization=replace(steps, learning_rate=rate)) for rate in rates}
    return [Candidate(f"lr={rate}", "mnist", config) for rate, config in configs.items()]


def options(**changed):
    return SelectionOptions(**{"tolerance": 0.99, "budget": "1e9", "look_num": 100, "num": 500, **changed})


def weights(folder):
    with np.load(sorted((folder / training_state.FOLDER).glob("*.npz"))[-1]) as arrays:
        return {name: arrays[name] for name in arrays.files}


@pytest.mark.slow  # the selection that pauses its runs, below, is the stand-in
def test_a_paused_run_resumes_to_the_same_result(tmp_path):
    config = replace(QUICK, eval_every=32, deterministic=True, optimization=candidates(1e-3)[0].config.optimization)
    whole = train(config, output=tmp_path / "whole")
    paused = train(config, output=tmp_path / "paused", listeners=[callbacks.PauseAfter(2)])
    assert (paused.interrupted, paused.signal, paused.images, paused.stopped_by) == (True, None, 64, None)
    again = resume(tmp_path / "paused", listeners=[callbacks.PauseAfter(3)])
    assert (again.interrupted, again.images) == (True, 96)
    ended = resume(tmp_path / "paused", listeners=[callbacks.PauseAfter(4)])  # the last interval ends the run
    assert (ended.interrupted, ended.images) == (False, whole.images)
    first, second = weights(tmp_path / "whole"), weights(tmp_path / "paused")
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert len(log_file.table(tmp_path / "paused" / "log.csv")[1]) == 4
    with pytest.raises(InputError, match="Bad `epochs`"):
        callbacks.PauseAfter(0)


def test_a_selection_halves_costs_tests_and_is_resumed(quick, tmp_path):
    """Two candidates of 128 images under a budget of 192: rungs of 64 and 128. Interrupted in the second rung."""
    given, asked = candidates(1e-3, 1e-6), options(budget="192", cost="parameters")
    lines = []
    with pytest.raises(KeyboardInterrupt):
        select(given, asked, output=tmp_path / "s", workers=Here(interrupt_at=2), log=lines.append)
    assert lines[-1].endswith(f"gan select --resume {tmp_path / 's'} continues")
    before = load_selection(tmp_path / "s")
    assert (before.plan.rungs, before.rungs_done, before.verdict) == ((64, 128), 1, None)
    assert [len(one.looks) for one in before.candidates] == [1, 1]

    workers = Here()
    found = resume_selection(tmp_path / "s", workers=workers)
    [kept] = [one for one in found.record.candidates if one.is_finished]
    assert workers.trials == [(kept.name, 8)]
    assert [look.images for look in kept.looks] == [64, 128]
    assert kept.cost.value == kept.cost.highest > 1_000
    assert found.record.order == (kept.name,)
    assert kept.test.num == 500
    assert (found.record.chosen == kept.name) == (found.record.verdict == "within") == kept.test.passed
    assert load_selection(tmp_path / "s") == found.record
    assert resume_selection(tmp_path / "s", workers=Here(interrupt_at=0)) == found


def test_a_run_that_cannot_continue_is_a_failure(quick, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise TrainingError("g_loss became NaN at step 3.")

    monkeypatch.setattr(trials, "train", fail)
    [one] = candidates(1e-3)
    task = TrialTask(
        name="a", folder=str(tmp_path / "a"), preset="mnist", config=one.config, intervals=1, probe="x", num=5, seed=0
    )
    assert trials.run_trial(task).failure == "g_loss became NaN at step 3."


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"budget": "100"}, r"The budget is lower than the cost of the cheapest candidate.*128 images or more"),
        ({"budget": None}, "No budget"),
        ({"probe": "mnist-classifier"}, "One classifier for search and test"),
        ({"num": 2, "tolerance": 0.01}, "No confirmation could show that `tolerance` is met"),
    ],
)
def test_bad_input_writes_nothing(tmp_path, changed, message):
    with pytest.raises(InputError, match=message):
        select(candidates(1e-3), options(**changed), output=tmp_path / "s", workers=Here(interrupt_at=0))
    assert not (tmp_path / "s").exists()


def test_candidates_of_different_data_and_equal_names_are_refused(tmp_path):
    one, other = candidates(1e-3, 1e-4)
    other = replace(other, config=replace(other.config, data=replace(other.config.data, dataset="mnist")))
    with pytest.raises(InputError, match="the same data"):
        select([one, other], options(), output=tmp_path / "s")
    with pytest.raises(InputError, match="unique"):
        select([one, one], options(), output=tmp_path / "s")


@pytest.mark.slow  # the selection among exported files, in tests/cli/test_select_artefacts.py, is the stand-in
def test_saved_generators_are_selected_without_a_search(quick, tiny_run, tmp_path):
    """Both are one generator, so that only the cost differs: both are on the frontier, the dearer one first."""
    generators = {"folder": tiny_run["folder"], "file": tiny_run["folder"] / "generator.keras"}
    found = select_saved(generators, "mnist5k", options(cost="milliseconds"), output=tmp_path / "s")
    one, other = found.record.candidates
    assert one.looks == other.looks
    dearer, cheaper = sorted((one, other), key=lambda candidate: -candidate.cost.value)
    assert found.record.order == (dearer.name, cheaper.name)
    assert found.record.chosen in (cheaper.name, None)
    assert found.record.plan is None
    with pytest.raises(InputError, match="These generators are not trained here"):
        select_saved(generators, "mnist5k", options(), output=tmp_path / "t")
    with pytest.raises(InputError, match="Candidates of different data"):
        select_saved({"mnist": "mnist"}, "mnist5k", options(cost="bytes"), output=tmp_path / "t")
    assert not (tmp_path / "t").exists()


WORDS = ["select", "mnist-mlp", "--vary", "steps=6,8", "g_width=4", "d_width=4", "--dataset", "mnist5k"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["select"], "No candidates"),
        (["select", "mnist"], "No budget"),
        (["select", "mnst", "--budget", "9"], "did you mean mnist"),
        (["select", "mnist", "mnist", "--budget", "9"], "Two candidates are equal"),
        (["select", "mnist", "stacked-mnist", "--budget", "9"], "Candidates of different data"),
        ([*WORDS, "--budget", "5"], "The budget is lower than the cost of the cheapest candidate"),
        ([*WORDS, "--budget", "1e6", "--tolerance", "1e-7"], "No test could show this tolerance"),
        ([*WORDS, "--budget", "1e6", "--tolerance", "0"], "Bad `tolerance`"),
        ([*WORDS, "--budget", "1e6", "--jobs", "0"], "Bad `jobs`"),
        ([*WORDS, "--budget", "1e6", "--cost", "price"], "The price of an hour is not known"),
        (["select", "mnist", "--resume", "nowhere"], "Both `--resume` and a new selection"),
        (["select", "--resume", "nowhere"], "No such selection"),
    ],
)
def test_bad_input_of_the_command_is_one_line(forked_gan, tmp_path, words, message):
    done = forked_gan(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_command_is_killed_and_resumed(tmp_path):
    words = [
        *WORDS,
        "--budget",
        "200",
        "--tolerance",
        "0.99",
        "--look-num",
        "100",
        "--cost",
        "bytes",
        "--deterministic",
    ]
    command = [sys.executable, "-m", "gan"]
    whole = subprocess.run(
        [*command, *words, "--output", "whole", "--json"], cwd=tmp_path, capture_output=True, text=True
    )
    assert whole.returncode in (0, 3, 4), whole.stderr
    expected = json.loads(whole.stdout)
    assert (tmp_path / "whole" / "selection.png").stat().st_size > 10_000

    killed = subprocess.Popen([*command, *words, "--output", "killed"], cwd=tmp_path, stderr=subprocess.PIPE)
    record = tmp_path / "killed" / "selection.json"
    while not record.exists() or not any(one.looks for one in load_selection(record).candidates):
        assert killed.poll() is None
        time.sleep(0.1)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    again = subprocess.run(
        [*command, "select", "--resume", "killed", "--json"], cwd=tmp_path, capture_output=True, text=True
    )
    assert again.returncode == whole.returncode, again.stderr
    found = json.loads(again.stdout)
    assert [found[name] for name in ("chosen", "verdict", "order")] == [
        expected[name] for name in ("chosen", "verdict", "order")
    ]
    for one, other in zip(found["candidates"], expected["candidates"]):
        assert (one["looks"], one["ended"], one["outcome"]) == (other["looks"], other["ended"], other["outcome"])
