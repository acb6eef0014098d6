"""Local workers: processes that run trials, and what happens when they end."""

import os
from contextlib import suppress

import pytest

from gan.config import PRESETS
from gan.errors import InputError
from gan.selection import workers
from gan.selection.cost import CostTask, TimedRun
from gan.selection.trial import TrialTask
from gan.selection.workers import ATTEMPTS, LocalWorkers


@pytest.fixture
def started(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "PROCESS", "helpers.fake_tasks")

    def start(jobs=1):
        return LocalWorkers(tmp_path / "log", jobs=jobs)

    return start


def task(folder, name):
    return TrialTask(
        name=name,
        folder=str(folder / name),
        preset="mnist",
        config=PRESETS["mnist"],
        intervals=1,
        probe="mnist-probe",
        num=10,
        seed=0,
    )


def attempts(folder):
    return [int(path.read_text(encoding="utf-8")) for path in sorted(folder.iterdir())]


def is_running(pid):
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def test_one_process_runs_all_trials_and_a_dead_one_is_replaced(started, tmp_path):
    names = ["a", "dies-1", f"dies-{ATTEMPTS}", "fails", "b"]
    with started() as local:
        found = {one.name: result for one, result in local.run_trials([task(tmp_path, name) for name in names])}
        pids = {name: attempts(tmp_path / name) for name in names}
        assert is_running(pids["b"][-1])
    assert list(found) == names
    assert found["a"].look == found["b"].look == found["dies-1"].look
    assert found[f"dies-{ATTEMPTS}"].failure == "the process ended (signal 9): no message (the last of 3 attempts)"
    assert found["fails"].failure.endswith("a fault of the program")
    assert [len(pids[name]) for name in names] == [1, 2, ATTEMPTS, 1, 1]
    assert pids["a"] == pids["dies-1"][:1]
    assert pids["fails"] == pids["b"]
    assert "Traceback" in (tmp_path / "log").read_text(encoding="utf-8")
    assert not any(is_running(pid) for every in pids.values() for pid in every)


def test_bad_input_ends_all_trials(started, tmp_path):
    with started(jobs=2) as local:
        trials = local.run_trials([task(tmp_path, name) for name in ("sleeps", "bad", "a", "b")])
        with pytest.raises(InputError, match=r"Bad thing\. Expected a good one\. Received: bad"):
            for _ in trials:
                pass
    assert not any(is_running(pid) for pid in attempts(tmp_path / "sleeps"))


def test_processes_share_the_cores_but_costs_have_all(started, tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with started(jobs=2) as local:
        assert len(list(local.run_trials([task(tmp_path, name) for name in "abcd"]))) == 4
        pids = {attempts(tmp_path / name)[0] for name in "abcd"}
        assert 1 <= len(pids) <= 2
        costs = local.measure_costs(CostTask(cost="train_seconds", runs=(TimedRun(name="a"),)))
    assert (costs.costs["a"].value, costs.machine) == (1.0, "all")


def test_jobs_below_one_are_refused(tmp_path):
    with pytest.raises(InputError, match="Bad `jobs`"):
        LocalWorkers(tmp_path / "log", jobs=0)
