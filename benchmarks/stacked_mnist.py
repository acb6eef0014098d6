"""python -m benchmarks stacked-mnist: modes reached by an unconditional GAN, of 1,000."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks import runs
from benchmarks.benchmark import Benchmark, Log, Record, provenance
from benchmarks.summary import Table, format_spread
from gan.config import PRESETS, TrainConfig
from gan.errors import InputError, TrainingError, check_positive, check_whole
from gan.saving import models
from gan.utils import tensorflow as runtime

if TYPE_CHECKING:
    from benchmarks.judge import StackJudge
    from benchmarks.plot import Figure
    from gan.data.dataset import Dataset

DATASET = "stacked-mnist"
LEAST = 1_000
"""Smallest number of samples. Fewer samples than modes cannot reach all modes."""
MEANWHILE = 5_000
"""Samples for the curve over training. The same number of real images reaches 989 modes, with a KL of 0.11."""
REHEARSAL = 3
"""Graph executions of the short run that measures the speed for --minutes."""


@dataclass(frozen=True)
class Published:
    """A row of a table in a paper. Networks, training lengths and classifiers differ between papers."""

    method: str
    modes: float
    kl: float
    source: str


PUBLISHED = (
    Published("DCGAN", 99, 3.40, "arXiv:1705.07761, as quoted by arXiv:1712.04086"),
    Published("WGAN-GP", 959, 0.73, "as quoted by arXiv:2501.05441"),
    Published("PacGAN (2 samples)", 1000, 0.06, "arXiv:1712.04086"),
    Published("R3GAN", 1000, 0.029, "arXiv:2501.05441"),
)
"""Published results on stacked MNIST: modes reached of 1,000, and KL of the samples to the data, in nats."""


@dataclass(frozen=True)
class StackedMnist(Benchmark):
    """Train an unconditional GAN on stacked MNIST (three digits as red, green and blue), and count its 1,000 modes.

    Prints the modes reached and KL(samples || data), next to real images and published results. Finished runs are saved
    in --out. The same command resumes an interrupted benchmark.
    """

    preset: str = "stacked-mnist"
    """An unconditional preset (see `gan presets`)."""
    images: int | None = None
    """Length of each run, in real images seen by D. None: the length of the preset."""
    minutes: float | None = None
    """Length of each run in minutes of training, instead of --images. A short run first measures the speed of this
    machine, so that the learning rate schedule reaches its end."""
    seeds: tuple[int, ...] = (0,)
    """Seeds, one run each."""
    num: int = 26_000
    """Samples to evaluate. Papers use 26,000."""
    checkpoint: str | None = None
    """Evaluate this generator instead of training one: a run folder, a .keras file, or a pretrained name."""
    classifier: str = "mnist-classifier"
    """Classifier that reads the digits: folder or pretrained name."""
    out: Path = Path("benchmarks/results/stacked-mnist")
    """Folder for results.json, table.md, plot.png, samples and run folders."""

    name: ClassVar[str] = "stacked-mnist"

    def check(self) -> None:
        check_whole("num", self.num, LEAST)
        runs.check_seeds(self.seeds)
        if self.images is not None:
            check_whole("images", self.images, 1)
        if self.minutes is not None:
            check_positive("minutes", self.minutes)
        lengths = {name: getattr(self, name) for name in ("images", "minutes", "checkpoint") if getattr(self, name)}
        if len(lengths) > 1:
            expected = "one of images, minutes and checkpoint"
            received = ", ".join(f"{name}={value}" for name, value in lengths.items())
            raise InputError("Options exclude each other", expected=expected, received=received)
        models.find_classifier(self.classifier)
        if self.checkpoint is not None:
            models.find_generator(self.checkpoint)
            return
        runs.check_presets((self.preset,))
        conditioning = PRESETS[self.preset].model.conditioning
        if conditioning != "none":
            raise InputError(
                "The preset must be unconditional",
                expected="conditioning none",
                received=f"{self.preset}: {conditioning}",
            )

    def settings(self) -> Mapping[str, Any]:
        _, card = models.find_classifier(self.classifier)
        return {
            "what": self.preset if self.checkpoint is None else self.checkpoint,
            "images": self.images,
            "minutes": self.minutes,
            "num": self.num,
            "classifier_sha256": card.sha256,
        }

    def measure(self, record: Record, log: Log) -> None:
        from benchmarks.judge import StackJudge, check_stacks, mode_shares
        from gan.data.load import load_dataset
        from gan.evaluation.classifier.extractor import Extractor, load_classifier

        runtime.start()
        dataset = load_dataset(DATASET, fallback="none")
        classifier, _ = load_classifier(self.classifier)
        check_stacks(dataset.image_shape, classifier)
        assert dataset.train.labels is not None
        judge = StackJudge(Extractor(classifier), mode_shares(dataset.train.labels))
        if "real" not in record.content["facts"]:
            log("reading real images")
            for name, numbers in zip(("real", "real_meanwhile"), judge.of_real(dataset.test, self.num, MEANWHILE)):
                record.note(name, numbers)
        if self.checkpoint is not None:
            self._judge_checkpoint(self.checkpoint, judge, dataset, record)
        else:
            self._train(judge, dataset, record, log)

    def _judge_checkpoint(self, checkpoint: str, judge: "StackJudge", dataset: "Dataset", record: Record) -> None:
        from gan import load_generator
        from gan.models.networks import NetworkInputs

        config = {"sha256": models.describe(checkpoint).sha256}
        if record.has(checkpoint, config):
            return
        generator = load_generator(checkpoint)
        received = f"{generator.output_shape[1:]}, {NetworkInputs.of(generator).num_classes} classes"
        expected = f"{dataset.image_shape}, 0 classes"
        if received != expected:
            raise InputError("The generator must produce stacked digits", expected=expected, received=received)
        record.add(checkpoint, config, judge.of_generator(generator, self.num))

    def _train(self, judge: "StackJudge", dataset: "Dataset", record: Record, log: Log) -> None:
        sizes = runs.parameters(self._config(0, 1), dataset)
        images = self._planned(record, log)
        for seed in self.seeds:
            key, config = f"{self.preset}-{seed}", self._config(seed, images)
            if record.has(key, runs.identity(config)):
                log(f"{key} is already recorded in {record.path}")
                continue
            log(f"{key}: {images:,} images")
            try:
                result = self._run(key, config, judge, log)
            except TrainingError as error:
                result = {"failed": str(error)}
            record.add(key, runs.identity(config), {"seed": seed, **sizes, **result})
            runs.forget()

    def _config(self, seed: int, images: int) -> TrainConfig:
        return runs.unwatched(PRESETS[self.preset], dataset=DATASET, seed=seed, images=images, eval_every=None)

    def _planned(self, record: Record, log: Log) -> int:
        """Returns the length of every run of the record, in images."""
        if self.minutes is None:
            return self.images or PRESETS[self.preset].optimization.images
        if "planned_images" not in record.content["facts"]:
            log(f"short run to convert {self.minutes:g} minutes into images")
            options = PRESETS[self.preset].optimization
            short = options.batch_size * options.critic_steps * options.steps_per_execution * REHEARSAL
            with tempfile.TemporaryDirectory() as folder:
                config = self._config(0, short)
                speed = runs.costs(runs.train_run(config, Path(folder) / "run", preset=self.preset), config)
            record.note("planned_images", max(1, round(speed["images_per_second"] * 60 * self.minutes)))
            runs.forget()
        return int(record.content["facts"]["planned_images"])

    def _run(self, key: str, config: TrainConfig, judge: "StackJudge", log: Log) -> dict[str, Any]:
        from benchmarks.judge import ModesOverTraining
        from gan import load_generator

        folder = self.out / "runs" / key
        counter = ModesOverTraining(folder, judge, num=MEANWHILE, log=log)
        run = runs.train_run(config, folder, preset=self.preset, listeners=[counter])
        rows = counter.rows()
        costs = runs.costs(
            run, config, listening=sum(row["seconds"] for row in rows[:-1])
        )  # `seconds` of the run end before the last one
        numbers = judge.of_generator(load_generator(run.folder), self.num)
        runs.forget_state(run)
        return {
            **costs,
            **numbers,
            "over_training": rows,
            "samples": runs.keep_samples(run, self.out, key),
        }

    def table(self, content: Mapping[str, Any]) -> Table:
        runs = list(content["runs"].values())
        known = [run for run in runs if "failed" not in run]
        real = content["facts"]["real"]
        settings = content["settings"]
        failed = [f"Failed: {key}: {run['failed']}" for key, run in content["runs"].items() if "failed" in run]
        return Table(
            f"Modes of stacked MNIST, of 1,000, in {settings['num']:,} samples: median (minimum to maximum) of n.",
            ["generator", "n", "modes", "KL (nats)", "KL to uniform", "confident (%)", "images", "minutes", "source"],
            [
                [
                    settings["what"],
                    f"{len(known)}",
                    *_cells(known),
                    _of(known, "images", ",.0f"),
                    _of(known, "seconds", ".1f", 1 / 60),
                    "here",
                ],
                ["real images", "1", *_cells([real]), "-", "-", "here"],
                *(
                    [line.method, "-", f"{line.modes:,g}", f"{line.kl:g}", "-", "-", "-", "-", line.source]
                    for line in PUBLISHED
                ),
            ],
            [
                "KL: from the modes of the samples to the modes of the data. A classifier reads the digits of the "
                "channels. Real images do not reach 0, since the classifier makes errors and the number of samples is "
                "finite. Confident: all three digits read with a probability of at least 0.9. Published numbers use "
                "other networks, classifiers and lengths.",
                *failed,
                "",
                *provenance(content),
            ],
        )

    def figure(self, content: Mapping[str, Any]) -> "Figure":
        from benchmarks.plot import Panel, panels

        known = {key: run for key, run in content["runs"].items() if "failed" not in run}
        ranked = {
            key: _ranked(run["counts"]) for key, run in {**known, "real images": content["facts"]["real"]}.items()
        }
        drawn = [Panel("mode, by rank", "samples in the mode", ranked)]
        meanwhile = {key: run["over_training"] for key, run in known.items() if "over_training" in run}
        if meanwhile:
            real = content["facts"]["real_meanwhile"]
            for number, (name, label) in enumerate((("modes", "modes"), ("kl", "KL (nats)"))):
                lines = {key: [(row["images"], row[name]) for row in rows] for key, rows in meanwhile.items()}
                lines["real images"] = [(0, real[name])]
                y = f"{label}, {MEANWHILE:,} samples"
                drawn.insert(number, Panel("images", y, lines, log=name == "kl"))
        return panels(drawn, title=f"Stacked MNIST, {content['settings']['num']:,} samples")


def _cells(runs: list[dict[str, Any]]) -> list[str]:
    return [_of(runs, "modes", ",.0f"), _of(runs, "kl", ".3f"), _of(runs, "kl_uniform", ".3f"),
            _of(runs, "sure", ".1f", 100)]  # fmt: skip


def _of(runs: list[dict[str, Any]], name: str, form: str, scale: float = 1.0) -> str:
    return format_spread((run.get(name) for run in runs), form, scale=scale)


def _ranked(counts: list[int]) -> list[tuple[float, float]]:
    return [(rank, count) for rank, count in enumerate(sorted(counts, reverse=True), 1)]
