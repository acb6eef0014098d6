"""Runs the tasks of a selection on a Ray cluster: each rung is an experiment of Ray Tune, each trial one of its trials.

After each interval, the run folder of a trial goes to Ray's storage as its checkpoint. A trial whose process or node
ends continues from there on another node. An experiment whose driver ended is restored. The run folders come back into
the folder of the selection at the end of a rung. Imports Ray when it connects, and TensorFlow on the nodes only.
"""

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from gan.distributed.ray_cluster import CLIENT, EXTRA, connect, node_resources, share
from gan.errors import InputError, Json, check_whole, convert
from gan.saving.run_copy import RunReader, write_run
from gan.selection.cost import CostTask, MeasuredCosts
from gan.selection.trial import TrialResult, TrialTask
from gan.selection.workers import ATTEMPTS, Workers
from gan.utils import tensorflow as runtime
from gan.utils.extras import import_extra
from gan.utils.json_process import ProcessFailure

STORAGE = "ray"
"""Folder of Ray's storage in the folder of a selection."""
RESULT, INPUT_ERROR = "result", "input_error"
"""Metrics with which a trial ends: its result, or what is wrong with its task, as JSON."""
INTERVAL = "interval"
"""Metric of a trial: complete intervals of its run."""
RUN = "run"
"""Run folder in the working folder of a trial."""
URI = "://"
"""Part of a URI that a path does not have."""
NAME_LENGTH = 80
"""Characters of a candidate's name that the table shows."""
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
"""Variables with the number of threads of a process that uses TensorFlow."""
SHOW_EVERY = 30.0
"""Seconds between two tables of progress."""
_TUNE = {
    "RAY_AIR_NEW_OUTPUT": "0",  # the table of trials, without the rest
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the run folders have logs
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends the selection, not only the rung
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}


class Folder(Protocol):
    """A checkpoint of Ray."""

    def to_directory(self, path: str | Path) -> object:
        """Copies it to a folder."""


class EndedTrial(Protocol):
    """A trial of Ray that has ended."""

    @property
    def config(self) -> Mapping[str, Mapping[str, Json]] | None:
        """Its parameters: {"task": the task in JSON types}."""

    @property
    def metrics(self) -> Mapping[str, Json] | None:
        """Its last report."""

    @property
    def error(self) -> Exception | None:
        """What ended its last attempt."""

    @property
    def checkpoint(self) -> Folder | None:
        """Its last checkpoint."""


