"""Measures what candidates cost, each alone on the machine, in rounds in which all of them take turns."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gan import sampling
from gan.config import TrainConfig
from gan.data.dataset import Dataset
from gan.distributed.devices import start
from gan.errors import InputError, TrainingError
from gan.models.build import log_nothing
from gan.models.networks.load import load_generator
from gan.sampling.generators import as_engine
from gan.selection.cost import CandidateCost, CostName, CostTask, MeasuredCosts, TimedRun
from gan.training.callbacks import FiniteLosses
from gan.training.loop import Schedule, fit_intervals
from gan.training.setup import load_data, prepare_training
from gan.utils import machine

BATCH = 64
"""Samples in a batch whose time is measured."""

TURN_SECONDS = 1.5
"""Least duration of a turn of training. A turn is a whole number of graph calls."""

SAMPLED_SECONDS = 0.3
"""Least duration of a turn of sampling."""


def measure_costs(task: CostTask) -> MeasuredCosts:
    """Measures the cost of candidates in this process.

    `train_seconds` is the duration of the whole run, without the measurements and files after its intervals: the
    seconds until the end of the first graph call, and the seconds of an image times the images after it. The latter are
    the median of the rounds.

    Raises `InputError` for data that is not available.
    """
    measured = _MEASURES[task.cost](task)
    return replace(measured, machine=machine.processor())


def _counted(count: Callable[[Path], int]) -> Callable[[CostTask], MeasuredCosts]:
    def measure(task: CostTask) -> MeasuredCosts:
        found = {run.name: float(count(_generator(run))) for run in task.runs}
        costs = {name: CandidateCost(value=value, lowest=value, highest=value) for name, value in found.items()}
        return MeasuredCosts(costs=costs, failures={}, machine="")

    return measure


def _generator(run: TimedRun) -> Path:
    if run.generator is None:
        raise InputError("This cost is that of a trained generator", expected="a generator", received=run.name)
    return Path(run.generator)


def count_parameters(generator: Path) -> int:
    """Returns the number of parameters of a saved generator."""
    return int(load_generator(str(generator)).count_params())


def _count_bytes(generator: Path) -> int:
    return generator.stat().st_size


def _time_sampling(task: CostTask) -> MeasuredCosts:
    """Times batches of `BATCH` samples."""
    engines = {run.name: as_engine(_generator(run)) for run in task.runs}
    inputs = {}
    for name, engine in engines.items():
        labels = None if not engine.num_classes else (np.arange(BATCH) % engine.num_classes).astype(np.int32)
        inputs[name] = sampling.latents(0, np.arange(BATCH), engine.latent_dim), labels
        engine(*inputs[name])
    rounds: dict[str, list[float]] = {name: [] for name in engines}
    for number in range(task.rounds):
        for name in _turns(list(engines), number):
            engines[name](*inputs[name])  # another one had the caches of the CPU before
            took: list[float] = []
            while sum(took) < SAMPLED_SECONDS:
                began = time.perf_counter()
                engines[name](*inputs[name])
                took.append(time.perf_counter() - began)
            rounds[name].append(1e3 * float(np.median(took)))
    return MeasuredCosts(costs={name: _cost(found) for name, found in rounds.items()}, failures={}, machine="")


def _cost(rounds: Sequence[float], *, start: float = 0.0, times: float = 1.0) -> CandidateCost:
    values = [start + times * one for one in rounds]
    return CandidateCost(
        value=float(np.median(values)), lowest=min(values), highest=max(values), rounds=len(values), start=start
    )


def _turns(names: Sequence[str], number: int) -> Sequence[str]:
    """Returns who takes turns in a round, in an order that is reversed from round to round."""
    return names[:: -1 if number % 2 else 1]


class _TimedTraining:
    """A candidate's compiled GAN, whose train steps are timed.

    `start` is the duration in seconds until the end of the first graph call, which compiles the train step, and
    `first_images` the number of images of that call.
    """

    def __init__(self, config: TrainConfig, dataset: Dataset) -> None:
        config = replace(config, stopping=replace(config.stopping, probe="none"))
        self._dataset = dataset
        began = time.perf_counter()
        devices = start(seed=config.seed, deterministic=config.deterministic, log=log_nothing)
        setup = prepare_training(config, self._dataset, devices, log_nothing)
        self._gan, self._seed, self._step = setup.gan, config.seed, 0
        self._images_per_step = setup.schedule.images_per_step
        self._call = config.optimization.steps_per_execution
        self._fit(self._call)
        self.start, self.first_images = time.perf_counter() - began, self._call * self._images_per_step
        began = time.perf_counter()
        self._fit(self._call)
        self._turn = self._call * max(1, math.ceil(TURN_SECONDS / (time.perf_counter() - began)))

    def seconds_per_image(self) -> float:
        """Trains for a turn, and returns its duration for each image."""
        began = time.perf_counter()
        self._fit(self._turn)
        return (time.perf_counter() - began) / (self._turn * self._images_per_step)

    def _fit(self, steps: int) -> None:
        end = self._step + steps
        schedule = Schedule(end, steps, self._images_per_step)
        fit_intervals(self._gan, self._dataset, [FiniteLosses()], schedule, seed=self._seed, first_step=self._step)
        self._step = end


def _time_training(task: CostTask) -> MeasuredCosts:
    costs: dict[str, CandidateCost] = {}
    failures: dict[str, str] = {}
    trainings: dict[str, _TimedTraining] = {}
    for run in task.runs:
        if run.config is None:
            raise InputError("This cost is that of a training", expected="a candidate with options", received=run.name)
        dataset = load_data(run.config.data)
        try:
            trainings[run.name] = _TimedTraining(run.config, dataset)
        except (InputError, TrainingError) as error:  # of this candidate alone
            failures[run.name] = str(error)
    rounds: dict[str, list[float]] = {name: [] for name in trainings}
    for number in range(task.rounds):
        for name in _turns(list(trainings), number):
            rounds[name].append(trainings[name].seconds_per_image())
    for run in task.runs:
        if run.name in trainings:
            timed = trainings[run.name]
            left = max(0, run.images - timed.first_images)
            costs[run.name] = _cost(rounds[run.name], start=timed.start, times=left)
    return MeasuredCosts(costs=costs, failures=failures, machine="")


_MEASURES: dict[CostName, Callable[[CostTask], MeasuredCosts]] = {
    "train_seconds": _time_training,
    "price": _time_training,
    "parameters": _counted(count_parameters),
    "bytes": _counted(_count_bytes),
    "milliseconds": _time_sampling,
}
"""Name of a cost -> what measures it. A price is the duration times a price, see `MeasuredCosts.priced`."""
