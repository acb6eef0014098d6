"""Tests `gan train --ray` on a real cluster of two nodes on this machine. test_train_ray.py is the quick stand-in."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.commands import OFFLINE, ROOT, TOY, UNWATCHED, run_gan
from helpers.comparison import assert_same_run
from helpers.ports import free_ports
from helpers.ray_clusters import two_nodes

from gan.saving.models import find_generator

pytestmark = pytest.mark.slow
SECONDS = 600.0
LONG = ["--steps", "4000"]


@pytest.fixture(scope="module")
def cluster():
    with two_nodes() as started:
        yield started


def on(cluster, workers=2):
    return ["--ray", cluster.address, "--workers", str(workers)]


def start(folder, *arguments, **environment):
    """Starts `gan train` in a process group of its own."""
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        return subprocess.Popen(
            [sys.executable, "-m", "gan", "train", *map(str, arguments)],
            stdout=out,
            stderr=err,
            env={**os.environ, **OFFLINE, **environment},
            start_new_session=True,
        )


def wait_for(process, condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.2)


def states(run):
    return list((run / "state").glob("*.json"))


def workers_alive():
    """Returns the processes of workers on this machine."""
    found = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if "gan.cli.train_process" in line]


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory):
    """The run of two workers that were started with TF_CONFIG."""
    folder = tmp_path_factory.mktemp("hand")
    addresses, started = [f"127.0.0.1:{port}" for port in free_ports(2)], []
    for index in range(2):
        (folder / str(index)).mkdir()
        config = json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})
        options = ["--output", folder / "run"]
        started.append(start(folder / str(index), *UNWATCHED, *options, TF_CONFIG=config))
    assert [process.wait(SECONDS) for process in started] == [0, 0]
    return folder / "run"


def test_a_training_on_ray_is_that_of_workers_started_by_hand(cluster, by_hand, tmp_path):
    process = start(tmp_path, *UNWATCHED, *on(cluster), "--output", tmp_path / "run", "--json")
    assert process.wait(SECONDS) == 0, (tmp_path / "err").read_text()
    assert_same_run(tmp_path / "run", by_hand)
    assert json.loads((tmp_path / "out").read_text())["folder"] == str(tmp_path / "run")
    assert "device: 2 replicas; worker 0 of 2" in (tmp_path / "err").read_text()
    assert workers_alive() == []


def test_an_interrupted_training_resumes_on_the_cluster(cluster, by_hand, tmp_path):
    run = tmp_path / "run"
    process = start(tmp_path, *UNWATCHED, *LONG, *on(cluster), "--output", run)
    wait_for(process, lambda: states(run))
    process.send_signal(signal.SIGINT)
    assert process.wait(SECONDS) == 130, (tmp_path / "err").read_text()
    assert workers_alive() == []
    ray = " ".join(on(cluster))
    assert f"gan train --resume {run} {ray}" in (tmp_path / "err").read_text()
    done = start(tmp_path, "--resume", run, "--steps", "100", *on(cluster))
    assert done.wait(SECONDS) == 0, (tmp_path / "err").read_text()
    assert json.loads((run / "config.json").read_text())["result"]["steps"] == 100


def test_a_driver_that_is_killed_leaves_no_worker(cluster, tmp_path):
    process = start(tmp_path, *UNWATCHED, *LONG, *on(cluster), "--output", tmp_path / "run")
    wait_for(process, lambda: states(tmp_path / "run"))
    process.kill()
    process.wait()
    deadline = time.monotonic() + SECONDS
    while workers_alive():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_a_node_that_is_killed_ends_the_training_which_resumes_on_another(cluster, by_hand, tmp_path):
    run = tmp_path / "run"
    process = start(tmp_path, *UNWATCHED, *LONG, *on(cluster), "--output", run)
    wait_for(process, lambda: states(run))
    cluster.kill_node()
    try:
        assert process.wait(SECONDS) == 1
        last = (tmp_path / "err").read_text().splitlines()[-1]
        assert last.startswith("gan: ")
        assert f"gan train --resume {run} {' '.join(on(cluster))}" in last
        assert workers_alive() == []
    finally:
        cluster.add_node()
    done = start(tmp_path, "--resume", run, "--steps", "100", *on(cluster))
    assert done.wait(SECONDS) == 0, (tmp_path / "err").read_text()


def test_bad_input_is_one_line(cluster, tmp_path):
    for options, problem in [
        (on(cluster, 3), "gan: Too many workers. Expected at most 2: the cluster has 2 CPUs on 2 nodes."),
        ([*on(cluster), "--init-from", "nowhere"], "gan: "),
    ]:
        done = run_gan("train", *TOY, *options, "--output", tmp_path / "run")
        assert done.returncode == 2
        assert done.stderr.startswith(problem)
        assert done.stderr.count("\n") == 1
        assert not Path(tmp_path / "run").exists()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home folder that the nodes do not have, with models and feedback."""
    folder = tmp_path_factory.mktemp("home")
    for name in ("mnist", "mnist-classifier", "mnist-probe"):
        shutil.copytree(ROOT / "checkpoints" / name, folder / f"my-{name}")
    line = {"generator_sha256": find_generator(folder / "my-mnist").sha256, "seed": 1, "index": 1, "label": 1}
    (folder / "rejected.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--init-from", "~/my-mnist"], "No such checkpoint. "),
        (["--init-from", "mnist", "--feedback", "~/rejected.jsonl"], "No such feedback. "),
        (["--tolerance", "0.5", "--classifier", "~/my-mnist-classifier"], "No such classifier. "),
        (["--probe", "~/my-mnist-probe"], "No such classifier. "),
    ],
)
def test_a_file_that_a_node_lacks_is_one_line_with_its_name(cluster, home, tmp_path, options, problem):
    """This machine has the file, so the message without the name would be a riddle."""
    more = [*options, *on(cluster), "--output", tmp_path / "run"]
    done = run_gan("train", "mnist", "--dataset", "mnist5k", "--steps", 20, *more, env={"HOME": str(home)})
    assert done.returncode == 2, done.stderr
    [line] = [line for line in done.stderr.splitlines() if line.startswith("gan: ")]
    assert line.startswith("gan: Worker 0 on ")
    assert problem in line
    assert "~/" in line or str(Path.home()) in line
    assert not (tmp_path / "run").exists()
