"""Local workers: processes that run trials, and what happens when they end."""

import os
import threading
import time
from contextlib import suppress
from typing import ClassVar

import pytest

from gan.config import PRESETS
from gan.errors import InputError, TrainingError
from gan.selection import workers
from gan.selection.cost import CostTask, TimedRun
from gan.selection.trial import TrialTask
from gan.selection.workers import ATTEMPTS, LocalWorkers
from gan.utils.json_process import ProcessEnded


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
    names = ["a", "dies-1", f"dies-{ATTEMPTS}", "broken", "b"]
    with started() as local:
        found = {one.name: result for one, result in local.run_trials([task(tmp_path, name) for name in names])}
        pids = {name: attempts(tmp_path / name) for name in names}
        assert is_running(pids["b"][-1])
    assert list(found) == names
    assert found["a"].look == found["b"].look == found["dies-1"].look
    assert found[f"dies-{ATTEMPTS}"].failure == "the process ended (signal 9): no message (the last of 3 attempts)"
    assert found["broken"].failure == "g_loss became NaN at step 3"
    assert [len(pids[name]) for name in names] == [1, 2, ATTEMPTS, 1, 1]
    assert pids["a"] == pids["dies-1"][:1]
    assert pids["broken"] == pids["b"]
    assert len(list((tmp_path / "log").iterdir())) == len({pid for every in pids.values() for pid in every})
    assert not any(is_running(pid) for every in pids.values() for pid in every)


def test_a_full_disk_ends_the_trials_and_is_no_failure_of_a_candidate(started, tmp_path):
    with started() as local, pytest.raises(TrainingError, match=r"The trial of fails failed.*No space left"):
        list(local.run_trials([task(tmp_path, name) for name in ("fails", "a")]))
    assert "Traceback" in (tmp_path / "log" / "001.log").read_text(encoding="utf-8")
    assert not (tmp_path / "a").exists()


class SlowStart:
    """A process whose start takes a moment, and whose trials take a second: `bad` is bad input."""

    started: ClassVar = []

    def __init__(self, module, *, output, environment):
        time.sleep(0.1 * len(self.started))
        self.started.append(self)
        self.ended = threading.Event()

    def send(self, request):
        self.name = request["task"]["name"]

    def receive(self):
        if self.name == "bad":
            return {"input_error": ["Bad thing", "x", "y"]}
        raise ProcessEnded("killed" if self.ended.wait(5) else "it ran to its end")

    def close(self):
        self.ended.set()


def test_a_process_that_starts_while_the_workers_are_closed_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "JsonProcess", SlowStart)
    SlowStart.started.clear()
    with LocalWorkers(tmp_path / "log", jobs=2) as local, pytest.raises(InputError, match="Bad thing"):
        list(local.run_trials([task(tmp_path, name) for name in ("bad", "a", "b")]))
    assert all(process.ended.is_set() for process in SlowStart.started)
    with pytest.raises(ProcessEnded, match="closed"):
        local.measure_costs(CostTask(cost="train_seconds", runs=()))


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
