"""python -m benchmarks train-on-synthetic: classifiers trained on samples, compared with real images."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from benchmarks.benchmark import Benchmark, Log, Record, provenance
from benchmarks.runs import check_seeds, forget
from benchmarks.summary import Spread, Table, format_spread
from gan.config import CLASSIFIERS, ClassifierConfig, Precision
from gan.data import images
from gan.errors import InputError, check_whole
from gan.saving import models
from gan.utils import tensorflow as runtime

if TYPE_CHECKING:
    import keras

    from benchmarks.plot import Figure
    from gan.data.dataset import Dataset
    from gan.data.split import Split

SOURCES = ("generated", "real")


@dataclass(frozen=True)
class TrainOnSynthetic(Benchmark):
    """Train a classifier on samples of a generator only, and another one on the same number of real images.

    Both are tested once on real test images. The first classifier sees no real image before: its best epoch is also
    chosen on samples. Each classifier is saved when finished. The same command resumes an interrupted benchmark; seeds
    may be added.
    """

    checkpoint: str = "mnist"
    """A conditional generator: a run folder, a .keras file, or a pretrained name."""
    num: int = 50_000
    """Training images of each classifier. Samples are split equally between classes."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of classifiers and samples. Each seed trains two classifiers."""
    classifier: str = "mnist-classifier"
    """Recipe of the classifiers (see `gan train-classifier`)."""
    epochs: int | None = None
    """Passes over the training images. None: the number of the recipe."""
    dataset: str = "mnist"
    """Dataset of real images, instead of the dataset of the recipe."""
    precision: Precision = "auto"
    """Precision of the classifiers (see `gan train`)."""
    out: Path = Path("benchmarks/results/train-on-synthetic")
    """Folder for results.json, table.md and plot.png."""

    name: ClassVar[str] = "train-on-synthetic"

    def check(self) -> None:
        check_seeds(self.seeds)
        check_whole("num", self.num, 1)
        if self.epochs is not None:
            check_whole("epochs", self.epochs, 1)
        if self.classifier not in CLASSIFIERS:
            raise InputError("Unknown classifier", expected=f"one of {list(CLASSIFIERS)}", received=self.classifier)
        if not models.describe(self.checkpoint).num_classes:
            raise InputError(
                "The generator must be conditional", expected="a generator with classes", received=self.checkpoint
            )

    def settings(self) -> Mapping[str, Any]:
        return {
            "checkpoint": self.checkpoint,
            "generator_sha256": models.describe(self.checkpoint).sha256,
            "num": self.num,
            "classifier": self.classifier,
            "dataset": self.dataset,
            "precision": runtime.resolve_precision(self.precision),
        }

    def measure(self, record: Record, log: Log) -> None:
        from gan import load_generator
        from gan.data.load import load_dataset

        planned = [(f"{source}-{seed}", source, self._config(seed)) for seed in self.seeds for source in SOURCES]
        missing = [plan for plan in planned if not record.has(plan[0], asdict(plan[2]))]
        log(f"{len(planned)} classifiers; {len(planned) - len(missing)} already recorded in {record.path}")
        if not missing:
            return
        runtime.start()
        dataset = load_dataset(self.dataset, fallback="none")
        check_whole("num", self.num, CLASSIFIERS[self.classifier].batch_size, len(dataset.train))
        for key, source, config in missing:
            generator = load_generator(self.checkpoint)
            teaching = Teaching.of(source, generator, dataset, num=self.num, seed=config.seed)
            log(f"{key}: {len(teaching.train):,} images, {config.epochs} epochs")
            with runtime.precision(self.precision):
                found = teaching.train_and_test(config)
            record.add(key, asdict(config), {"source": source, "seed": config.seed, **found})
            log(f"{key}: {100 * found['accuracy']:.2f} % of {found['tested']:,} test images")
            forget()

    def _config(self, seed: int) -> ClassifierConfig:
        recipe = CLASSIFIERS[self.classifier]
        return replace(recipe, dataset=self.dataset, seed=seed, epochs=self.epochs or recipe.epochs)

    def table(self, content: Mapping[str, Any]) -> Table:
        settings, by_source = content["settings"], _by_source(content)
        rows = []
        for source, found in by_source.items():
            worst = [min((share, number) for number, share in _known(run)) for run in found]
            classes = ", ".join(str(number) for number in sorted({number for _, number in worst}))
            rows.append(
                [
                    source,
                    f"{len(found)}",
                    format_spread((run["accuracy"] for run in found), ".2f", scale=100),
                    format_spread((run["chosen_accuracy"] for run in found), ".2f", scale=100),
                    f"{format_spread((share for share, _ in worst), '.1f', scale=100)}, class {classes}",
                    format_spread((run["seconds"] for run in found), ",.0f"),
                ]
            )
        generated, real = ({run["seed"]: run["accuracy"] for run in by_source.get(source, [])} for source in SOURCES)
        behind = [real[seed] - accuracy for seed, accuracy in generated.items() if seed in real]
        configs = [run["config"] for run in content["runs"].values()]
        epochs = ", ".join(str(number) for number in sorted({config["epochs"] for config in configs}))
        return Table(
            f"{settings['classifier']}, trained on {settings['num']:,} samples or real images for {epochs} epochs in "
            f"{settings['precision']}, tested on real images of {settings['dataset']}: median (minimum to maximum) of "
            "n seeds.",
            ["trained on", "n", "accuracy (%)", "validation accuracy (%)", "worst class (%)", "seconds"],
            rows,
            [
                f"Generated: by {settings['checkpoint']}, SHA-256 {settings['generator_sha256']}. Validation accuracy: "
                "on the images that the best epoch was chosen on, which are samples after training on samples.",
                f"Difference to real images of the same seed: {format_spread(behind, '.2f', scale=100)} "
                "percentage points.",
                *_confusions(by_source),
                "",
                *provenance(content),
            ],
        )

    def figure(self, content: Mapping[str, Any]) -> "Figure":
        from benchmarks.plot import bars

        found = {}
        for source, runs in _by_source(content).items():
            errors = {"all": [100 * (1 - run["accuracy"]) for run in runs]}
            for number, share in (pair for run in runs for pair in _known(run)):
                errors.setdefault(f"class {number}", []).append(100 * (1 - share))
            found[f"errors, trained on {source} images (%)"] = errors
        return bars(found, title=f"{content['settings']['classifier']} on real test images")


