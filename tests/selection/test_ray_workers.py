"""Tests trials on Ray with a fake of Ray. test_ray_selection.py has a real cluster."""

import json
import shutil
import socket
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers.fake_ray import DriverEnded, FakeRay, FileSystem, RayError
from helpers.tiny import QUICK

from gan.cli.select import Select
from gan.errors import InputError, TrainingError
from gan.selection import ray_trial, ray_workers
from gan.selection.cost import CandidateCost, CostTask, MeasuredCosts, TimedRun
from gan.selection.ray_workers import RayWorkers, experiment_name, read_result, trial_resources
from gan.selection.trial import Look, TrialResult, TrialTask, run_log
from gan.selection.workers import ATTEMPTS
from gan.utils.json_process import ProcessFailure


@pytest.mark.parametrize(
    ("nodes", "trials", "expected"),
    [
        ([4, 4], None, (4, 2)),
        ([4, 4], 4, (2, 4)),
        ([8, 2], None, (2, 2)),  # a trial must also fit on the other node
        ([8, 2], 5, (2, 5)),
        ([2, 0], None, (2, 1)),  # a head without CPUs
    ],
)
def test_a_trial_fits_on_each_node(nodes, trials, expected):
    found, number = trial_resources([{"CPU": float(cpus)} for cpus in nodes], trials)
    assert (found["CPU"], number) == expected


def test_there_is_one_trial_a_gpu():
    nodes = [{"CPU": 8.0, "GPU": 2.0}, {"CPU": 4.0, "GPU": 2.0}]
    assert trial_resources(nodes) == ({"CPU": 2.0, "GPU": 1.0}, 4)


def test_more_trials_than_cpus_are_refused():
    with pytest.raises(InputError, match="at most 2"):
        trial_resources([{"CPU": 1.0}, {"CPU": 1.0}], 3)


@pytest.fixture
def tasks(tmp_path):
    def task(name):
        place = tmp_path / "selection" / "trials" / name
        options = {"preset": "mnist", "config": QUICK, "intervals": 3, "probe": "mnist-probe", "num": 100, "seed": 1}
        return TrialTask(name=name, folder=str(place), **options)

    return [task("a"), task("b")]


def test_an_experiment_has_the_name_of_its_tasks(tasks):
    name = experiment_name(tasks)
    assert name == experiment_name(tasks[::-1])
    assert len({name, experiment_name(tasks[:1]), experiment_name([replace(one, intervals=4) for one in tasks])}) == 3


def test_the_experiment_of_a_moved_selection_is_the_same_and_that_of_another_one_is_not(tasks):
    moved = [replace(one, folder=f"/elsewhere/{one.name}") for one in tasks]
    others = [replace(one, selection="another") for one in tasks]
    assert experiment_name(tasks) == experiment_name(moved) != experiment_name(others)


def look(wrong=1):
    return Look(images=48, wrong=wrong, num=100, coverage=0.9, real_coverage=0.9, generator_sha256="0" * 64)


def test_the_last_metrics_of_a_trial_are_its_result():
    result = TrialResult(look=look(), seconds=2.0)
    assert read_result({"interval": 3, "result": json.dumps(result.as_dict())}, None) == result
    with pytest.raises(InputError, match=r"No data\. Expected x\. Received: y"):
        read_result({"input_error": json.dumps(["No data", "x", "y"])}, None)
    lost = read_result({"interval": 1}, RuntimeError("trace\n  ray.exceptions.NodeDiedError: gone\n"))
    assert lost.failure == f"ray.exceptions.NodeDiedError: gone (the last of {ATTEMPTS} attempts)"
    assert read_result({}, None).failure.startswith("no result")
    with pytest.raises(InputError, match=r"do not share the storage.*--storage"):
        read_result({}, RuntimeError("RuntimeError: Unable to set up cluster storage with the following settings"))


