"""Runs the tasks of a selection on a Ray cluster: each rung is an experiment of Ray Tune, each trial one of its trials.

After each interval, the run folder of a trial goes to Ray's storage as its checkpoint. A trial whose process or node
ends continues from there on another node. An experiment whose driver ended is restored. The run folders come back into
the folder of the selection at the end of a rung, and the experiment is removed. Imports Ray when it connects, and
TensorFlow on the nodes only.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, redirect_stdout, suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from gan.distributed.ray_cluster import CLIENT, EXTRA, connect, in_use, node_resources, reserved, share
from gan.errors import InputError, Json, TrainingError, check_whole, convert
from gan.selection.cost import CostTask, MeasuredCosts
from gan.selection.ray_trial import INPUT_ERROR, INTERVAL, RESULT, RUN, measure_on_node, run_tune_trial
from gan.selection.trial import TrialResult, TrialTask, read_error
from gan.selection.trial_files import read_trial, write_trial
from gan.selection.workers import ATTEMPTS, Workers
from gan.utils import tensorflow as runtime
from gan.utils.extras import import_extra
from gan.utils.json_process import ProcessFailure

STORAGE = "ray"
"""Folder of Ray's storage in the folder of a selection."""
URI = "://"
"""Part of a URI that a path does not have."""
NAME_LENGTH = 80
"""Characters of a candidate's name that the table shows."""
SHOW_EVERY = 30.0
"""Seconds between two tables of progress."""
WAIT_SECONDS = 600.0
"""Seconds that a selection waits for CPUs and GPUs which other programs use, or which a cluster starts."""
_TUNE = {
    "RAY_AIR_NEW_OUTPUT": "0",  # the table of trials, without the rest
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the run folders have logs
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends the selection, not only the rung
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}


class Folder(Protocol):
    """A checkpoint of Ray."""

    def as_directory(self) -> AbstractContextManager[str]:
        """Yields a folder with its content, which must not be changed."""


