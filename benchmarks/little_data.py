"""python -m benchmarks little-data: augmentation of D's images against the number of training images."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from benchmarks import runs
from benchmarks.benchmark import Benchmark, Log, Record, provenance
from benchmarks.summary import Table, format_spread
from gan.config import PRESETS
from gan.config.arguments import as_arguments
from gan.config.model import Augmentation, ModelConfig
from gan.errors import InputError, TrainingError, check, check_whole
from gan.saving import files, log_file, metadata, run_folder

if TYPE_CHECKING:
    from benchmarks.plot import Figure
    from gan.data.dataset import Dataset

OPERATIONS: tuple[Augmentation, ...] = ("flip", "integer_translation", "scale", "color")
"""Operations of the adaptive rows: invertible in distribution below a probability of .8."""

METHODS: Mapping[str, Callable[[ModelConfig], ModelConfig]] = MappingProxyType(
    {
        "none": lambda plain: plain,
        "DiffAugment": lambda plain: replace(plain, augment=("brightness", "contrast", "translation", "cutout")),
        "ADA": lambda plain: replace(plain, augment=OPERATIONS, augment_probability="ada"),
    }
)
"""Name -> change of a configuration without augmentation.

DiffAugment (arXiv:2006.10738) applies every operation to every image, ADA (arXiv:2006.06676) with a probability."""

NUMBERS = ("frechet_distance", "kernel_distance", "precision", "recall", "coverage", "pairwise_ssim")
"""Numbers of the samples, and of as many validation images."""

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
                expected = f"at most {len(dataset.train)}"
                raise InputError("Too few training images", expected=expected, received=str(size))
        sizes = [size or len(dataset.train) for size in self.sizes]
        check(len(set(sizes)) == len(sizes), "sizes", "each once, 0 for all images", list(self.sizes))
        known = record.content["facts"].setdefault("training_images_sha256", dataset.fingerprint)
        if known != dataset.fingerprint:
            expected = f"training images with SHA-256 {known[:12]}, or another --out"
            raise InputError("The dataset has changed", expected=expected, received=dataset.fingerprint[:12])
        record.note("training_images_sha256", dataset.fingerprint)
        trials = [trial for trial in self._trials(dataset) if not trial.is_in(record)]
        self._train([trial for trial in trials if not _is_finished(self._folder(trial))], log)
        num = min(self.num, len(dataset.validation), len(dataset.test), *sizes)
        for trial in trials:
            log(f"{trial.key}: {num:,} samples")
            record.add(trial.key, trial.identity, self._evaluate(trial, num))

    def _folder(self, trial: runs.Trial) -> Path:
        return self.out / "runs" / trial.key

    def _trials(self, dataset: "Dataset") -> list[runs.Trial]:
        """Returns the planned runs, smallest data first. Writes the images of each size to a file."""
        found = []
        sizes = sorted(size or len(dataset.train) for size in self.sizes)
        for size in sizes:
            file = self._write(dataset, size)
            for seed in self.seeds if size == sizes[0] else self.seeds[:1]:
                for method, change in METHODS.items():
                    config = runs.unwatched(
                        PRESETS[self.preset], dataset=str(file), seed=seed, images=self.images, eval_every=None
                    )
                    plain = replace(config.model, augment=(), augment_probability=1.0)
                    optimization = replace(config.optimization, loss="non_saturating", penalties=("r1",))
                    config = replace(config, model=change(plain), optimization=optimization)
                    found.append(runs.Trial(f"{method}-{size}-{seed}", self.preset, config))
        return found

    def _write(self, dataset: "Dataset", size: int) -> Path:
        """Writes the first `size` training images of a fixed order, and the other splits. Returns the file."""
        file = self.out / "data" / f"{dataset.title}-{size}.npz"
        if not file.is_file():
            chosen = np.random.default_rng(0).permutation(len(dataset.train))[:size]
            arrays: dict[str, Any] = {}
            splits = {"train": dataset.train.take(chosen), "val": dataset.validation, "test": dataset.test}
            for name, part in splits.items():
                arrays[f"x_{name}"] = part.images
                if part.labels is not None:
                    arrays[f"y_{name}"] = part.labels
            file.parent.mkdir(parents=True, exist_ok=True)
            files.write(file, lambda beside: np.savez_compressed(beside, **arrays))
        return file

    def _train(self, trials: Sequence[runs.Trial], log: Log) -> None:
        """Trains in child processes, `jobs` at the same time. Raises `TrainingError` if one of them fails."""
        waiting, running = list(trials), dict[str, subprocess.Popen[bytes]]()
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
                            raise TrainingError(f"{key}: exit status {process.returncode}, see {key}.log")
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
        with folder.with_name(f"{folder.name}.log").open("ab") as file:
            return subprocess.Popen([sys.executable, "-m", "gan", "train", *words], stdout=file, stderr=file)

    def _evaluate(self, trial: runs.Trial, num: int) -> dict[str, Any]:
        """Returns the numbers of a finished run."""
        from gan import load_dataset, load_generator
        from gan.evaluation.evaluation import EVALUATION_SEED, evaluate_samples
        from gan.evaluation.reference import choose_labels
        from gan.models.adaptive import PROBABILITY
        from gan.sampling.samples import generate

        folder = self._folder(trial)
        record, dataset = metadata.load(folder), load_dataset(trial.config.data.dataset)
        labels = choose_labels(dataset, num, EVALUATION_SEED)
        samples = generate(load_generator(folder), num, seed=EVALUATION_SEED, labels=labels)
        report = evaluate_samples(samples, labels, dataset).report
        probability = [row[PROBABILITY] for row in log_file.rows(folder / run_folder.LOG) if PROBABILITY in row]
        runs.forget()
        return {
            "method": trial.key.split("-")[0],
            "size": len(dataset.train),
            "seed": trial.config.seed,
            "device": record.device,
            "num": report.compared,
            "features": asdict(report.features) if report.features else None,
            "floor": asdict(report.frechet_floor),
            "frechet_in_floors": report.frechet_in_floors,
            **{name: report.metrics[name].value for name in NUMBERS},
            "real": {name: report.metrics[name].real for name in NUMBERS},
            "copied": asdict(report.copied),
            "copied_real": asdict(report.copied_share_real) if report.copied_share_real else None,
            "augment_probability": probability,
        }

    def table(self, content: Mapping[str, Any]) -> Table:
        groups: dict[tuple[int, str], list[Mapping[str, Any]]] = {}
        for run in content["runs"].values():
            groups.setdefault((run["size"], run["method"]), []).append(run)
        rows, unmoved = [], []
        for (size, method), found in sorted(groups.items(), key=lambda item: item[0][0]):
            copied = [run["copied"]["copied_share"] for run in found]
            ends = [run["augment_probability"][-1] for run in found if run["augment_probability"]]
            rows.append(
                [
                    f"{size:,}",
                    method,
                    f"{len(found)}",
                    format_spread((run["frechet_in_floors"] for run in found), ".3g"),
                    *(format_spread((run[name] for run in found), ".3f") for name in ("precision", "recall")),
                    format_spread((run["coverage"] for run in found), ".3f"),
                    format_spread(copied, ".2f"),
                    format_spread(ends, ".2f") if ends else "-",
                ]
            )
            unmoved += [f"{method}, {size:,}, seed {run['seed']}" for run in found
                        if run["augment_probability"] and max(run["augment_probability"]) == 0.0]  # fmt: skip
        first = next(iter(content["runs"].values()))
        real = first["real"]
        shares = [f"{real[name]:.3f}" for name in ("precision", "recall", "coverage")]
        rows.append(["-", "real images", "1", "1", *shares, "-", "-"])
        settings, devices = content["settings"], sorted({run["device"] for run in content["runs"].values()})
        return Table(
            f"Samples after {settings['images']:,} images of {settings['dataset']}, by the number of training images: "
            "median (minimum to maximum) of n seeds.",
            ["images", "augmentation", "n", "Frechet / floor", "precision", "recall", "coverage", "copied", "p"],
            rows,
            [
                f"{first['num']:,} samples against as many test images, features of the network "
                f"`{first['features']['name']}` (SHA-256 {first['features']['sha256'][:12]}). p: probability "
                "of ADA in the last interval.",
                "Copied: share of samples that copy training images; below 0 if samples are farther from them than "
                "held-out images are. It is not known with fewer training images than held-out ones.",
                *(f"p never left 0: {name}." for name in unmoved),
                f"Trained on {', '.join(devices)}.",
                "",
                *provenance(content),
            ],
        )

    def figure(self, content: Mapping[str, Any]) -> "Figure":
        from benchmarks.plot import Panel, panels

        distance: dict[str, list[tuple[float, float]]] = {}
        probability: dict[str, list[tuple[float, float]]] = {}
        for run in content["runs"].values():
            distance.setdefault(run["method"], []).append((run["size"], run["frechet_in_floors"]))
            values = run["augment_probability"]
            if values:
                each = content["settings"]["images"] / len(values)
                name = f"{run['size']:,} images, seed {run['seed']}"
                probability[name] = [((number + 1) * each, value) for number, value in enumerate(values)]
        shown = [Panel("training images", "Frechet / floor", distance, log=True)]
        if probability:
            shown.append(Panel("images seen by D", "probability of ADA", probability))
        return panels(shown, title=f"Little data: {content['settings']['dataset']}")


def _is_finished(folder: Path) -> bool:
    """Returns whether a run reached its length."""
    return (folder / run_folder.CONFIG).is_file() and metadata.load(folder).is_finished