@pytest.fixture
def trained(monkeypatch):
    """Replaces the training: each interval appends a line to a file. The list has the intervals that ran."""
    ran = []

    def run(task, folder, save):
        file = folder / "log.csv"
        rows = file.read_text(encoding="utf-8").splitlines() if file.exists() else ["interval"]
        for number in range(len(rows), task.intervals + 1):
            ran.append((task.name, number))
            rows.append(str(number))
            folder.mkdir(exist_ok=True)
            file.write_text("\n".join(rows) + "\n", encoding="utf-8")
            with run_log(folder).open("a", encoding="utf-8") as log:
                log.write(f"{number} ")
            save(folder)
        return {"result": json.dumps(TrialResult(look=look(wrong=ord(task.name))).as_dict())}

    monkeypatch.setattr(ray_trial, "run_on_node", run)
    return ran


@pytest.fixture
def connected(monkeypatch):
    """Returns workers of a fake of Ray."""

    def make(fake, **options):
        @contextmanager
        def connect(address):
            yield fake
            fake.closed = True

        monkeypatch.setattr(ray_workers, "connect", connect)
        monkeypatch.setattr(ray_workers, "import_extra", fake.import_extra)
        monkeypatch.setattr(ray_workers, "reserved", fake.reserve)
        monkeypatch.setitem(sys.modules, "ray", fake)
        monkeypatch.setitem(sys.modules, "ray.tune", fake.tune)
        for name in (*ray_workers._TUNE, *ray_trial.THREADS):
            monkeypatch.setenv(name, "")
        return RayWorkers("auto", **options)

    return make


def rows(task):
    return Path(task.folder, "log.csv").read_text(encoding="utf-8").split()


def test_run_folders_come_back_and_continue_in_the_next_rung(connected, tasks, trained):
    fake = FakeRay()
    with connected(fake) as workers:
        assert {task.name: result.look for task, result in workers.run_trials(tasks)} == {
            "a": look(ord("a")),
            "b": look(ord("b")),
        }
        assert [rows(task) for task in tasks] == [["interval", "1", "2", "3"]] * 2
        [_] = workers.run_trials([replace(tasks[1], intervals=5)])
    assert trained == [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2), ("b", 3), ("b", 4), ("b", 5)]
    assert rows(tasks[1])[-1] == "5"
    logs = [run_log(Path(task.folder)).read_text(encoding="utf-8").split() for task in tasks]
    assert logs == [["1", "2", "3"], ["1", "2", "3", "4", "5"]]
    assert fake.limits == [{"cpu": 1.0, "gpu": 0.0}] * 2
    assert fake.closed
    assert not any(Path(place).exists() for place in fake.experiments)
    assert all(place.startswith(str(Path(tasks[0].folder).parents[1] / "ray")) for place in fake.experiments)


def test_a_trial_that_fails_loses_one_interval_at_most(connected, tasks, trained):
    def fail_once(name, reports):
        if (name, reports) == ("a", 2):
            raise RayError("node died")

    with connected(FakeRay(faults=fail_once)) as workers:
        assert all(result.look for _, result in workers.run_trials(tasks))
    assert trained == [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2), ("b", 3)]


def test_a_trial_whose_node_always_ends_is_a_failure_and_the_others_are_not(connected, tasks, trained):
    def fail(name, reports):
        if name == "a":
            raise RayError("node died")

    with connected(FakeRay(faults=fail)) as workers:
        found = {task.name: result for task, result in workers.run_trials(tasks)}
    assert found["a"].failure == f"node died (the last of {ATTEMPTS} attempts)"
    assert found["b"].look == look(ord("b"))


def test_an_error_in_a_process_ends_the_rung_and_can_be_repeated(connected, tasks, trained):
    """It is no fault of the candidate."""

    def fill_disk(name, reports):
        if name == "a" and is_full:
            raise OSError("No space left on device")

    is_full, fake = [True], FakeRay(faults=fill_disk)
    with connected(fake) as workers:
        with pytest.raises(TrainingError, match=r"^A trial failed: No space .*last of 3 attempts"):
            list(workers.run_trials(tasks))
        is_full.clear()
        assert all(result.look for _, result in workers.run_trials(tasks))
    assert [name for name, _ in trained].count("b") == 3


