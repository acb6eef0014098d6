"""Tests `gan train --ray` without Ray: one worker, and what the command makes of the answers of all workers."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from helpers.commands import run_gan

from gan.cli import train_ray
from gan.cli.main import main
from gan.cli.train_ray import RayTraining, RunCopy, check_ray, follow
from gan.cli.train_worker import Place, Progress, TrainWorker
from gan.errors import InputError, TrainingError
from gan.saving import training_state
from gan.saving.run_copy import RunFiles

FILES = RunFiles({"config.json": b"{}", "state/000000016.json": b"{}"})


def wait_for(condition, seconds=60.0):
    """Returns the first result of `condition` that is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_worker_runs_its_process_and_sends_output_and_each_interval(tmp_path):
    worker = TrainWorker("127.0.0.1", "helpers.interval_writer")
    place = worker.place()
    assert place.address.startswith("127.0.0.1:")
    config = {"cluster": {"worker": [place.address]}, "task": {"type": "worker", "index": 0}}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # as in a worker of Ray
    worker.start(["--output", place.run], config, str(tmp_path), None)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    answers = []
    wait_for(
        lambda: (
            answers.append(worker.poll()) or (any(one.files for one in answers) and b"".join(a.out for a in answers))
        )
    )
    assert all(answer.status is None for answer in answers)
    [files] = [answer.files for answer in answers if answer.files]
    assert files == RunFiles({"state/000000016.json": b"{}"})
    said, folder, run = b"".join(answer.out for answer in answers).decode().rsplit(" ", 2)
    assert (json.loads(said), folder, run.strip()) == (config, str(tmp_path), place.run)
    worker.interrupt(signal.SIGINT)
    ended = wait_for(lambda: (new := worker.poll()).status is not None and new)
    assert ended.status == 130
    worker.close()
    assert not worker.folder.exists()


def test_a_worker_ends_its_process_when_it_is_closed(tmp_path):
    worker = TrainWorker("127.0.0.1", "helpers.interval_writer")
    worker.start(["--output", str(worker.folder / "run")], {}, str(tmp_path / "folder of another machine"), None)
    wait_for(lambda: worker.poll().files)
    process = worker._process.pid
    worker.close()
    assert not is_alive(process)


