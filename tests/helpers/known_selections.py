"""Workers whose candidates have known errors, and records for them: a whole selection without any training."""

from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np

from gan.config import PRESETS
from gan.saving import files
from gan.selection.cost import CandidateCost, MeasuredCosts
from gan.selection.decision import choose, fix_order, with_costs
from gan.selection.looks import SampleLook
from gan.selection.record import CandidateRecord, SelectionOptions, SelectionRecord
from gan.selection.search import measure_finished, plan_search, search
from gan.selection.trial import Look, TrialResult
from gan.selection.workers import Workers
from gan.tolerance import ErrorRate

NUM = 1_000
"""Samples of a look."""
LENGTHS = {"a": 800, "b": 800, "c": 800, "d": 800, "short": 100}
"""Lengths of runs in images."""
WRONG = {"a": 10, "b": 20, "c": 30, "d": 40, "short": 45}
"""Wrong samples of `NUM`, at any length."""


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
                generator_sha256=write_generator(Path(task.folder), f"{task.name} {images}"),
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


def write_generator(folder, content):
    """Writes a file that stands for a generator into a run folder, and returns its SHA-256."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "generator.keras").write_text(content, encoding="utf-8")
    return files.sha256(folder / "generator.keras")


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


def quiet(line):
    pass


def keep(record):
    return record


def searched(record, workers, folder, save=keep):
    """Returns a record after its search."""
    if record.plan is None:
        record = replace(record, plan=plan_search(record, None, quiet))
    return search(record, folder, workers, save, quiet)


def known(name, images):
    """Returns the wrong samples of a candidate of `LENGTHS`."""
    return WRONG[name]


def costed(record, folder, workers):
    """Returns a record with the costs of its finished candidates."""
    return with_costs(record, measure_finished(record, folder, workers, quiet))


class KnownLook:
    """Looks at generators whose path ends with their name, with known numbers of wrong samples."""

    def __init__(self, wrong):
        self.wrong, self.asked = wrong, []
        self.reference = type("Reference", (), {"features": np.zeros((10, 1)), "real_coverage": 0.9})

    def measure(self, generator, *, num, seed):
        self.asked.append((generator.parent.name, num, seed))
        return self.wrong[generator.parent.name], num, 0.9

    def real_rate(self, generator):
        return ErrorRate(0, 10_000)


def decided(tmp_path, monkeypatch, wrong, record=None):
    """Tests the candidates a, b and c, or those of a record. Returns (record, its look, records that were saved)."""
    workers = KnownWorkers(known)
    if record is None:
        record = searched(record_of({"a": 800, "b": 700, "c": 600}), workers, tmp_path)
        record = fix_order(costed(record, tmp_path, workers), quiet)
    look = KnownLook(wrong)
    monkeypatch.setattr(SampleLook, "of", lambda *arguments: look)
    data = type("Data", (), {"test": None, "validation": None})
    saved = []
    record = choose(record, tmp_path, data, lambda changed: saved.append(changed) or changed, quiet)
    return record, look, saved
