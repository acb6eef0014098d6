"""Tests TF_CONFIG and the wait for other workers."""

import json
import socket
import threading
import time

import pytest
from helpers.ports import free_ports

from gan.cli.main import main
from gan.distributed import cluster
from gan.distributed.cluster import Cluster
from gan.errors import InputError

TWO_WORKERS = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}


def read_cluster(monkeypatch, config):
    """Sets TF_CONFIG and returns the cluster that it describes."""
    monkeypatch.setenv("TF_CONFIG", config if isinstance(config, str) else json.dumps(config))
    return cluster.from_environment()


def test_reads_chief_and_workers_from_tf_config(monkeypatch):
    found = read_cluster(monkeypatch, TWO_WORKERS)
    assert found == Cluster(("a:1", "b:2"), 1)
    assert not found.is_chief
    assert (found.address, found.peers) == ("b:2", ("a:1",))
    chief = {"cluster": {"worker": ["a:1", "b:2"], "chief": ["c:3"]}, "task": {"type": "chief", "index": 0}}
    found = read_cluster(monkeypatch, chief)
    assert found == Cluster(("c:3", "a:1", "b:2"), 0)
    assert found.is_chief
    assert read_cluster(monkeypatch, {**chief, "task": {"type": "worker", "index": 0}}).index == 1


def test_fewer_than_two_workers_are_not_a_cluster(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert cluster.from_environment() is None
    assert read_cluster(monkeypatch, {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}) is None


@pytest.mark.parametrize(
    ("config", "received"),
    [
        ("{", "invalid JSON"),
        ("[1]", "no `cluster`"),
        ({"task": TWO_WORKERS["task"]}, "no `cluster`"),
        ({"cluster": TWO_WORKERS["cluster"]}, "no `task`"),
        ({**TWO_WORKERS, "task": {"type": "worker"}}, "no `task` with type and index"),
        ({**TWO_WORKERS, "task": {"type": "worker", "index": 2}}, "index 2 for the 2 tasks"),
        ({**TWO_WORKERS, "task": {"type": "worker", "index": -1}}, "index -1 for the 2 tasks"),
        ({**TWO_WORKERS, "task": {"type": "worker", "index": "1"}}, "index '1' for the 2 tasks"),
        ({**TWO_WORKERS, "task": {"type": "chief", "index": 0}}, "'chief', which is not in the cluster"),
        ({**TWO_WORKERS, "cluster": {"ps": ["a:1"]}}, "a job 'ps'"),
        ({**TWO_WORKERS, "cluster": {"worker": "a:1"}}, "no list of addresses"),
        ({**TWO_WORKERS, "cluster": {"worker": ["a:1", "b"]}}, "'b', which is not host:port"),
        ({**TWO_WORKERS, "cluster": {"worker": ["a:1", "b:x"]}}, "'b:x', which is not host:port"),
        ({**TWO_WORKERS, "cluster": {"worker": ["a:1", 7]}}, "7, which is not host:port"),
        ({**TWO_WORKERS, "cluster": {"worker": ["a:1", "a:1"]}}, "the same address twice"),
        ({"cluster": {"chief": ["a:1", "b:2"]}, "task": {"type": "chief", "index": 0}}, "2 chiefs"),
    ],
)
def test_rejects_malformed_tf_config_before_training(monkeypatch, capsys, tmp_path, config, received):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="Malformed TF_CONFIG"):
        read_cluster(monkeypatch, config)
    assert main(["train", "--dataset", "mnist5k", "--steps", "1"]) == 2
    printed = capsys.readouterr().err
    assert received in printed
    assert len(printed.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_workers_started_at_different_times_find_each_other():
    workers = tuple(f"127.0.0.1:{port}" for port in free_ports(3))
    lines, found, all_found = [], [], threading.Event()

    def work(index):
        cluster.wait_for_peers(Cluster(workers, index), lines.append, seconds=30)
        port = int(workers[index].rpartition(":")[2])
        with socket.create_server(("", port)):  # TensorFlow's server takes over the port
            found.append(index)
            all_found.wait(30)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(3)]
    threads[0].start()
    threads[1].start()
    threads[1].join(0.5)
    assert found == []
    threads[2].start()
    deadline = time.monotonic() + 30
    while len(found) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    all_found.set()
    for thread in threads:
        thread.join()
    assert sorted(found) == [0, 1, 2]
    assert any(workers[2] in line for line in lines)


def test_names_an_unreachable_worker_after_the_timeout(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(cluster, "SECONDS", 0.3)
    here, unreachable = (f"127.0.0.1:{port}" for port in free_ports(2))
    config = {"cluster": {"worker": [here, unreachable]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    assert main(["train", "--dataset", "mnist5k", "--steps", "1", "--output", str(tmp_path / "run")]) == 2
    printed = capsys.readouterr().err
    assert "gan: A worker cannot be reached" in printed
    assert f"no answer from {unreachable}" in printed
    assert not (tmp_path / "run").exists()


def test_reports_a_port_in_use():
    with socket.create_server(("", 0)) as occupied:
        here = f"127.0.0.1:{occupied.getsockname()[1]}"
        with pytest.raises(InputError, match=f"port of this worker is in use.*{here}"):
            cluster.wait_for_peers(Cluster((here, "127.0.0.1:9"), 0), print, seconds=1)
