"""Trials of presets: each trained in a folder of its own, and judged once on test images."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import runs
from benchmarks.judge import Judge
from benchmarks.recipes import LEAST
from benchmarks.record import Record
from gan import checkpoints
from gan.checks import check_whole
from gan.classifier import load_classifier
from gan.config import TrainConfig
from gan.data import Dataset
from gan.errors import TrainingError


@dataclass(frozen=True)
class Trial:
    """A run that is to be made: its key in the record, the preset it is named after, and its configuration."""

    key: str
    preset: str
    config: TrainConfig

    @property
    def identity(self) -> dict[str, Any]:
        """What makes it the same run."""
        return runs.identity(self.config)

    def is_in(self, record: Record) -> bool:
        """Whether it is recorded. Raises `InputError` if it was made with another configuration."""
        return record.has(self.key, self.identity)


def sizes_of(trials: Iterable[Trial], dataset: Dataset) -> dict[str, dict[str, int]]:
    """`runs.parameters` by key: what cannot be trained is refused before anything is."""
    sizes: dict[str, dict[str, int]] = {}
    known: dict[str, dict[str, int]] = {}
    for trial in trials:
        if trial.preset not in known:
            known[trial.preset] = runs.parameters(trial.config, dataset)
        sizes[trial.key] = known[trial.preset]
    runs.forget()
    return sizes


def judge_for(record: Record, dataset: Dataset, extractor: str, num: int) -> Judge:
    """A judge of `num` pictures, whose floor and numbers of real images are noted in the record.

    Raises `InputError` when the data set has too few images.
    """
    check_whole("num", num, LEAST, min(len(dataset.test), len(dataset.validation)))
    judge = Judge.of(dataset, load_classifier(extractor)[0], num=num)
    record.note("floor", judge.floor)
    record.note("real", judge.real)
    return judge


def made(trial: Trial, out: Path, judge: Judge | None) -> dict[str, Any]:
    """Costs and numbers of a trial, or why it failed. Without a judge: what it costs."""
    try:
        run = runs.trained(trial.config, out / "runs" / trial.key, name=trial.preset)
        found = runs.costs(run, trial.config)
        if judge is not None:
            found |= judge.numbers(checkpoints.load_generator(run.folder))
        runs.forget_state(run)
        return {**found, "samples": runs.keep_samples(run, out, trial.key)}
    except TrainingError as error:
        return {"failed": str(error)}
    finally:
        runs.forget()