class RayWorkers(Workers):
    """Nodes of a Ray cluster, each of which runs trials.

    Args:
        address: `auto` or `HOST:PORT`, see `connect`. None: a cluster of this machine alone, which ends with the
            selection.
        trials: number of trials at the same time, which share the CPUs and GPUs of the cluster. None: one a node, or
            one a GPU if there are GPUs.
        storage: folder on a file system of all nodes, or a URI such as s3://bucket/folder. None: the folder of the
            selection, which all nodes must then see.
    """

    def __init__(
        self, address: str | None = None, *, trials: int | None = None, storage: str | Path | None = None
    ) -> None:
        if address is not None and address.startswith(CLIENT):
            expected = "auto or HOST:PORT, on a machine of the cluster: the run folders come back through its storage"
            raise InputError("A selection cannot use Ray Client", expected=expected, received=address)
        if trials is not None:
            check_whole("trials", trials, 1)
        os.environ.update(_TUNE)
        self._storage = None if storage is None else _place(storage)
        self._stack = ExitStack()
        self._ray = self._stack.enter_context(connect(address))
        try:
            self.resources, self.trials = trial_resources(node_resources(self._ray), trials)
        except BaseException:
            self.close()
            raise

    def run_trials(self, tasks: Sequence[TrialTask]) -> Iterator[tuple[TrialTask, TrialResult]]:
        """Runs trials, see `Workers`. Yields them when all have ended and their run folders are here.

        Ray's copies of the run folders are then removed, unless the storage is a URI.
        """
        if not tasks:
            return
        tune = import_extra("ray.tune", extra=EXTRA)
        storage = self._storage or str(Path(tasks[0].folder).parents[1] / STORAGE)
        experiment = f"{storage}/{experiment_name(tasks)}"
        runs = {task.name: self._ray.put(RunReader(Path(task.folder)).read()) for task in tasks}
        limits = {"cpu": self.resources["CPU"], "gpu": self.resources.get("GPU", 0.0)}
        trainable = tune.with_resources(tune.with_parameters(run_tune_trial, runs=runs), limits)
        if tune.Tuner.can_restore(experiment):
            tuner = tune.Tuner.restore(experiment, trainable, resume_unfinished=True, resume_errored=True)
        else:
            tuner = tune.Tuner(
                trainable,
                param_space={"task": tune.grid_search([task.as_dict() for task in tasks])},
                tune_config=tune.TuneConfig(max_concurrent_trials=self.trials),
                run_config=tune.RunConfig(
                    name=experiment_name(tasks),
                    storage_path=storage,
                    verbose=1,
                    failure_config=tune.FailureConfig(max_failures=ATTEMPTS - 1),
                    checkpoint_config=tune.CheckpointConfig(num_to_keep=1),
                    progress_reporter=tune.CLIReporter(
                        parameter_columns={"task/name": "candidate"},
                        metric_columns={INTERVAL: INTERVAL},
                        max_column_length=NAME_LENGTH,
                        max_report_frequency=SHOW_EVERY,
                        print_intermediate_tables=True,
                    ),
                ),
            )
        with redirect_stdout(sys.stderr):
            ended = match_trials(tasks, list(tuner.fit()))
        results = [(task, read_result(one.metrics or {}, one.error)) for task, one in ended]
        for task, one in ended:
            fetch_run(one.checkpoint, Path(task.folder))
        yield from results
        if URI not in experiment:  # the caller has saved the results, and the run folders are here
            shutil.rmtree(experiment, ignore_errors=True)

    def measure_costs(self, task: CostTask) -> MeasuredCosts:
        """Measures costs on a node of the cluster, of which it takes all CPUs and GPUs, see `Workers`."""
        node = max(node_resources(self._ray), key=lambda one: (one.get("GPU", 0.0), one.get("CPU", 0.0)))
        generators = {run.name: Path(run.generator).read_bytes() for run in task.runs if run.generator is not None}
        limits = {"num_cpus": node.get("CPU", 0.0), "num_gpus": node.get("GPU", 0.0)}
        measure = self._ray.remote(max_calls=1, max_retries=ATTEMPTS - 1, **limits)(measure_on_node)
        try:
            found = self._ray.get(measure.remote(task.as_dict(), generators))
        except self._ray.exceptions.RayError as error:
            raise ProcessFailure(runtime.reason_of(error)) from error
        if INPUT_ERROR in found:
            problem, expected, received = found[INPUT_ERROR]
            raise InputError(problem, expected=expected, received=received)
        return convert(found, MeasuredCosts, "the result of a task")

    def close(self) -> None:
        """Disconnects from the cluster, which ends all trials."""
        self._stack.close()


def trial_resources(nodes: Sequence[Mapping[str, float]], trials: int | None = None) -> tuple[dict[str, float], int]:
    """Returns the CPUs and GPUs of one trial, and the number of trials at the same time.

    A trial fits on each node, so that any of them can continue it.

    Args:
        nodes: resources of each node.
        trials: number of trials. None: one a GPU, or one a node if there is no GPU.

    Raises `InputError` if the cluster has fewer CPUs than trials.
    """
    nodes = [node for node in nodes if node.get("CPU", 0.0) >= 1]
    gpus = int(sum(node.get("GPU", 0.0) for node in nodes))
    trials = trials or gpus or max(1, len(nodes))
    found = share(nodes, trials)
    least = min(node["CPU"] for node in nodes)
    return {**found, "CPU": min(found["CPU"], float(int(least)))}, trials


def _place(storage: str | Path) -> str:
    """Returns a URI as it is, and a folder as an absolute path."""
    text = str(storage)
    return text.rstrip("/") if URI in text else str(Path(text).absolute())


