"""Tasks of a selection on a node of a Ray cluster. Imports Ray and TensorFlow when one starts."""

import json
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from gan.errors import InputError, Json, convert
from gan.selection.cost import CostTask
from gan.selection.trial import TrialTask, error_content
from gan.selection.trial_files import write_trial
from gan.selection.workers import THREADS
from gan.utils import tensorflow as runtime
from gan.utils.working_folder import working_folder

RESULT, INPUT_ERROR = "result", "input_error"
"""Metrics with which a trial ends: its result, or what is wrong with its task, as JSON."""
INTERVAL = "interval"
"""Metric of a trial: complete intervals of its run."""
RUN = "run"
"""Run folder in a checkpoint of Ray."""


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
        found = tune.Checkpoint.from_directory(run.parent) if any(run.parent.iterdir()) else None
        tune.report({INTERVAL: complete_intervals(run), **metrics}, checkpoint=found)

    task = convert(config["task"], TrialTask, "a task")
    with working_folder("gan-trial") as place:
        folder = place / "checkpoint" / RUN  # its parent holds the log too, and not the lock of the working folder
        checkpoint = tune.get_checkpoint()
        if checkpoint is None:
            write_trial(folder, ray.get(runs[task.name]))
        else:
            checkpoint.to_directory(folder.parent)
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
        return {INPUT_ERROR: json.dumps(_error_on_node(error))}
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
    with working_folder("gan-cost") as place:
        runs = []
        for number, run in enumerate(task.runs):
            file = None if run.generator is None else place / str(number) / Path(run.generator).name
            if file is not None:
                file.parent.mkdir()
                file.write_bytes(generators[run.name])
            runs.append(replace(run, generator=None if file is None else str(file)))
        try:
            return measure_costs(replace(task, runs=tuple(runs))).as_dict()
        except InputError as error:
            return {INPUT_ERROR: _error_on_node(error)}


def _error_on_node(error: InputError) -> list[str]:
    """Returns an error in JSON types, with the name of this node: its files may be others than those of the driver."""
    problem, expected, received = error_content(error)
    return [problem, expected, f"{received} (on node {socket.gethostname()})"]