def _by_source(content: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    runs = content["runs"].values()
    found = {source: [run for run in runs if run["source"] == source] for source in SOURCES}
    return {source: each for source, each in found.items() if each}


def _known(run: Mapping[str, Any]) -> list[tuple[int, float]]:
    """Returns (class, accuracy) of all tested classes."""
    return [(number, share) for number, share in enumerate(run["accuracy_by_class"]) if share is not None]


def _confusions(by_source: Mapping[str, list[dict[str, Any]]], most: int = 3) -> list[str]:
    """Returns one sentence per source: the most frequent confusions."""
    sentences = []
    for source, runs in by_source.items():
        classes = range(len(runs[0]["confusion"]))
        counts = {(true, seen): [run["confusion"][true][seen] for run in runs] for true in classes for seen in classes
                  if true != seen}  # fmt: skip
        worst = sorted(counts, key=lambda pair: -sum(counts[pair]))[:most]
        pairs = [f"{true} read as {seen} {format_spread(counts[true, seen], '.0f')} times" for true, seen in worst
                 if Spread.of(counts[true, seen]) and sum(counts[true, seen])]  # fmt: skip
        sentences += [f"Most often confused, trained on {source} images: {', '.join(pairs)}."] if pairs else []
    return sentences


@dataclass(frozen=True)
class Teaching:
    """Images to train on, images of the same kind to choose the epoch, and real images for one test."""

    train: "Split"
    validation: "Split"
    test: "Split"
    num_classes: int

    @classmethod
    def of(cls, source: str, generator: "keras.Model", dataset: "Dataset", *, num: int, seed: int) -> "Teaching":
        """Returns `num` images of a dataset (source `real`), or `num` samples of a generator (source `generated`).

        Samples 0, ..., num - 1 of the seed are the training split. The following samples are the validation split, with
        the size of the validation split of the dataset. Classes alternate. Raises `InputError` if the generator does
        not fit the dataset.
        """
        from gan.models.networks import NetworkInputs

        received = f"{generator.output_shape[1:]}, {NetworkInputs.of(generator).num_classes} classes"
        expected = f"{dataset.image_shape}, {dataset.num_classes} classes"
        if received != expected:
            raise InputError("The generator does not fit the dataset", expected=expected, received=received)
        if source == "real":
            train, validation = dataset.train.at_most(num), dataset.validation
        else:
            train = _generate_split(generator, range(num), seed, dataset.num_classes)
            validation = _generate_split(
                generator, range(num, num + len(dataset.validation)), seed, dataset.num_classes
            )
        return cls(train, validation, dataset.test, dataset.num_classes)

    def train_and_test(self, config: ClassifierConfig) -> dict[str, Any]:
        """Trains and tests a classifier.

        Returns {"accuracy", "accuracy_by_class" (None: no images of the class), "confusion"} on "tested" test images,
        "chosen_accuracy" on the validation images, and "seconds" of training. confusion[true][predicted] is a count.
        """
        from sklearn.metrics import confusion_matrix

        from gan.evaluation.classifier.extractor import as_input, classify
        from gan.evaluation.classifier.training import trained

        began = time.monotonic()
        classifier = trained(config, self.train, self.validation, num_classes=self.num_classes)
        seconds = time.monotonic() - began
        chosen, seen = (classify(classifier, as_input(part.images))[0] for part in (self.validation, self.test))
        confusion = confusion_matrix(self.test.labels, seen, labels=np.arange(self.num_classes))
        return {
            "accuracy": float(np.trace(confusion) / confusion.sum()),
            "accuracy_by_class": [
                float(row[number] / row.sum()) if row.any() else None for number, row in enumerate(confusion)
            ],
            "confusion": confusion.tolist(),
            "chosen_accuracy": float(np.mean(chosen == self.validation.labels)),
            "tested": len(self.test),
            "seconds": round(seconds, 1),
        }


def _generate_split(generator: "keras.Model", indices: range, seed: int, classes: int) -> "Split":
    """Generates the samples of a seed as bytes."""
    from gan import sampling
    from gan.data.split import Split

    batches = sampling.stream(generator, len(indices), seed=seed, start=indices.start)
    samples = np.concatenate([images.to_uint8(batch) for batch in batches])
    return Split(samples, np.asarray(indices, np.int32) % classes)
