"""The part of Ray that runs trials, in this process: experiments, checkpoints, trials that are repeated."""

import shutil
from pathlib import Path
from types import SimpleNamespace


class Checkpoint:
    """A folder."""

    def __init__(self, folder):
        self.folder = Path(folder)

    @classmethod
    def from_directory(cls, folder):
        return cls(folder)

    def to_directory(self, folder):
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)


class DriverEnded(BaseException):
    """Stands for the end of the process that runs an experiment."""


class FakeRay:
    """A cluster.

    Args:
        nodes: CPUs of each node.
        faults: called with (name of a candidate, number of reports of all attempts) at each report; raises what fails.
    """

    def __init__(self, nodes=(1, 1), faults=lambda name, reports: None):
        self.cpus, self.faults = nodes, faults
        self.experiments, self.closed, self.limits = {}, False, []
        self.exceptions = SimpleNamespace(RayError=RuntimeError)
        self.tune = SimpleNamespace(
            Tuner=self._tuner_class(),
            Checkpoint=Checkpoint,
            grid_search=list,
            with_resources=lambda call, limits: self.limits.append(limits) or call,
            with_parameters=lambda call, **given: lambda config: call(config, **given),
            TuneConfig=dict,
            RunConfig=dict,
            FailureConfig=dict,
            CheckpointConfig=dict,
            CLIReporter=dict,
            report=self._report,
            get_checkpoint=lambda: self.trial["checkpoint"],
        )

    def nodes(self):
        return [{"Alive": True, "Resources": {"CPU": float(n)}} for n in self.cpus]

    def put(self, value):
        return value

    get = put

    def remote(self, **options):
        self.limits.append(options)
        return lambda call: SimpleNamespace(remote=call)

    def get_runtime_context(self):
        return SimpleNamespace(get_assigned_resources=lambda: {"CPU": 1.0})

    def _report(self, metrics, checkpoint=None):
        trial = self.trial
        trial["reports"] += 1
        trial["metrics"] = metrics
        if checkpoint is not None:
            place = Path(trial["place"]) / str(trial["reports"])
            checkpoint.to_directory(place)
            trial["checkpoint"] = Checkpoint(place)
        self.faults(trial["task"]["name"], trial["reports"])

    def _tuner_class(cluster):
        class Tuner:
            def __init__(self, trainable, *, param_space, tune_config, run_config):
                self.trainable, self.failures = trainable, run_config["failure_config"]["max_failures"]
                place = f"{run_config['storage_path']}/{run_config['name']}"
                self.trials = [
                    {
                        "task": task,
                        "place": f"{place}/{n}",
                        "reports": 0,
                        "metrics": {},
                        "checkpoint": None,
                        "state": None,
                    }
                    for n, task in enumerate(param_space["task"])
                ]
                cluster.experiments[place] = self

            @staticmethod
            def can_restore(path):
                return path in cluster.experiments

            @staticmethod
            def restore(path, trainable, **options):
                cluster.experiments[path].trainable = trainable
                cluster.experiments[path].trials.reverse()  # as Ray may do
                return cluster.experiments[path]

            def fit(self):
                for trial in self.trials:
                    for _ in range(self.failures + 1):
                        if trial["state"] == "ended":
                            break
                        cluster.trial = trial
                        try:
                            self.trainable({"task": trial["task"]})
                        except Exception as error:
                            trial["state"] = error
                        else:
                            trial["state"] = "ended"
                return [
                    SimpleNamespace(
                        config={"task": trial["task"]} if trial["metrics"] else None,
                        metrics=trial["metrics"],
                        error=None if trial["state"] == "ended" else trial["state"],
                        checkpoint=trial["checkpoint"],
                    )
                    for trial in self.trials
                ]

        return Tuner
