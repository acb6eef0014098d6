"""Whole selections: in this process on a few steps of training, and on the command line."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from helpers.tiny import QUICK

from gan.cli.select import Select
from gan.errors import InputError, TrainingError
from gan.evaluation.coverage import CoverageReference
from gan.saving import log_file, training_state
from gan.selection import looks, measured_costs
from gan.selection import training as trials
from gan.selection.candidate import Candidate
from gan.selection.record import SelectionOptions, load_selection
from gan.selection.saved import select_saved
from gan.selection.selection import resume_selection, select
from gan.selection.trial import Look, TrialTask
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
    assert f"the selection is in {tmp_path / 's'}" in lines
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


class NoLook:
    """Looks at nothing: `measure` returns a look with the images of the run."""

    def measure(self, generator, *, num, seed, images):
        return Look(images=images, wrong=0, num=num, coverage=1.0, real_coverage=1.0, generator_sha256="")


def task_of(folder, config, **changed):
    given = {"name": "a", "folder": str(folder), "preset": "mnist", "config": config, "intervals": 1, "probe": "x"}
    return TrialTask(**{**given, "num": 5, "seed": 0, **changed})


@pytest.mark.parametrize(
    "error",
    [
        TrainingError("g_loss became NaN at step 3."),
        InputError("A batch is too large", expected="a smaller one", received="9"),
    ],
)
def test_a_run_that_cannot_start_or_continue_is_a_failure(tmp_path, monkeypatch, error):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(trials, "train", fail)
    monkeypatch.setattr(looks.ValidationLook, "of", lambda *arguments: NoLook())
    [one] = candidates(1e-3)
    assert trials.run_trial(task_of(tmp_path / "a", one.config)).failure == str(error)


def test_what_all_candidates_have_in_common_is_no_failure_of_one(tmp_path, monkeypatch):
    """A probe that is not there, a run that another process trains, and a full disk: they can be mended."""
    [one] = candidates(1e-3)
    with pytest.raises(InputError, match="No such classifier"):
        trials.run_trial(task_of(tmp_path / "a", one.config))
    monkeypatch.setattr(looks.ValidationLook, "of", lambda *arguments: NoLook())
    (tmp_path / "b").mkdir()
    with training_state.locked(tmp_path / "b"), pytest.raises(InputError, match="Another process trains"):
        trials.run_trial(task_of(tmp_path / "b", one.config))

    def fail(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trials, "train", fail)
    with pytest.raises(OSError, match="No space left"):
        trials.run_trial(task_of(tmp_path / "c", one.config))


def edited(run, folder, *, result, states):
    """Copies a run, and removes its result and all but the first of its states, unless they are to stay."""
    shutil.copytree(run, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if not result:
        config["result"] = None
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for manifest in sorted((folder / "state").glob("*.json"))[states:]:
        manifest.unlink()
    return folder, training_state.latest(folder)[0]


def test_the_state_decides_what_a_trial_has_done(tiny_run, tmp_path, monkeypatch):
    """log.csv has all rows, since its row is written first. The states may be those of earlier intervals."""
    resumed = []

    def resume_run(folder, *, console, listeners):
        resumed.append(folder)
        return type("Run", (), {"signal": None, "images": 384})

    monkeypatch.setattr(trials, "resume", resume_run)
    monkeypatch.setattr(looks.ValidationLook, "of", lambda *arguments: NoLook())
    [one] = candidates(1e-3)
    finished, last = edited(tiny_run["folder"], tmp_path / "finished", result=True, states=2)
    before, earlier = edited(tiny_run["folder"], tmp_path / "before", result=False, states=1)
    ended, _ = edited(tiny_run["folder"], tmp_path / "ended", result=False, states=2)
    assert len(log_file.table(before / "log.csv")[1]) == last.interval > earlier.interval

    def images(folder, intervals, **changed):
        return trials.run_trial(task_of(folder, one.config, intervals=intervals, **changed)).look.images

    assert images(finished, last.interval, is_last=True) == last.images
    assert images(before, earlier.interval) == earlier.images
    assert images(ended, last.interval) == last.images
    assert resumed == []
    assert images(before, last.interval) == 384  # its row was written, its state was not
    assert images(ended, last.interval, is_last=True) == 384  # its state was written, its result was not
    assert resumed == [before, ended]


def test_a_start_that_was_killed_is_cleared_but_nothing_else(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(trials, "train", lambda config, *, output, **options: started.append(list(output.iterdir())))
    monkeypatch.setattr(looks.ValidationLook, "of", lambda *arguments: NoLook())
    [one] = candidates(1e-3)
    for name in ("killed", "mine"):
        folder = tmp_path / name
        (folder / "state").mkdir(parents=True)
        (folder / "state" / "lock").touch()
        (folder / ".config.1-2.partial.json").touch()
    (tmp_path / "mine" / "notes.txt").touch()
    for name in ("killed", "mine"):
        with pytest.raises(AttributeError):  # of the run that was not trained
            trials.run_trial(task_of(tmp_path / name, one.config))
    assert started == [[], [tmp_path / "mine" / "notes.txt"]]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["kill", "term"])
def test_a_trial_that_is_ended_within_an_interval_resumes_to_the_same_result(quick, tmp_path, monkeypatch, kind):
    """Killed after the row of interval 4 and before its generator, or with SIGTERM in the middle of it."""
    steps = replace(QUICK.optimization, steps=16, steps_per_execution=1)
    config = replace(QUICK, eval_every=64, deterministic=True, optimization=steps)
    given = {"probe": "mnist-probe", "num": 100}
    whole = trials.run_trial(task_of(tmp_path / "whole", config, intervals=4, is_last=True, **given))
    task = task_of(tmp_path / "ended", config, intervals=4, is_last=True, **given)
    first = trials.run_trial(replace(task, intervals=2, is_last=False))
    assert first.look.images == 128
    place = (callbacks.GeneratorCheckpoint, "on_epoch_end", 3)
    if kind == "term":
        place = (callbacks.StopOnInterrupt, "on_train_batch_end", 5)
    owner, name, number = place
    original, count = getattr(owner, name), []

    def end(self, index, logs=None):
        count.append(index)
        if kind == "kill" and index == number:
            raise KeyboardInterrupt
        if kind == "term" and len(count) == number:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, index, logs)

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, end)
        with pytest.raises(KeyboardInterrupt):
            trials.run_trial(task)
    assert len(log_file.table(tmp_path / "ended" / "log.csv")[1]) == 4
    again = trials.run_trial(task)
    assert again.look == replace(whole.look, generator_sha256=again.look.generator_sha256)
    first, second = weights(tmp_path / "whole"), weights(tmp_path / "ended")
    assert all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"budget": "100"}, r"The budget is lower than the cost of the cheapest candidate.*128 images or more"),
        ({"budget": None}, "No budget"),
        ({"probe": "mnist-classifier"}, "One classifier for search and test"),
        ({"num": 2, "tolerance": 1e-3}, "No test could show this tolerance"),
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
        (["select", "--resume", "nowhere", "--tolerance", "0.1", "--num", "9"], "Received: --num --tolerance"),
        (["select", "--resume", "nowhere", "--jobs", "0"], "Bad `jobs`"),
        (["select", "mnst", "--budget", "9", "--ray", "nowhere:1"], "did you mean mnist"),
        (["select", "--resume", "nowhere", "--ray", "nowhere:1"], "No such selection"),
    ],
)
def test_bad_input_of_the_command_is_one_line(forked_gan, tmp_path, words, message):
    done = forked_gan(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_message_after_an_interruption_keeps_where_the_selection_runs():
    assert Select(jobs=2)._resume_words == ["--jobs", "2"]
    words = Select(ray="auto", storage="s3://x", tolerance=0.1)._resume_words
    assert words == ["--ray", "auto", "--storage", "s3://x"]


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
        [*command, "select", "--resume", "killed/selection.json", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert again.returncode == whole.returncode, again.stderr
    found = json.loads(again.stdout)
    assert (found["folder"], expected["folder"]) == ("killed", "whole")
    assert [found[name] for name in ("chosen", "verdict", "order")] == [
        expected[name] for name in ("chosen", "verdict", "order")
    ]
    for one, other in zip(found["candidates"], expected["candidates"]):
        for look in (*one["looks"], *other["looks"]):
            del look["generator_sha256"]  # a .keras file holds the time at which it was written
        assert (one["looks"], one["ended"], one["outcome"]) == (other["looks"], other["ended"], other["outcome"])
