"""python -m benchmarks recipes: presets side by side, trained on the same number of images."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.benchmark import Benchmark, Log, Record, provenance
from benchmarks.runs import (
    LEAST,
    NUMBERS,
    Trial,
    check_presets,
    check_seeds,
    describe_run,
    judge_for,
    real_cells,
    run_trial,
    sizes_of,
    unwatched,
)
from benchmarks.summary import Spread, Table, format_spread
from gan.config import PRESETS, TrainConfig
from gan.errors import check_whole
from gan.saving import models
from gan.saving.known_images import check_card
from gan.utils import tensorflow as runtime

if TYPE_CHECKING:
    from benchmarks.plot import Figure


_COSTS = {"seconds": ",.0f", "compile_seconds": ".0f", "images_per_second": ",.0f"}
"""Formats of the costs of a run, in the order of the columns."""


@dataclass(frozen=True)
class Recipes(Benchmark):
    """Train presets on the same number of images, and evaluate each on test images.

    All presets are trained with the first seed, then all with the next. Finished and failed runs are saved in --out.
    The same command resumes an interrupted benchmark. Presets and seeds may be added; other options need another
    folder.
    """

    presets: tuple[str, ...] = tuple(name for name, config in PRESETS.items() if config.data.dataset == "mnist")
    """Presets (see `gan presets`)."""
    images: int = 120_000
    """Length of each run, in real images seen by D."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds. Each preset is trained once per seed."""
    dataset: str = "mnist"
    """Dataset of all runs, instead of the dataset of each preset."""
    num: int = 10_000
    """Samples to evaluate for each generator, and number of test images."""
    classifier: str = "mnist-classifier"
    """Classifier for the evaluation: folder or pretrained name."""
    out: Path = Path("benchmarks/results/recipes")
    """Folder for results.json, table.md, plot.png, samples and run folders."""

    name: ClassVar[str] = "recipes"

    def check(self) -> None:
        check_presets(self.presets)
        check_seeds(self.seeds)
        check_whole("images", self.images, 1)
        check_whole("num", self.num, LEAST)
        _, card = models.find_classifier(self.classifier)
        check_card(self.dataset, card)

    def settings(self) -> Mapping[str, Any]:
        _, card = models.find_classifier(self.classifier)
        return {
            "dataset": self.dataset,
            "images": self.images,
            "num": self.num,
            "classifier_sha256": card.sha256,
        }

    def measure(self, record: Record, log: Log) -> None:
        from gan.data.load import load_dataset

        planned = [Trial(f"{preset}-{seed}", preset, self._config(preset, seed)) for seed in self.seeds
                   for preset in self.presets]  # fmt: skip
        missing = [trial for trial in planned if not trial.is_in(record)]
        log(f"{len(planned)} runs; {len(planned) - len(missing)} already recorded in {record.path}")
        if not missing:
            return
        runtime.start()
        dataset = load_dataset(self.dataset, fallback="none")
        sizes = sizes_of(missing, dataset)
        judge = judge_for(record, dataset, self.classifier, self.num)
        for number, trial in enumerate(missing, 1):
            log(f"{trial.key}: run {number} of {len(missing)}")
            common = {"preset": trial.preset, "seed": trial.config.seed, **sizes[trial.key]}
            record.add(trial.key, trial.identity, {**common, **run_trial(trial, self.out, judge)})
            log(f"{trial.key}: {describe_run(record.content['runs'][trial.key])}")

    def _config(self, preset: str, seed: int) -> TrainConfig:
        return unwatched(PRESETS[preset], dataset=self.dataset, seed=seed, images=self.images, eval_every=self.images)

    def table(self, content: Mapping[str, Any]) -> Table:
        by_preset = {preset: _of(content, preset) for preset in _sorted(content)}
        columns = ["preset", "n", "Frechet distance", "in floors", "precision", "recall", "coverage", "errors (%)",
                   "seconds", "compilation (s)", "images/s", "G weights", "D weights"]  # fmt: skip
        rows = [
            [
                preset,
                f"{sum('failed' not in run for run in runs)}" + (f" of {len(runs)}" if _failed(runs) else ""),
                *(format_spread((run.get(name) for run in runs), form) for name, form in NUMBERS.items()),
                format_spread((run.get("error_rate") for run in runs), ".2f", scale=100),
                *(format_spread((run.get(name) for run in runs), form) for name, form in _COSTS.items()),
                *(f"{runs[0][f'{network}_parameters']:,}" for network in ("generator", "discriminator")),
            ]
            for preset, runs in by_preset.items()
        ]
        errors = f"{100 * content['facts']['real']['error_rate']:.2f}"
        rows.append(["real images", *real_cells(content), errors, *["-"] * 5])
        settings = content["settings"]
        return Table(
            f"Presets after {settings['images']:,} images of {settings['dataset']}, evaluated with {settings['num']:,} "
            "samples and the same number of test images: median (minimum to maximum) of n seeds.",
            columns,
            rows,
            [
                "Real images: the Frechet distance is the floor, measured with training images (mean ± standard "
                "deviation of n draws). The other numbers use validation images. Errors: samples that are not read as "
                "the requested class; `-` without classes. Seconds: training, including compilation. Images/s: without "
                "compilation.",
                *(f"Failed: {key}: {run['failed']}" for key, run in content["runs"].items() if "failed" in run),
                "",
                *provenance(content),
            ],
        )

    def figure(self, content: Mapping[str, Any]) -> "Figure":
        from benchmarks.plot import scatter

        points = {
            preset: [(run["seconds"], run["frechet_distance"]) for run in _of(content, preset) if "failed" not in run]
            for preset in _sorted(content)
        }
        return scatter(
            points,
            x="seconds of training",
            y=f"Frechet distance, {content['settings']['num']:,} samples",
            title=f"Presets after {content['settings']['images']:,} images",
            line=("real images", content["facts"]["floor"]["mean"]),
        )


def _of(content: Mapping[str, Any], preset: str) -> list[dict[str, Any]]:
    return [run for run in content["runs"].values() if run["preset"] == preset]


def _failed(runs: list[dict[str, Any]]) -> bool:
    return any("failed" in run for run in runs)


def _sorted(content: Mapping[str, Any]) -> list[str]:
    """Sorts presets by their median Frechet distance. Presets without a distance come last."""
    presets = dict.fromkeys(run["preset"] for run in content["runs"].values())
    spreads = {preset: Spread.of(run.get("frechet_distance") for run in _of(content, preset)) for preset in presets}
    return sorted(presets, key=lambda preset: spread.median if (spread := spreads[preset]) else float("inf"))
