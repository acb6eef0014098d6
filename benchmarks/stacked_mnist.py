"""python -m benchmarks stacked-mnist: how many of 1,000 modes a GAN without classes reaches."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks import runs
from benchmarks.benchmark import Benchmark, Record, Say, provenance
from benchmarks.summary import Table, written
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
"""Fewer samples than modes cannot reach them."""
MEANWHILE = 5_000
"""Samples for the curve over training; so many real images reach 989 modes, with a KL of 0.11."""
REHEARSAL = 3
"""Executions of the graph in the short run that measures the speed, for --minutes."""


@dataclass(frozen=True)
class Published:
    """A line of a paper's table; networks, lengths of training and classifiers differ from paper to paper."""

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
"""What papers print of stacked MNIST: modes reached of 1,000, and KL of the samples to the data, in nats."""


@dataclass(frozen=True)
class StackedMnist(Benchmark):
    """Train a GAN without classes on stacked MNIST, and count modes: three digits as red, green and blue, 1,000 kinds.

    Prints modes reached and KL(samples || data) beside those of real images and of papers. What is done is kept in
    --out, and the same command goes on where it was broken off.
    """

    preset: str = "stacked-mnist"
    """One of `gan presets` without classes."""
    images: int | None = None
    """Length of the run, in real images that D sees; None: the preset's."""
    minutes: float | None = None
    """Length of the run in minutes of training, in the place of images: as many images as a short run, made first, says
    that this machine can do in that time, so that the schedule of the learning rate reaches its end."""
    seeds: tuple[int, ...] = (0,)
    """A run for each seed."""
    num: int = 26_000
    """Samples that are judged; papers take 26,000."""
    checkpoint: str | None = None
    """A generator that is judged in the place of training one: a run folder, a .keras file, or a pretrained name."""
    classifier: str = "mnist-classifier"
    """Folder or pretrained name of the classifier that reads the digits."""
    out: Path = Path("benchmarks/results/stacked-mnist")
    """Folder for results.json, table.md, plot.png, the samples, and the run folders."""

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
            expected = "images or minutes of training, or a checkpoint that needs none"
            received = ", ".join(f"{name}={value}" for name, value in lengths.items())
            raise InputError("Options that exclude each other", expected=expected, received=received)
        models.find_classifier(self.classifier)
        if self.checkpoint is not None:
            models.find_generator(self.checkpoint)
            return
        runs.check_presets((self.preset,))
        conditioning = PRESETS[self.preset].model.conditioning
        if conditioning != "none":
            raise InputError(
                "The preset has classes", expected="one without", received=f"{self.preset}: {conditioning}"
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

    def measure(self, record: Record, say: Say) -> None:
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
            say("reading real images")
            for name, numbers in zip(("real", "real_meanwhile"), judge.of_real(dataset.test, self.num, MEANWHILE)):
                record.note(name, numbers)
        if self.checkpoint is not None:
            self._judge_checkpoint(self.checkpoint, judge, dataset, record)
        else:
            self._train(judge, dataset, record, say)

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
            raise InputError("This generator draws no stacks", expected=expected, received=received)
        record.add(checkpoint, config, judge.of_generator(generator, self.num))

    def _train(self, judge: "StackJudge", dataset: "Dataset", record: Record, say: Say) -> None:
        sizes = runs.parameters(self._config(0, 1), dataset)
        images = self._planned(record, say)
        for seed in self.seeds:
            key, config = f"{self.preset}-{seed}", self._config(seed, images)
            if record.has(key, runs.identity(config)):
                say(f"{key} is recorded in {record.path}")
                continue
            say(f"{key}: {images:,} images")
            try:
                result = self._run(key, config, judge, say)
            except TrainingError as error:
                result = {"failed": str(error)}
            record.add(key, runs.identity(config), {"seed": seed, **sizes, **result})
            runs.forget()

    def _config(self, seed: int, images: int) -> TrainConfig:
        return runs.unwatched(PRESETS[self.preset], dataset=DATASET, seed=seed, images=images, eval_every=None)

    def _planned(self, record: Record, say: Say) -> int:
        """Length of every run of the record, in images."""
        if self.minutes is None:
            return self.images or PRESETS[self.preset].optimization.images
        if "planned_images" not in record.content["facts"]:
            say(f"a short run, to know how many images {self.minutes:g} minutes are")
            options = PRESETS[self.preset].optimization
            short = options.batch_size * options.critic_steps * options.steps_per_execution * REHEARSAL
            with tempfile.TemporaryDirectory() as folder:
                config = self._config(0, short)
                speed = runs.costs(runs.trained(config, Path(folder) / "run", preset=self.preset), config)
            record.note("planned_images", max(1, round(speed["images_per_second"] * 60 * self.minutes)))
            runs.forget()
        return int(record.content["facts"]["planned_images"])

    def _run(self, key: str, config: TrainConfig, judge: "StackJudge", say: Say) -> dict[str, Any]:
        from benchmarks.judge import ModesOverTraining
        from gan import load_generator

        folder = self.out / "runs" / key
        counter = ModesOverTraining(folder, judge, num=MEANWHILE, say=say)
        run = runs.trained(config, folder, preset=self.preset, listeners=[counter])
        rows = counter.rows()
        costs = runs.costs(run, config, listening=sum(row["seconds"] for row in rows[:-1]))  # read before the last one
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
            f"Modes of stacked MNIST reached by {settings['num']:,} samples, of 1,000: median (least to most) of n.",
            ["generator", "n", "modes", "KL (nats)", "KL to uniform", "surely read (%)", "images", "minutes", "source"],
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
                "KL: of the samples' modes to the data's, by the digits that the classifier sees in the channels; real "
                "images do not have 0, since it errs and samples are few. Surely read: all three digits with a "
                "probability of 0.9 or more. Published numbers are of other networks, classifiers and lengths.",
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
    return written((run.get(name) for run in runs), form, scale=scale)


def _ranked(counts: list[int]) -> list[tuple[float, float]]:
    return [(rank, count) for rank, count in enumerate(sorted(counts, reverse=True), 1)]
