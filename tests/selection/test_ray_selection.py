"""Tests `gan select --ray` on a real cluster of two nodes. test_ray_workers.py is the quick stand-in."""

import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from helpers.commands import OFFLINE
from helpers.comparison import rows_of
from helpers.ray_clusters import two_nodes

from gan.selection.record import load_selection

pytestmark = pytest.mark.slow
SECONDS = 900.0
SELECT = [
    "mnist-mlp", "--vary", "learning_rate=1e-3,2e-3,4e-3", "images=3200", "--dataset", "mnist5k", "--budget", "8000",
    "--tolerance", "0.99", "--cost", "parameters", "--look-num", "500", "--num", "400", "--deterministic",
]  # fmt: skip
"""Three candidates. One of them leaves after the first of two rungs, of 1,600 images."""


@pytest.fixture(scope="module")
def cluster():
    with two_nodes() as started:
        yield started


def start(folder, *arguments):
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".out").open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "gan", "select", *map(str, arguments)],
            stdout=out,
            stderr=out,
            env={**os.environ, **OFFLINE},
            start_new_session=True,
        )


def finish(process, folder):
    """Waits for the end, and returns what was selected and why."""
    status = process.wait(SECONDS)
    assert status in (0, 3, 4), folder.with_suffix(".out").read_text(encoding="utf-8")
    record = load_selection(folder)
    candidates = [
        (one.name, one.ended, [replace(look, generator_sha256="") for look in one.looks], one.dropped, one.outcome)
        for one in record.candidates  # without the checksum of a file that contains the time
    ]
    logs = {one.name: rows_of(folder / one.run / "log.csv") for one in record.candidates}
    losses = {name: [(row["interval"], row["g_loss"]) for row in rows] for name, rows in logs.items()}
    return record.chosen, record.verdict, record.order, status, candidates, losses


def checkpoints(folder):
    return list(folder.glob("ray/rung-*/*/checkpoint_*"))


def wait_for_a_checkpoint(process, folder):
    deadline = time.monotonic() + SECONDS
    while not checkpoints(folder):
        assert process.poll() is None, folder.with_suffix(".out").read_text(encoding="utf-8")
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert load_selection(folder).rungs_done == 0


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """The same selection in two processes of this machine, of one thread each."""
    folder = tmp_path_factory.mktemp("local") / "selection"
    jobs = str(os.cpu_count())
    return finish(start(folder, *SELECT, "--jobs", jobs, "--output", folder), folder)


def test_the_choice_is_that_of_this_machine(cluster, local, tmp_path):
    folder, storage = tmp_path / "selection", tmp_path / "storage"
    options = ["--ray", cluster.address, "--storage", storage.as_uri(), "--output", folder]
    assert finish(start(folder, *SELECT, *options), folder) == local
    assert "candidate" in folder.with_suffix(".out").read_text(encoding="utf-8")  # a column of the table
    for one in load_selection(folder).candidates:
        assert (folder / one.run / "config.json").exists()
        assert (folder / f"{one.run}.log").read_text(encoding="utf-8")
    assert storage.exists()
    assert not list(storage.glob("rung-*"))


def test_a_driver_that_is_killed_is_resumed_also_in_another_place(cluster, local, tmp_path):
    folder = tmp_path / "selection"
    process = start(folder, *SELECT, "--ray", cluster.address, "--output", folder)
    wait_for_a_checkpoint(process, folder)
    process.kill()
    process.wait()
    folder = folder.rename(tmp_path / "moved")
    [rung] = folder.glob("ray/rung-*")
    resumed, experiments = start(folder, "--resume", folder, "--ray", cluster.address), set[str]()
    while resumed.poll() is None:
        experiments |= {path.name.split("_")[3] for path in rung.glob("run_tune_trial_*")}
        time.sleep(0.2)
    assert len(experiments) == 1  # the same trials, not new ones
    assert finish(resumed, folder) == local
    assert not list(folder.glob("ray/rung-*"))


def test_a_node_that_is_killed_in_the_middle_changes_nothing(cluster, local, tmp_path):
    folder = tmp_path / "selection"
    process = start(folder, *SELECT, "--ray", cluster.address, "--output", folder)
    wait_for_a_checkpoint(process, folder)
    cluster.kill_node()
    try:
        assert finish(process, folder) == local
    finally:
        cluster.add_node()


IN_USE = """
import sys
import ray
from gan.config import PRESETS
from gan.errors import InputError
from gan.selection import ray_workers
from gan.selection.cost import CostTask
from gan.selection.trial import TrialTask
ray_workers.WAIT_SECONDS = 3.0
class Other:
    def start(self):
        pass
task = TrialTask(
    name="a", folder=sys.argv[2], preset="mnist", config=PRESETS["mnist"], intervals=1, probe="mnist-probe",
    num=100, seed=1,
)
with ray_workers.RayWorkers(sys.argv[1]) as workers:
    others = [ray.remote(num_cpus=1)(Other).remote() for _ in range(2)]
    ray.get([other.start.remote() for other in others])
    for call in (lambda: workers.measure_costs(CostTask(cost="bytes", runs=())), lambda: [*workers.run_trials([task])]):
        try:
            call()
        except InputError as error:
            print(error)
"""
"""Holds all CPUs of the cluster as another program does."""


def test_a_cluster_that_others_use_is_one_line_after_a_while(cluster, tmp_path):
    place = tmp_path / "selection" / "trials" / "a"
    done = subprocess.run(
        [sys.executable, "-c", IN_USE, cluster.address, place],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **OFFLINE},
        timeout=SECONDS,
    )
    problem = "The cluster is in use. Expected 1 x (1 CPU) within 3 s. Received: 0 CPU free on all nodes."
    assert done.stdout.splitlines() == [problem] * 2


def test_bad_input_is_one_line_and_no_folder(cluster, tmp_path):
    for number, (options, problem) in enumerate(
        [
            (["--ray", "127.0.0.1:1"], "gan: No Ray cluster answers."),
            (["--ray", cluster.address, "--jobs", "3"], "gan: Too many"),
            (["--storage", "s3://bucket"], "gan: `--storage` alone."),
            (["--ray", cluster.address, "--storage", "nowhere://bucket"], "gan: Bad `storage`."),
        ]
    ):
        folder = tmp_path / str(number)
        process = start(folder, *SELECT, *options, "--output", folder)
        assert process.wait(SECONDS) == 2
        text = folder.with_suffix(".out").read_text(encoding="utf-8")
        assert text.startswith(problem)
        assert text.count("\n") == 1
        assert not folder.exists()