def test_an_experiment_whose_driver_ended_is_restored(connected, tasks, trained):
    def end_once(name, reports):
        if name == "b" and reports == 2 and not ended:
            ended.append(name)
            raise DriverEnded

    ended = []
    fake = FakeRay(faults=end_once)
    with pytest.raises(DriverEnded), connected(fake) as workers:
        list(workers.run_trials(tasks))
    assert fake.closed
    with connected(fake) as workers:
        found = {task.name: result.look for task, result in workers.run_trials(tasks)}
    assert found == {"a": look(ord("a")), "b": look(ord("b"))}  # Ray restores trials in another order
    assert trained == [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2), ("b", 3)]
    assert [rows(task)[-1] for task in tasks] == ["3", "3"]


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_storage_may_be_elsewhere_and_keeps_nothing(connected, tasks, trained, tmp_path, monkeypatch, scheme):
    fake, removed = FakeRay(), []
    monkeypatch.setattr(FileSystem, "delete_dir", lambda system, path: removed.append(path))
    with connected(fake, storage=f"{scheme}{tmp_path}/shared/") as workers:
        list(workers.run_trials(tasks))
        assert list(workers.run_trials([])) == []
    place = f"{tmp_path}/shared/{experiment_name(tasks)}"
    assert list(fake.experiments) == [f"{scheme}{place}"]
    assert removed == [place]


def test_storage_that_cannot_be_cleaned_keeps_the_results(connected, tasks, trained, monkeypatch):
    def refuse(system, path):
        raise PermissionError(path)

    monkeypatch.setattr(FileSystem, "delete_dir", refuse)
    with connected(FakeRay()) as workers:
        assert all(result.look for _, result in workers.run_trials(tasks))


def test_unknown_storage_is_refused_before_connecting(connected):
    fake = FakeRay()
    with pytest.raises(InputError, match=r"Bad `storage`.*s3://bucket/folder.*Received: nowhere://bucket"):
        connected(fake, storage="nowhere://bucket")
    assert not fake.closed


def test_a_repeated_selection_does_not_get_the_results_of_a_deleted_one(connected, tasks, trained, tmp_path):
    fake = FakeRay()
    place = f"{tmp_path}/shared"
    with connected(fake, storage=place) as workers:
        results = workers.run_trials(tasks)
        next(results)
        results.close()  # as if the driver ended here: the experiment stays
        shutil.rmtree(Path(tasks[0].folder).parent)
        list(workers.run_trials([replace(one, selection="2") for one in tasks]))
    assert len(trained) == 2 * len({*trained}) == 12


def test_bad_input_of_a_trial_brings_the_runs_and_is_tried_again(connected, tasks, trained, monkeypatch):
    run = ray_trial.run_on_node

    def refuse(task, folder, save):
        found = run(task, folder, save)
        return {"input_error": json.dumps(["No data", "x", "y"])} if task.name == "b" else found

    monkeypatch.setattr(ray_trial, "run_on_node", refuse)
    with connected(FakeRay()) as workers:
        with pytest.raises(InputError, match="No data"):
            list(workers.run_trials(tasks))
        assert [rows(task)[-1] for task in tasks] == ["3", "3"]
        monkeypatch.setattr(ray_trial, "run_on_node", run)
        assert all(result.look for _, result in workers.run_trials(tasks))
    assert len(trained) == 6  # each interval once


def test_bad_input_names_the_node(tmp_path, tasks, monkeypatch):
    def refuse(task, save):
        raise InputError("No such classifier", expected="a folder", received=task.probe)

    monkeypatch.setattr("gan.selection.training.run_trial", refuse)
    found = ray_trial.run_on_node(tasks[0], tmp_path, print)
    host = socket.gethostname()
    with pytest.raises(InputError, match=rf"^No such classifier\..*mnist-probe \(on node {host}\)\.$"):
        read_result(found, None)