def test_the_process_ends_when_that_of_its_worker_is_killed(tmp_path):
    program = f"""
import os, signal
from gan.cli.train_worker import TrainWorker
worker = TrainWorker("127.0.0.1", "helpers.interval_writer")
worker.start(["--output", str(worker.folder / "run")], {{}}, {str(tmp_path)!r}, None)
while not worker.poll().files:
    pass
print(worker._process.pid, worker.folder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    places = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": places}
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    process, folder = done.stdout.split()
    wait_for(lambda: not is_alive(int(process)))
    assert not Path(folder).exists()


class Answers:
    """Workers whose answers are given: a list for each question."""

    def __init__(self, *answers):
        self.answers, self.signals = list(answers), []
        self.places = [Place(f"host{n}", f"host{n}:1", f"/far/{n}/run", "1") for n in range(len(answers[0]))]

    def poll(self):
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def interrupt(self, number):
        self.signals.append(number)


def runs(out="", err="", files=None, status=None):
    return Progress(status, out.encode(), err.encode(), files)


@pytest.fixture
def followed(tmp_path, monkeypatch):
    monkeypatch.setattr(train_ray, "SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr(train_ray, "GRACE", 0.0)

    def call(*answers, signals=(), json=False):
        run = tmp_path / "my run"
        training = RayTraining("auto", 2, 1, (), (), run, "toy", None, json)
        waiting, fleet = list(signals), Answers(*answers)
        with ExitStack() as stack:
            status = follow(fleet, RunCopy(training, stack), lambda: waiting.pop(0) if waiting else None)
            assert training_state.is_locked(run) == run.exists()
        return status, fleet.signals

    return call


def test_output_comes_in_whole_lines_with_the_place_of_the_copy(followed, tmp_path, capsys):
    status, _ = followed(
        [runs("a", "resume: gan train --resume /far/0/run\n", FILES), runs("hidden", "hidden")],
        [runs("b /far/0/run/generator.keras\nend"), runs()],
        [runs(" of it", status=0), runs(status=0)],
    )
    printed = capsys.readouterr()
    assert status == 0
    assert printed.out == f"ab {tmp_path}/my run/generator.keras\nend of it"
    assert printed.err == f"resume: gan train --resume '{tmp_path}/my run' --ray auto --workers 2\n"
    assert (tmp_path / "my run" / "config.json").read_text() == "{}"
    assert not training_state.is_locked(tmp_path / "my run")


def test_json_stays_json_with_any_folder(followed, tmp_path, capsys):
    text = json.dumps({"folder": "/far/0/run"}) + "\n"
    assert followed([runs(text, files=FILES, status=0), runs()], json=True)[0] == 0
    assert json.loads(capsys.readouterr().out) == {"folder": f"{tmp_path}/my run"}


@pytest.mark.parametrize("status", [0, 2, 3, 4, 130, 143])
def test_the_status_is_that_of_the_chief(followed, capsys, status):
    """Bad input is that of its node: this machine has checked its own files."""
    assert followed([runs(err="gan: why\n", status=status), runs(status=1)])[0] == status
    assert capsys.readouterr().err == ("gan: Worker 0 on host0: why\n" if status == 2 else "gan: why\n")


def test_the_first_signal_goes_to_the_chief(followed):
    assert followed([runs(), runs()], [runs(status=130), runs()], signals=[2]) == (130, [2])


def test_a_lost_worker_ends_the_training_with_the_command_that_resumes(followed, tmp_path):
    resume = f"resume: gan train --resume '{tmp_path}/my run' --ray auto --workers 2$"
    with pytest.raises(TrainingError, match=rf"^Worker 1 on host1 was lost.*{resume}"):
        followed([runs(files=FILES), runs()], [runs(err="gan: a worker failed\n"), None])
    with pytest.raises(TrainingError, match=r"^Worker 0 on host0 was lost"):
        followed([None, runs()])
    with pytest.raises(TrainingError, match=r"^Worker 1 on host1 was killed by signal 9; "):
        followed([runs(err="gan: a worker failed\n", status=1), runs(status=-9)])


def test_before_the_first_interval_there_is_nothing_to_resume(followed, tmp_path):
    with pytest.raises(TrainingError, match=r"nothing was saved$"):
        followed([runs(), None])
    assert not (tmp_path / "my run").exists()


def test_bad_input_of_one_worker_is_the_status_of_all(followed, capsys):
    """The chief notices only that a worker is missing."""
    worker = runs(err="noise\ngan: No data. Expected x. Received: y.\n", status=2)
    assert followed([runs(err="gan: a worker failed\n"), worker])[0] == 2
    assert capsys.readouterr().err == "gan: Worker 1 on host1: No data. Expected x. Received: y.\n"


def test_a_failed_chief_is_not_blamed_on_the_workers_that_it_took_with_it(followed, capsys):
    assert followed([runs(), runs()], [runs(err="gan: full disk\n", status=1), runs(status=1)])[0] == 1
    assert capsys.readouterr().err == "gan: full disk\n"


@pytest.mark.parametrize(
    ("address", "workers", "problem"),
    [
        ("auto", None, "`--ray` alone.*--workers N"),
        (None, 2, "`--workers` alone.*--ray ADDRESS"),
        ("auto", 0, "workers=0"),
        ("auto", -1, "workers=-1"),
    ],
)
def test_both_options_or_none(address, workers, problem):
    check_ray(None, None)
    check_ray("auto", 1)
    with pytest.raises(InputError, match=problem):
        check_ray(address, workers)


def test_workers_of_the_environment_are_not_mixed_with_those_of_ray(monkeypatch):
    config = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    with pytest.raises(InputError, match=r"Workers from two places.*TF_CONFIG"):
        check_ray("auto", 2)


def test_workers_get_the_options_of_the_command(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr("gan.cli.train.train_on_ray", lambda training: seen.append(training) or 0)
    options = ["--steps", "3", "--dataset", "mnist5k", "--ray", "host:1", "--workers", "3", "--devices", "2"]
    assert main(["train", "mnist-mlp", *options, "--output", str(tmp_path / "run"), "--json"]) == 0
    same = ("mnist-mlp", "--dataset", "mnist5k", "--steps", "3", "--devices", "2")
    [training] = seen
    assert sorted(training.chief) == sorted([*same, "--json"])
    assert training.chief == training.others
    assert (training.address, training.workers, training.gpus) == ("host:1", 3, 2)
    assert training.output == tmp_path / "run"


def test_a_resumed_run_is_checked_here_and_its_options_go_to_all(tiny_run, monkeypatch):
    seen = []
    monkeypatch.setattr("gan.cli.train.train_on_ray", lambda training: seen.append(training) or 0)
    ray = ["--ray", "host:1", "--workers", "2"]
    assert main(["train", "--resume", str(tiny_run["folder"]), "--steps", "20", *ray]) == 0
    [training] = seen
    assert training.resume == tiny_run["folder"]
    assert list(training.chief) == ["--steps", "20"]
    others = list(training.others)
    assert others[others.index("--seed") + 1] == "3"
    assert main(["train", "--resume", str(tiny_run["folder"]), "--steps", "1", *ray]) == 2
    assert len(seen) == 1


def test_an_absent_cluster_is_one_line_and_no_folder(tmp_path):
    done = run_gan("train", "--ray", "127.0.0.1:1", "--workers", 2, "--output", tmp_path / "run")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("gan: No Ray cluster answers.")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()
