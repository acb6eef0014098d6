"""The part of Ray that runs trials, in this process: experiments, checkpoints, trials that are repeated."""

import shutil
from contextlib import contextmanager
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

    @contextmanager
    def as_directory(self):
        yield str(self.folder)


class RayError(Exception):
    """Of Ray itself, such as a node that died."""


class RayTaskError(RayError):
    """Of the code of a task."""


class FileSystem:
    """The part of pyarrow that removes folders. It knows paths and file://."""

    @classmethod
    def from_uri(cls, place):
        scheme, _, path = place.rpartition("://")
        if scheme not in ("", "file"):
            raise ValueError(f"unknown scheme {scheme}")
        return cls(), path

    def delete_dir(self, path):
        shutil.rmtree(path)


class DriverEnded(BaseException):
    """Stands for the end of the process that runs an experiment."""


class FakeRay:
    """A cluster.

    Args:
        nodes: CPUs of each node.
        faults: called with (name of a candidate, number of reports of all attempts) at each report; raises what fails.
        pending: steps of an experiment before its trials get their resources.
    """

    def __init__(self, nodes=(1, 1), faults=lambda name, reports: None, pending=0):
        self.cpus, self.faults, self.pending = nodes, faults, pending
        self.experiments, self.closed, self.limits, self.reserved = {}, False, [], []
        self.exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)
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
            Callback=object,
            report=self._report,
            get_checkpoint=lambda: self.trial["checkpoint"],
        )

    def nodes(self):
        return [{"Alive": True, "Resources": {"CPU": float(n)}} for n in self.cpus]

    def put(self, value):
        return value

    get = put

    def import_extra(self, name, extra):
        return {"ray.tune": self.tune, "pyarrow.fs": SimpleNamespace(FileSystem=FileSystem)}[name]

    @contextmanager
    def reserve(self, ray, wanted, workers, *, wait_seconds):
        assert (ray, workers) == (self, 1)
        self.reserved.append((dict(wanted), wait_seconds))
        yield [{"num_cpus": wanted["CPU"]}]

    def available_resources(self):
        return {"CPU": 0.0}

    def remote(self, **options):
        def call_task(call, *given):
            try:
                return call(*given)
            except RayError:
                raise
            except Exception as error:
                raise RayTaskError(str(error)) from error

        self.limits.append(options)
        return lambda call: SimpleNamespace(remote=lambda *given: call_task(call, *given))

    def get_runtime_context(self):
        return SimpleNamespace(get_assigned_resources=lambda: {"CPU": 1.0})

    def _report(self, metrics, checkpoint=None):
        trial = self.trial
        trial["reports"] += 1
        trial["metrics"] = metrics
        if checkpoint is not None:
            place = Path(trial["place"].removeprefix("file://")) / str(trial["reports"])
            checkpoint.to_directory(place)
            trial["checkpoint"] = Checkpoint(place)
        self.faults(trial["task"]["name"], trial["reports"])

    def _tuner_class(cluster):
        class Tuner:
            def __init__(self, trainable, *, param_space, tune_config, run_config):
                self.trainable, self.failures = trainable, run_config["failure_config"]["max_failures"]
                self.callbacks = run_config["callbacks"]
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
                return path in cluster.experiments and Path(path.removeprefix("file://")).exists()

            @staticmethod
            def restore(path, trainable, **options):
                cluster.experiments[path].trainable = trainable
                cluster.experiments[path].trials.reverse()  # as Ray may do
                return cluster.experiments[path]

            def fit(self):
                for number in range(cluster.pending):
                    for callback in self.callbacks:
                        callback.on_step_begin(iteration=number, trials=[SimpleNamespace(status="PENDING")])
                for trial in self.trials:
                    for _ in range(self.failures + 1):
                        if trial["state"] == "ended":
                            break
                        cluster.trial = trial
                        try:
                            self.trainable({"task": trial["task"]})
                        except RayError as error:
                            trial["state"] = error
                        except Exception as error:
                            trial["state"] = RayTaskError(str(error))
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
