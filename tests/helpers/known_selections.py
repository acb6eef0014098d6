"""Workers whose candidates have known errors, and records for them: a whole selection without any training."""

from dataclasses import replace
from random import Random

from gan.config import PRESETS
from gan.selection.cost import CandidateCost, MeasuredCosts
from gan.selection.record import CandidateRecord, SelectionOptions, SelectionRecord
from gan.selection.trial import Look, TrialResult
from gan.selection.workers import Workers

NUM = 1_000
"""Samples of a look."""


class KnownWorkers(Workers):
    """Trials whose error is a known function of (candidate, images), in a random order of their ends.

    Args:
        error: function (name, images) -> wrong samples of `NUM`. An exception instead of a number is raised.
        seed: seed of the order.
        coverage: {name: coverage}; others have that of real images.
    """

    def __init__(self, error, *, seed=0, coverage=None):
        self.error, self.coverage = error, coverage or {}
        self.asked, self.timed = [], []
        self._random = Random(seed)

    def run_trials(self, tasks):
        tasks = list(tasks)
        self._random.shuffle(tasks)
        for task in tasks:
            self.asked.append((task.name, task.intervals))
            options = task.config.optimization
            images = min(options.images, task.intervals * task.config.eval_every)
            wrong = self.error(task.name, images)
            if isinstance(wrong, str):
                yield task, TrialResult(failure=wrong)
                continue
            if isinstance(wrong, BaseException):
                raise wrong
            look = Look(
                images=images,
                wrong=wrong,
                num=NUM,
                coverage=self.coverage.get(task.name, 0.9),
                real_coverage=0.9,
                generator_sha256="0" * 64,
            )
            yield task, TrialResult(look=look)

    def measure_costs(self, task):
        self.timed.append(task)
        costs = {run.name: float(run.images) for run in task.runs}
        return MeasuredCosts(
            costs={name: CandidateCost(value=cost, lowest=cost, highest=cost) for name, cost in costs.items()},
            failures={},
            machine="known",
        )


def record_of(lengths, *, tolerance=0.05, budget="1e9", num=2_000, **options):
    """Returns the record of a selection that begins, for {name: length of the run in images}."""
    config = PRESETS["mnist"]
    candidates = []
    for name, images in lengths.items():
        changed = replace(config.optimization, images=images, batch_size=1)
        own = replace(config, optimization=changed)
        candidates.append(CandidateRecord(name=name, preset="mnist", config=own, images=images, run=f"trials/{name}"))
    asked = SelectionOptions(tolerance=tolerance, budget=budget, **options)
    return SelectionRecord(options=asked, dataset="mnist", candidates=tuple(candidates), num=num)
