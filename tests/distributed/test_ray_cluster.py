"""Tests connections to a Ray cluster without a cluster. tests/cli/test_ray_training.py has one."""

import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan.distributed import ray_cluster
from gan.distributed.ray_cluster import connect, node_resources, places, reserved, share
from gan.errors import InputError


@pytest.mark.parametrize(
    ("cpus", "workers", "expected"),
    [((4,), 1, 4), ((4,), 2, 2), ((4,), 3, 1), ((4, 1), 2, 2), ((4, 4), 2, 4), ((8, 2), 3, 2), ((8, 2), 5, 2)],
)
def test_workers_get_as_many_cpus_as_fit(cpus, workers, expected):
    """Of 8 and 2 CPUs, 5 workers with 2 CPUs each fit, and none with 3."""
    assert share([{"CPU": float(n)} for n in cpus], workers) == {"CPU": expected}


def test_workers_get_gpus_only_if_there_are_enough_for_all():
    nodes = [{"CPU": 8.0, "GPU": 2.0}, {"CPU": 8.0}]
    assert share(nodes, 2) == {"CPU": 4, "GPU": 1}
    assert share(nodes, 1, gpus=2) == {"CPU": 8, "GPU": 2}
    assert share(nodes, 3) == {"CPU": 4}


@given(st.lists(st.integers(0, 9), min_size=1, max_size=4), st.integers(1, 6))
def test_the_share_fits_and_one_cpu_more_does_not(cpus, workers):
    nodes = [{"CPU": float(n)} for n in cpus]
    if sum(cpus) < workers:
        with pytest.raises(InputError, match=f"Too many workers.*at most {sum(cpus)}"):
            share(nodes, workers)
        return
    found = share(nodes, workers)
    assert places(nodes, found) >= workers
    assert places(nodes, {"CPU": found["CPU"] + 1}) < workers


def test_nodes_that_ended_have_no_resources():
    nodes = [{"Alive": True, "Resources": {"CPU": 2.0}}, {"Alive": False, "Resources": {}}]
    assert node_resources(SimpleNamespace(nodes=lambda: nodes)) == [{"CPU": 2.0}]


@pytest.mark.parametrize(
    "address", ["nowhere", "host:", "host:0", "host:70000", "http://host:80", ":6379", "ray://host"]
)
def test_rejects_what_is_no_address(address):
    with pytest.raises(InputError, match=r"Not the address of a Ray cluster.*ray://HOST:PORT"), connect(address):
        pass


def test_a_port_without_a_program_is_an_error_at_once():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(InputError, match=rf"No Ray cluster answers.*127\.0\.0\.1:{port}"), connect(f"127.0.0.1:{port}"):
        pass


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_a_program_that_is_silent_is_an_error_in_bounded_time(scheme, monkeypatch):
    """The stand-in of a whole connection: it needs no Ray, only the library that Ray talks with."""
    pytest.importorskip("grpc")
    monkeypatch.setattr(ray_cluster, "load_ray", lambda seconds: SimpleNamespace(is_initialized=lambda: False))
    monkeypatch.setattr(ray_cluster, "LEAST", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"{scheme}127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(InputError, match="another program answers there"), connect(address, wait_seconds=0.2):
            pass


def test_a_process_that_is_connected_stays_so(monkeypatch):
    ray = SimpleNamespace(is_initialized=lambda: True)  # no `shutdown`
    monkeypatch.setattr(ray_cluster, "load_ray", lambda seconds: ray)
    with connect() as found:
        assert found is ray


def test_without_ray_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"ray is not installed.*gan-reference\[ray\]"), connect():
        pass


def test_usage_statistics_are_off_before_ray_is_imported(monkeypatch):
    seen = {}

    def record(module, *, extra):
        seen[module] = (ray_cluster.os.environ["RAY_USAGE_STATS_ENABLED"], extra)

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    monkeypatch.setattr(ray_cluster, "import_extra", record)
    ray_cluster.load_ray()
    assert seen == {"ray": ("0", "ray")}


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (
            "Version mismatch: The cluster was started with:\n    Ray: 2.60.0\n    Python: 3.12.1\nThis process ...",
            r"Ray or Python differs.*Ray: 2\.60\.0 Python: 3\.12\.1",
        ),
        ("No node info found matching attributes: '' when trying", "not part of the Ray cluster.*ray start"),
        ("something\nelse", "No connection to Ray.*something else"),
    ],
)
def test_errors_of_ray_become_one_line(monkeypatch, said, problem):
    def fail(*arguments, **options):
        raise RuntimeError(said)

    ray = SimpleNamespace(is_initialized=lambda: False, init=fail, shutdown=lambda: None)
    monkeypatch.setattr(ray_cluster, "load_ray", lambda seconds: ray)
    with pytest.raises(InputError, match=problem) as error, connect():
        pass
    assert "\n" not in str(error.value)


def test_reserved_resources_are_returned_after_an_error(monkeypatch):
    removed = []
    group = SimpleNamespace(wait=lambda seconds: False)
    modules = SimpleNamespace(
        placement_group=lambda parts, strategy: group,
        remove_placement_group=removed.append,
        PlacementGroupSchedulingStrategy=None,
    )
    monkeypatch.setattr(ray_cluster, "import_extra", lambda name, extra: modules)
    ray = SimpleNamespace(available_resources=lambda: {"CPU": 1.0})
    problem = r"in use.*2 x \(1 CPU\) within 3 s.*1 CPU free"
    with pytest.raises(InputError, match=problem), reserved(ray, {"CPU": 1.0}, 2, wait_seconds=3):
        pass
    assert removed == [group]


def test_connecting_loads_neither_ray_nor_tensorflow_before_the_port_answers():
    code = """
import sys
from gan.distributed.ray_cluster import connect
try:
    with connect("127.0.0.1:1"):
        pass
except ValueError as error:
    print(error)
print({"ray", "tensorflow"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")
    assert "No Ray cluster answers" in done.stdout