def test_a_cluster_that_others_use_is_an_error_after_a_while(connected, tasks, trained, monkeypatch):
    clock = iter(range(0, 10**6, 250))
    monkeypatch.setattr(ray_workers, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with (
        connected(FakeRay(pending=4)) as workers,
        pytest.raises(InputError, match=r"in use\. Expected 1 x \(1 CPU\) within 600 s\. Received: 0 CPU free"),
    ):
        list(workers.run_trials(tasks))
    with connected(FakeRay(pending=3)) as workers:
        assert all(result.look for _, result in workers.run_trials(tasks))


def test_the_time_to_wait_starts_again_after_a_trial_ran(connected, monkeypatch):
    fake, clock = FakeRay(), iter(range(0, 10**6, 400))
    monkeypatch.setattr(ray_workers, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with connected(fake):
        limit = ray_workers.waiting_limit({"CPU": 1.0})
        for statuses in (["PENDING"] * 2, ["PENDING"] * 2, ["ERROR", "RUNNING"], ["PENDING"] * 2, ["PENDING"] * 2):
            limit.on_step_begin(iteration=0, trials=[SimpleNamespace(status=status) for status in statuses])
        with pytest.raises(InputError, match="in use"):
            limit.on_step_begin(iteration=0, trials=[SimpleNamespace(status="PENDING")])


def test_costs_are_measured_alone_on_the_largest_node(connected, tmp_path, monkeypatch):
    from gan.selection import measured_costs

    def measure(task):
        [run] = task.runs
        size = float(Path(run.generator).stat().st_size)
        cost = CandidateCost(value=size, lowest=size, highest=size)
        return MeasuredCosts(costs={run.name: cost}, failures={}, machine="node")

    monkeypatch.setattr(measured_costs, "measure_costs", measure)
    file = tmp_path / "generator.keras"
    file.write_bytes(b"1234")
    task = CostTask(cost="bytes", runs=(TimedRun(name="a", generator=str(file)),))
    fake = FakeRay(nodes=(2, 8))
    with connected(fake) as workers:
        assert workers.measure_costs(task).costs["a"].value == 4.0
        assert fake.limits[-1] == {"num_cpus": 8.0, "max_calls": 1, "max_retries": 0}
        assert fake.reserved == [({"CPU": 8.0}, ray_workers.WAIT_SECONDS)]

        def lose_node(task):
            if fake.cpus == (2, 8):
                fake.cpus = (2,)
                raise RayError("node died")
            return measure(task)

        monkeypatch.setattr(measured_costs, "measure_costs", lose_node)
        assert workers.measure_costs(task).costs["a"].value == 4.0
        assert [wanted["CPU"] for wanted, _ in fake.reserved] == [8.0, 8.0, 2.0]

        def refuse(task):
            raise InputError("Bad", expected="x", received="y")

        monkeypatch.setattr(measured_costs, "measure_costs", refuse)
        with pytest.raises(InputError, match=r"Bad\. Expected x"):
            workers.measure_costs(task)

        for fault, said, attempts in [(ValueError("a fault"), "a fault", 1), (RayError("dead"), "the last of 3", 3)]:

            def fail(task, fault=fault):
                raise fault

            monkeypatch.setattr(measured_costs, "measure_costs", fail)
            fake.reserved.clear()
            with pytest.raises(ProcessFailure, match=said):
                workers.measure_costs(task)
            assert len(fake.reserved) == attempts


def test_ray_client_and_bad_numbers_are_refused_before_connecting():
    with pytest.raises(InputError, match=r"Ray Client.*auto or HOST:PORT"):
        RayWorkers("ray://host:10001")
    with pytest.raises(InputError, match="trials=0"):
        RayWorkers("auto", trials=0)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"ray": "auto"}, ("auto", None, None)),
        ({"ray": "local", "jobs": 2}, (None, 2, None)),
        ({"ray": "host:1", "storage": "s3://bucket"}, ("host:1", None, "s3://bucket")),
    ],
)
def test_the_command_passes_its_options_on(monkeypatch, options, expected):
    @contextmanager
    def record(address, *, trials, storage):
        yield address, trials, storage

    monkeypatch.setattr(ray_workers, "RayWorkers", record)
    with Select(**options)._workers() as found:
        assert found == expected


def test_without_ray_processes_of_this_machine_train_and_storage_is_refused():
    with Select()._workers() as found:
        assert found is None
    with pytest.raises(InputError, match=r"`--storage` alone"), Select(storage="s3://bucket")._workers():
        pass
