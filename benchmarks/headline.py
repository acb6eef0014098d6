"""python -m benchmarks headline: quality and training time of presets at their full length."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks import machine
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
from benchmarks.summary import Table, format_spread
from gan.config import PRESETS, TrainConfig
from gan.errors import LARGEST, check_positive, check_whole
from gan.saving import models
from gan.saving.known_images import check_card
from gan.utils import tensorflow as runtime

if TYPE_CHECKING:
    from benchmarks.plot import Figure
YARDSTICK = "tf-tutorial"


@dataclass(frozen=True)
class Headline(Benchmark):
    """Train presets at their full length, and evaluate each once on test images. Compare times with a yardstick.

    For each seed, one process first trains TensorFlow's tutorial for --epochs (the yardstick), then each preset.
    Seconds depend on the machine; their ratio depends on it much less. Finished runs are saved in --out. The same
    command resumes an interrupted benchmark with a new yardstick; presets and seeds may be added.
    """

    presets: tuple[str, ...] = ("mnist-sprint", "mnist", "mnist-best")
    """Presets (see `gan presets`)."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds. Each preset is trained once per seed."""
    epochs: float = 1.0
    """Length of the yardstick, the preset tf-tutorial, in passes over the training images."""
    dataset: str = "mnist"
    """Dataset of all runs, instead of the dataset of each preset."""
    num: int = 10_000
    """Samples to evaluate for each generator, and number of test images."""
    classifier: str = "mnist-classifier"
    """Classifier for the evaluation: folder or pretrained name."""
    out: Path = Path("benchmarks/results/headline")
    """Folder for results.json, table.md, plot.png, samples and run folders."""

    name: ClassVar[str] = "headline"

    def check(self) -> None:
        check_presets(self.presets)
        check_seeds(self.seeds)
        check_positive("epochs", self.epochs)
        check_whole("num", self.num, LEAST)
        _, card = models.find_classifier(self.classifier)
        check_card(self.dataset, card)

    def settings(self) -> Mapping[str, Any]:
        _, card = models.find_classifier(self.classifier)
        return {
            "dataset": self.dataset,
            "epochs": self.epochs,
            "num": self.num,
            "classifier_sha256": card.sha256,
        }

    def measure(self, record: Record, log: Log) -> None:
        from gan.data.load import load_dataset

        planned = {seed: [self._trial(preset, seed) for preset in self.presets] for seed in self.seeds}
        missing = {seed: [trial for trial in each if not trial.is_in(record)] for seed, each in planned.items()}
        count = sum(map(len, missing.values()))
        log(f"{sum(map(len, planned.values()))} runs; {count} not recorded yet, yardsticks not counted")
        if not count:
            return
        runtime.start()
        dataset = load_dataset(self.dataset, fallback="none")
        session = len(record.content["sessions"]) - 1
        yardsticks = {seed: self._yardstick(seed, session) for seed, each in missing.items() if each}
        sizes = sizes_of([*yardsticks.values(), *(trial for each in missing.values() for trial in each)], dataset)
        judge = judge_for(record, dataset, self.classifier, self.num)
        for seed, yardstick in yardsticks.items():
            for trial in (yardstick, *missing[seed]):
                log(f"{trial.key}: training {trial.preset}")
                alone = trial is yardstick
                found = {"preset": None if alone else trial.preset, "seed": seed, **sizes[trial.key],
                         **run_trial(trial, self.out, None if alone else judge)}  # fmt: skip
                more = {"import_seconds": _import_seconds()} if alone else {"yardstick": yardstick.key}
                record.add(trial.key, trial.identity, {**found, **more})
                log(f"{trial.key}: {describe_run(record.content['runs'][trial.key])}")

    def _trial(self, preset: str, seed: int) -> Trial:
        return self._of(f"{preset}-{seed}", preset, PRESETS[preset], seed)

    def _yardstick(self, seed: int, session: int) -> Trial:
        """Returns the yardstick of a seed in this process. Others may have run on another machine or under load."""
        config = PRESETS[YARDSTICK]
        short = replace(config, optimization=replace(config.optimization, epochs=self.epochs, steps=None))
        return self._of(f"yardstick-{session}-{seed}", YARDSTICK, short, seed)

    def _of(self, key: str, preset: str, config: TrainConfig, seed: int) -> Trial:
        """Returns a trial with one interval only, so that files written between intervals do not count as time."""
        return Trial(key, preset, unwatched(config, dataset=self.dataset, seed=seed, images=None, eval_every=LARGEST))

    def table(self, content: Mapping[str, Any]) -> Table:
        settings, runs = content["settings"], content["runs"]
        columns = ["run", "n", "Frechet distance", "in floors", "precision", "recall", "coverage", "correct class (%)",
                   "training (s)", "relative to yardstick", "compilation (s)", "images", "images/s"]  # fmt: skip
        rows = [
            _row(preset, [run for run in runs.values() if run["preset"] == preset], runs)
            for preset in dict.fromkeys(run["preset"] for run in runs.values() if run["preset"] is not None)
        ]
        yardsticks = [run for run in runs.values() if run["preset"] is None]
        length = f"{settings['epochs']:g} epoch{'' if settings['epochs'] == 1 else 's'}"
        rows.append(_row(f"yardstick: {length} of {YARDSTICK}", yardsticks, runs))
        imports = format_spread((yardstick["import_seconds"] for yardstick in yardsticks), ".1f")
        as_asked = f"{100 * (1 - content['facts']['real']['error_rate']):.2f}"
        rows.append(["real images", *real_cells(content), as_asked, *["-"] * 5])
        return Table(
            f"Presets at their full length on {settings['dataset']}, evaluated once with {settings['num']:,} samples "
            "and the same number of test images: median (minimum to maximum) of n seeds.",
            columns,
            rows,
            [
                "Real images: the Frechet distance is the floor, measured with training images (mean ± standard "
                "deviation of n draws). The other numbers use validation images. Correct class: samples that are read "
                "as the requested class; `-` without classes. Training: time of all images at the speed after the "
                "first execution. Compilation: the remaining time. Relative to yardstick: training time divided by "
                "the time of the yardstick of the same seed in the same process.",
                f"Importing the training code, including TensorFlow: {imports} s.",
                f"Evaluated by the classifier {settings['classifier_sha256']}.",
                *(f"Failed: {key}: {run['failed']}" for key, run in runs.items() if "failed" in run),
                "",
                *provenance(content),
            ],
        )

    def figure(self, content: Mapping[str, Any]) -> "Figure":
        from benchmarks.plot import scatter

        points: dict[str, list[tuple[float, float]]] = {}
        for run in content["runs"].values():
            if run["preset"] is not None and run.get("training_seconds") is not None:
                points.setdefault(run["preset"], []).append((run["training_seconds"], run["frechet_in_floors"]))
        return scatter(
            points,
            x="seconds of training",
            y="Frechet distance, in floors",
            title="Presets at their full length",
            line=("real images", 1.0),
        )


