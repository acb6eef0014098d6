"""python -m benchmarks little-data: augmentation of D's images against the number of training images."""

import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from benchmarks import runs
from benchmarks.benchmark import Benchmark, Log, Record, provenance
from benchmarks.summary import Table, format_spread
from gan.config import PRESETS, TrainConfig
from gan.config.arguments import as_arguments
from gan.errors import InputError, check, check_whole
from gan.saving import metadata, run_folder

if TYPE_CHECKING:
    from benchmarks.plot import Figure
    from gan.data.dataset import Dataset

OPERATIONS = ("flip", "integer_translation", "scale", "color")
"""Operations of the adaptive rows: invertible in distribution below a probability of .8."""

METHODS: Mapping[str, dict[str, Any]] = MappingProxyType(
    {
        "none": {},
        "DiffAugment": {"augment": ("brightness", "contrast", "translation", "cutout")},
        "ADA": {"augment": OPERATIONS, "augment_probability": "ada"},
    }
)
"""Name -> options of the networks. DiffAugment: arXiv:2006.10738, every operation on every image. ADA:
arXiv:2006.06676."""

LOSS = {"loss": "non_saturating", "penalties": ("r1",)}
"""Loss and penalty of all rows. ADA needs a loss with a boundary between real and fake, which the preset's has not."""

ALL = 0
"""Stands for all training images."""


@dataclass(frozen=True)
class LittleData(Benchmark):
    """Train with no augmentation, DiffAugment and ADA on few and many images, and compare the samples with unseen ones.

    Each training uses the first N images of a fixed order of the training split; validation and test images are always
    the same. The numbers need no classifier. Finished runs are saved in --out; sizes and seeds may be added.
    """

    preset: str = "emoji"
    """Preset whose networks and rates are used, with the loss non_saturating and the penalty r1."""
    dataset: str | None = None
    """Dataset instead of that of the preset: a name, a folder or a file."""
    sizes: tuple[int, ...] = (500, 2_000, ALL)
    """Numbers of training images; 0 stands for all."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of the smallest size. Other sizes have the first seed only."""
    images: int = 300_000
    """Length of each run, in real images that D sees."""
    jobs: int = 1
    """Trainings at the same time, each in a process of its own. On a GPU, several are faster; on a CPU, use 1."""
    num: int = 10_000
    """Most samples of an evaluation. The smallest split may allow fewer."""
    out: Path = Path("benchmarks/results/little-data")
    """Folder for results.json, table.md, plot.png, samples, data and run folders."""

    name: ClassVar[str] = "little-data"

    def check(self) -> None:
        runs.check_presets((self.preset,))
        runs.check_seeds(self.seeds)
        check(0 < len(set(self.sizes)) == len(self.sizes), "sizes", "at least one, each once", list(self.sizes))
        for size in self.sizes:
            check_whole("sizes", size, 0)
        check_whole("images", self.images, 1)
        check_whole("jobs", self.jobs, 1)
        check_whole("num", self.num, 2)

    def settings(self) -> Mapping[str, Any]:
        return {"preset": self.preset, "dataset": self.dataset or PRESETS[self.preset].data.dataset,
                "images": self.images, "num": self.num}  # fmt: skip

    def measure(self, record: Record, log: Log) -> None:
        from gan.data.load import load_dataset
        from gan.utils import tensorflow as runtime

        runtime.start()
        config = PRESETS[self.preset]
        dataset = load_dataset(self.dataset or config.data.dataset, fallback="none", **config.data.loading)
        for size in self.sizes:
            if size > len(dataset.train):
                raise InputError("Too few training images", expected=f"at most {len(dataset.train)}", received=str(size))
        trials = [trial for trial in self._trials(dataset) if not trial.is_in(record)]
        self._train([trial for trial in trials if not _is_finished(self._folder(trial))], log)
        for trial in trials:
            log(f"{trial.key}: evaluating")
            record.add(trial.key, trial.identity, self._evaluate(trial, dataset))

    def _folder(self, trial: runs.Trial) -> Path:
        return self.out / "runs" / trial.key

    def _trials(self, dataset: "Dataset") -> list[runs.Trial]:
        """Returns the planned runs, smallest data first. Writes the images of each size to a file."""
        found, smallest = [], min(self.sizes, key=lambda size: size or len(dataset.train))
        for size in sorted(self.sizes, key=lambda size: size or len(dataset.train)):
            file = self._write(dataset, size or len(dataset.train))
            for seed in self.seeds if size == smallest else self.seeds[:1]:
                for method, options in METHODS.items():
                    config = runs.unwatched(
                        PRESETS[self.preset], dataset=str(file), seed=seed, images=self.images, eval_every=None
                    )
                    config = replace(
                        config,
                        model=replace(config.model, **{"augment": (), "augment_probability": 1.0, **options}),
                        optimization=replace(config.optimization, **LOSS),
                    )
                    found.append(runs.Trial(f"{method}-{size or len(dataset.train)}-{seed}", self.preset, config))
        return found

    def _write(self, dataset: "Dataset", size: int) -> Path:
        """Writes the first `size` training images of a fixed order, and the other splits. Returns the file."""
        chosen = np.random.default_rng(0).permutation(len(dataset.train))[:size]
        file = self.out / "data" / f"{dataset.title}-{size}.npz"
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            arrays = {}
            for split, part in (("train", dataset.train.take(chosen)), ("val", dataset.validation), ("test", dataset.test)):
                arrays[f"x_{split}"] = part.images
                if part.labels is not None:
                    arrays[f"y_{split}"] = part.labels
            np.savez_compressed(file, **arrays)
        return file

    def _train(self, trials: list[runs.Trial], log: Log) -> None:
        """Trains in child processes, `jobs` at the same time."""
        waiting, running = list(trials), {}
        try:
            while waiting or running:
                while waiting and len(running) < self.jobs:
                    trial = waiting.pop(0)
                    log(f"{trial.key}: training on {trial.config.data.dataset}")
                    running[trial.key] = self._start(trial)
                time.sleep(0.2)
                for key, process in list(running.items()):
                    if process.poll() is not None:
                        del running[key]
                        if process.returncode:
                            raise InputError("A training failed", expected="exit status 0",
                                             received=f"{key}: {process.returncode}")  # fmt: skip
        finally:
            for process in running.values():
                process.terminate()
                process.wait()

    def _start(self, trial: runs.Trial) -> subprocess.Popen[bytes]:
        folder = self._folder(trial)
        folder.parent.mkdir(parents=True, exist_ok=True)
        words = ["--resume", str(folder)]
        if not (folder / run_folder.CONFIG).is_file():
            words = [trial.preset, *as_arguments(trial.config, PRESETS[trial.preset]), "--output", str(folder)]
        with folder.with_suffix(".log").open("ab") as file:
            return subprocess.Popen([sys.executable, "-m", "gan", "train", *words], stdout=file, stderr=file)

    def _evaluate(self, trial: runs.Trial, dataset: "Dataset") -> dict[str, Any]:
        raise NotImplementedError

    def table(self, content: Mapping[str, Any]) -> Table:
        raise NotImplementedError

    def figure(self, content: Mapping[str, Any]) -> "Figure":
        raise NotImplementedError


def _is_finished(folder: Path) -> bool:
    """Returns whether a run reached its length."""
    if not (folder / run_folder.CONFIG).is_file():
        return False
    record = metadata.load(folder)
    return record.is_finished