class WaitingTrial(Protocol):
    """A trial of Ray, which may not run yet."""

    @property
    def status(self) -> str:
        """Such as RUNNING or PENDING."""


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
        self._storage = None if storage is None else check_storage(storage)
        self._stack = ExitStack()
        self._ray = self._stack.enter_context(connect(address))
        try:
            self.resources, self.trials = trial_resources(node_resources(self._ray), trials)
        except BaseException:
            self.close()
            raise

    def run_trials(self, tasks: Sequence[TrialTask]) -> Iterator[tuple[TrialTask, TrialResult]]:
        """Runs trials, see `Workers`. Yields them when all have ended and their run folders are here.

        Ray's copies of the run folders are then removed. Also raises `InputError` if no trial can run for
        `WAIT_SECONDS`, because other programs use the cluster.
        """
        if not tasks:
            return
        tune = import_extra("ray.tune", extra=EXTRA)
        storage = self._storage or str(Path(tasks[0].folder).absolute().parents[1] / STORAGE)
        experiment = f"{storage}/{experiment_name(tasks)}"
        runs = {task.name: self._ray.put(read_trial(Path(task.folder))) for task in tasks}
        limits = {"cpu": self.resources["CPU"], "gpu": self.resources.get("GPU", 0.0)}
        trainable = tune.with_resources(tune.with_parameters(run_tune_trial, runs=runs), limits)
        if tune.Tuner.can_restore(experiment):
            tuner = tune.Tuner.restore(experiment, trainable, resume_unfinished=True, resume_errored=True)
        else:
            tuner = tune.Tuner(
                trainable,
                param_space={"task": tune.grid_search([_elsewhere(task).as_dict() for task in tasks])},
                tune_config=tune.TuneConfig(max_concurrent_trials=self.trials),
                run_config=tune.RunConfig(
                    name=experiment_name(tasks),
                    storage_path=storage,
                    verbose=1,
                    callbacks=[waiting_limit(self.resources)],
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
        for task, one in ended:
            fetch_run(one.checkpoint, Path(task.folder))
        try:
            fault = self._ray.exceptions.RayTaskError
            results = [(task, read_result(one.metrics or {}, one.error, fault)) for task, one in ended]
        except InputError:
            remove_experiment(experiment)  # its trials have ended: a resumed selection would not repeat them
            raise
        yield from results
        remove_experiment(experiment)  # the caller has saved the results, and the run folders are here

    def measure_costs(self, task: CostTask) -> MeasuredCosts:
        """Measures costs on the largest node of the cluster, of which it takes all CPUs and GPUs, see `Workers`.

        Also raises `InputError` if other programs use them for longer than `WAIT_SECONDS`.
        """
        generators = {run.name: Path(run.generator).read_bytes() for run in task.runs if run.generator is not None}
        found = self._ask_largest_node(task, generators)
        if INPUT_ERROR in found:
            raise read_error(found[INPUT_ERROR])
        return convert(found, MeasuredCosts, "the result of a task")

    def _ask_largest_node(self, task: CostTask, generators: Mapping[str, bytes]) -> Mapping[str, Json]:
        errors, reason = self._ray.exceptions, ""
        for _ in range(ATTEMPTS):
            node = max(node_resources(self._ray), key=lambda one: (one.get("GPU", 0.0), one.get("CPU", 0.0)))
            wanted = {name: node[name] for name in ("CPU", "GPU") if node.get(name, 0.0) > 0}
            with reserved(self._ray, wanted, 1, wait_seconds=WAIT_SECONDS) as [part]:
                measure = self._ray.remote(max_calls=1, max_retries=0, **part)(measure_on_node)
                try:
                    return self._ray.get(measure.remote(task.as_dict(), generators))
                except errors.RayTaskError as error:  # the task itself failed
                    raise ProcessFailure(runtime.reason_of(error)) from error
                except errors.RayError as error:  # its process or node ended
                    reason = runtime.reason_of(error)
        raise ProcessFailure(f"{reason} (the last of {ATTEMPTS} attempts)")

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


def check_storage(storage: str | Path) -> str:
    """Returns a URI as it is, and a folder as an absolute path.

    Raises `InputError` for a URI of a file system that Ray cannot use.
    """
    text = str(storage)
    if URI not in text:
        return str(Path(text).absolute())
    file_systems = import_extra("pyarrow.fs", extra=EXTRA)
    try:
        file_systems.FileSystem.from_uri(text)
    except (ValueError, NotImplementedError) as error:
        expected = "a folder, or a URI such as s3://bucket/folder or gs://bucket/folder"
        raise InputError("Bad `storage`", expected=expected, received=text) from error
    return text.rstrip("/")


def experiment_name(tasks: Sequence[TrialTask]) -> str:
    """Returns the name of the experiment of a rung.

    It is the same when a selection is resumed in the same rung, also in another folder. Other selections have others.
    """
    contents = [_elsewhere(task).as_dict() for task in sorted(tasks, key=lambda task: task.name)]
    text = hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()
    return f"rung-{tasks[0].selection}-{text[:16]}"


def _elsewhere(task: TrialTask) -> TrialTask:
    """Returns a task without the place of its run folder on this machine."""
    return replace(task, folder=RUN)


def remove_experiment(place: str) -> None:
    """Removes an experiment from its storage, a folder or a URI. What cannot be removed stays."""
    file_systems = import_extra("pyarrow.fs", extra=EXTRA)
    with suppress(OSError, ValueError, NotImplementedError):
        system, path = file_systems.FileSystem.from_uri(place)
        system.delete_dir(path)


def waiting_limit(wanted: Mapping[str, float]) -> object:
    """Returns a callback of Ray Tune that raises `InputError` when no trial ran for `WAIT_SECONDS`.

    wanted: resources of a trial, which other programs use then.
    """
    import ray
    from ray import tune

    class WaitingLimit(tune.Callback):
        since: float | None = None

        def on_step_begin(self, iteration: int, trials: Sequence[WaitingTrial], **more: object) -> None:
            if any(one.status == "RUNNING" for one in trials):
                self.since = None
            elif self.since is None:
                self.since = time.monotonic()
            elif time.monotonic() - self.since > WAIT_SECONDS:
                raise in_use(ray, wanted, 1, WAIT_SECONDS)

    return WaitingLimit()


def match_trials(tasks: Sequence[TrialTask], trials: Sequence[EndedTrial]) -> list[tuple[TrialTask, EndedTrial]]:
    """Returns each task with its trial. A restored experiment has its trials in another order.

    A trial that never reported has no configuration. It has no checkpoint either, only an error.
    """
    known = {str(one.config["task"]["name"]): one for one in trials if one.config}
    silent = [one for one in trials if not one.config]
    return [(task, known[task.name] if task.name in known else silent.pop()) for task in tasks]


def read_result(
    metrics: Mapping[str, Json], error: Exception | None, fault: type[Exception] | tuple[()] = ()
) -> TrialResult:
    """Returns the result of a trial of Ray Tune: its last metrics, or what ended its processes or nodes.

    Args:
        metrics, error: the last report, and the error that ended the last attempt.
        fault: class of errors in a process, such as of a full disk.

    Raises `InputError` for a task that cannot be run, and for storage that the nodes do not share. Raises
    `TrainingError` for another error in a process, see `Workers.run_trials`.
    """
    if INPUT_ERROR in metrics:
        raise read_error(json.loads(str(metrics[INPUT_ERROR])))
    if RESULT in metrics:
        return convert(json.loads(str(metrics[RESULT])), TrialResult, "the result of a task")
    said = [line.strip() for line in str(error or "").splitlines() if line.strip()]
    if any("cluster storage" in line for line in said):
        expected = "--storage with a folder that all nodes share, or a URI such as s3://bucket/folder"
        raise InputError(
            "The nodes of the cluster do not share the storage", expected=expected, received=said[-1][:200]
        )
    reason = f"{said[-1][:200] if said else 'no result'} (the last of {ATTEMPTS} attempts)"
    if isinstance(error, fault):
        raise TrainingError(f"A trial failed: {reason}")
    return TrialResult(failure=reason)


def fetch_run(checkpoint: Folder | None, folder: Path) -> None:
    """Brings a run folder and its log up to date from a checkpoint of Ray. None: leaves them as they are."""
    if checkpoint is None:
        return
    with checkpoint.as_directory() as place:
        content = read_trial(Path(place) / RUN)
    write_trial(folder, content)