def _import_seconds() -> float:
    """Returns the wall time of a Python process that only imports the training code, in seconds."""
    return round(machine.run_python("-c", "import gan.training.train").seconds, 3)


def ratio_of(run: Mapping[str, Any], runs: Mapping[str, Mapping[str, Any]]) -> float | None:
    """Returns training time divided by the time of the yardstick. None: one of them is unknown."""
    mine, other = run.get("training_seconds"), runs.get(run.get("yardstick", ""), {}).get("training_seconds")
    return None if mine is None or other is None else mine / other


def _row(name: str, made: list[Any], runs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    known = [run for run in made if "failed" not in run]
    compiling = [run["seconds"] - run["training_seconds"] for run in known if run["training_seconds"] is not None]

    def of(field: str, form: str) -> str:
        return format_spread((run.get(field) for run in known), form)

    right = (None if (errors := run.get("error_rate")) is None else 1 - errors for run in known)
    return [
        name,
        f"{len(known)}" + (f" of {len(made)}" if len(known) < len(made) else ""),
        *(of(field, form) for field, form in NUMBERS.items()),
        format_spread(right, ".2f", scale=100),
        of("training_seconds", ",.1f"),
        format_spread((ratio_of(run, runs) for run in known), ".3f"),
        format_spread(compiling, ".1f"),
        of("images", ",.0f"),
        of("images_per_second", ",.0f"),
    ]