def experiment_name(tasks: Sequence[TrialTask]) -> str:
    """Returns the name of the experiment of a rung. It is the same when a selection is resumed in the same rung."""
    text = json.dumps(sorted((task.as_dict() for task in tasks), key=lambda task: str(task["name"])), sort_keys=True)
    return f"rung-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def run_tune_trial(config: dict[str, Json], runs: Mapping[str, object]) -> None:
    """Runs a trial on its node, in a process of Ray Tune.

    Args:
        config: {"task": the task in JSON types}.
        runs: name of a candidate -> reference to the files of its run before this rung.
    """
    import ray
    from ray import tune

    runtime.load_tensorflow(lean=True)
    from gan.selection.training import complete_intervals

    def save(run: Path, **metrics: str) -> None:
        found = tune.Checkpoint.from_directory(run) if run.exists() else None
        tune.report({INTERVAL: complete_intervals(run), **metrics}, checkpoint=found)

    task = convert(config["task"], TrialTask, "a task")
    with tempfile.TemporaryDirectory(prefix="gan-trial-") as place:
        folder = Path(place) / RUN
        checkpoint = tune.get_checkpoint()
        if checkpoint is None:
            write_run(folder, ray.get(runs[task.name]))
        else:
            checkpoint.to_directory(folder)
        cpus = ray.get_runtime_context().get_assigned_resources().get("CPU", 1.0)
        os.environ.update(dict.fromkeys(THREADS, str(max(1, int(cpus)))))
        save(folder, **run_on_node(task, folder, save))


def run_on_node(task: TrialTask, folder: Path, save: Callable[[Path], None]) -> dict[str, str]:
    """Runs a trial in a folder of this node. Returns the metrics with which it ends."""
    runtime.load_tensorflow(lean=True)
    from gan.selection.training import run_trial

    try:
        result = run_trial(replace(task, folder=str(folder)), save)
    except InputError as error:
        return {INPUT_ERROR: json.dumps([error.problem, error.expected, error.received])}
    return {RESULT: json.dumps(result.as_dict())}


def measure_on_node(content: Json, generators: Mapping[str, bytes]) -> dict[str, Json]:
    """Measures costs on this node.

    Args:
        content: the task in JSON types.
        generators: name of a candidate -> content of its generator's file.
    """
    runtime.load_tensorflow(lean=True)
    from gan.selection.measured_costs import measure_costs

    task = convert(content, CostTask, "a task")
    with tempfile.TemporaryDirectory(prefix="gan-cost-") as place:
        runs = []
        for number, run in enumerate(task.runs):
            file = None if run.generator is None else Path(place) / str(number) / Path(run.generator).name
            if file is not None:
                file.parent.mkdir()
                file.write_bytes(generators[run.name])
            runs.append(replace(run, generator=None if file is None else str(file)))
        try:
            return measure_costs(replace(task, runs=tuple(runs))).as_dict()
        except InputError as error:
            return {INPUT_ERROR: [error.problem, error.expected, error.received]}


def match_trials(tasks: Sequence[TrialTask], trials: Sequence[EndedTrial]) -> list[tuple[TrialTask, EndedTrial]]:
    """Returns each task with its trial. A restored experiment has its trials in another order.

    A trial that never reported has no configuration. It has no checkpoint either, only an error.
    """
    known = {str(one.config["task"]["name"]): one for one in trials if one.config}
    silent = [one for one in trials if not one.config]
    return [(task, known[task.name] if task.name in known else silent.pop()) for task in tasks]


def read_result(metrics: Mapping[str, Json], error: Exception | None) -> TrialResult:
    """Returns the result of a trial of Ray Tune: its last metrics, or the error that ended its last attempt.

    Raises `InputError` for a task that cannot be run, and for storage that the nodes do not share.
    """
    if INPUT_ERROR in metrics:
        problem, expected, received = json.loads(str(metrics[INPUT_ERROR]))
        raise InputError(problem, expected=expected, received=received)
    if RESULT in metrics:
        return convert(json.loads(str(metrics[RESULT])), TrialResult, "the result of a task")
    said = [line.strip() for line in str(error or "").splitlines() if line.strip()]
    if any("cluster storage" in line for line in said):
        expected = "--storage with a folder that all nodes share, or a URI such as s3://bucket/folder"
        raise InputError(
            "The nodes of the cluster do not share the storage", expected=expected, received=said[-1][:200]
        )
    reason = said[-1][:200] if said else "no result"
    return TrialResult(failure=f"{reason} (the last of {ATTEMPTS} attempts)")


def fetch_run(checkpoint: Folder | None, folder: Path) -> None:
    """Replaces a run folder by a checkpoint of Ray. None: leaves it as it is."""
    if checkpoint is None:
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetched-", dir=folder.parent) as place:
        checkpoint.to_directory(Path(place) / RUN)
        shutil.rmtree(folder, ignore_errors=True)
        (Path(place) / RUN).rename(folder)
