"""python -m benchmarks train-on-synthetic: what a classifier learns from generated digits, beside one of real ones."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from benchmarks.benchmark import Benchmark, Record, Say, provenance
from benchmarks.runs import check_seeds, forget
from benchmarks.summary import Spread, Table, written
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
    """Train a fresh classifier only on generated pictures, and beside it the same one on as many real images.

    Both are tested once on real test images. The first sees no real image before: the epoch that is kept is chosen on
    generated pictures, too. Each classifier is recorded as soon as it is done, and the same command goes on where it
    was broken off; seeds may be added.
    """

    checkpoint: str = "mnist"
    """A generator with classes: a run folder, a .keras file, or a pretrained name."""
    num: int = 50_000
    """Images that each classifier is trained on; as many of each class, where they are generated."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Two classifiers for each seed, which owns the pictures, too."""
    classifier: str = "mnist-classifier"
    """The recipe of the classifiers, as of `gan train-classifier`."""
    epochs: int | None = None
    """Passes over the training images; None: the recipe's."""
    dataset: str = "mnist"
    """The real images, in the place of the recipe's."""
    precision: Precision = "auto"
    """Of the classifiers' arithmetic, as for `gan train`."""
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
                "Its pictures have no labels", expected="a generator with classes", received=self.checkpoint
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

    def measure(self, record: Record, say: Say) -> None:
        from gan import load_generator
        from gan.data.load import load_dataset

        planned = [(f"{source}-{seed}", source, self._config(seed)) for seed in self.seeds for source in SOURCES]
        missing = [plan for plan in planned if not record.has(plan[0], asdict(plan[2]))]
        say(f"{len(planned)} classifiers, {len(planned) - len(missing)} of them recorded in {record.path}")
        if not missing:
            return
        runtime.start()
        dataset = load_dataset(self.dataset, fallback="none")
        check_whole("num", self.num, CLASSIFIERS[self.classifier].batch_size, len(dataset.train))
        for key, source, config in missing:
            generator = load_generator(self.checkpoint)
            teaching = Teaching.of(source, generator, dataset, num=self.num, seed=config.seed)
            say(f"{key}: {len(teaching.train):,} images, {config.epochs} epochs")
            with runtime.precision(self.precision):
                found = teaching.learned(config)
            record.add(key, asdict(config), {"source": source, "seed": config.seed, **found})
            say(f"{key}: {100 * found['accuracy']:.2f} % of {found['tested']:,} test images")
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
                    written((run["accuracy"] for run in found), ".2f", scale=100),
                    written((run["chosen_accuracy"] for run in found), ".2f", scale=100),
                    f"{written((share for share, _ in worst), '.1f', scale=100)}, class {classes}",
                    written((run["seconds"] for run in found), ",.0f"),
                ]
            )
        generated, real = ({run["seed"]: run["accuracy"] for run in by_source.get(source, [])} for source in SOURCES)
        behind = [real[seed] - accuracy for seed, accuracy in generated.items() if seed in real]
        configs = [run["config"] for run in content["runs"].values()]
        epochs = ", ".join(str(number) for number in sorted({config["epochs"] for config in configs}))
        return Table(
            f"{settings['classifier']}, trained on {settings['num']:,} images of one kind for {epochs} epochs in "
            f"{settings['precision']}, and tested on real images of {settings['dataset']}: median (least to most) of n "
            "seeds.",
            ["trained on", "n", "accuracy (%)", "when chosen (%)", "of the worst class (%)", "seconds"],
            rows,
            [
                f"Generated: by {settings['checkpoint']}, SHA-256 {settings['generator_sha256']}. When chosen: "
                "accuracy on the images that the kept epoch was chosen on, generated ones where training was.",
                f"Behind real images of the same seed: {written(behind, '.2f', scale=100)} percent points.",
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
    """(class, accuracy) of the classes that were tested."""
    return [(number, share) for number, share in enumerate(run["accuracy_by_class"]) if share is not None]


def _confusions(by_source: Mapping[str, list[dict[str, Any]]], most: int = 3) -> list[str]:
    """What is confused most often, in words, for each source."""
    said = []
    for source, runs in by_source.items():
        classes = range(len(runs[0]["confusion"]))
        counts = {(true, seen): [run["confusion"][true][seen] for run in runs] for true in classes for seen in classes
                  if true != seen}  # fmt: skip
        worst = sorted(counts, key=lambda pair: -sum(counts[pair]))[:most]
        pairs = [f"{true} read as {seen} {written(counts[true, seen], '.0f')} times" for true, seen in worst
                 if Spread.of(counts[true, seen]) and sum(counts[true, seen])]  # fmt: skip
        said += [f"Most often confused, trained on {source} images: {', '.join(pairs)}."] if pairs else []
    return said


@dataclass(frozen=True)
class Teaching:
    """Images to train on, others of their kind to choose the epoch on, and real ones to test on, once."""

    train: "Split"
    validation: "Split"
    test: "Split"
    num_classes: int

    @classmethod
    def of(cls, source: str, generator: "keras.Model", dataset: "Dataset", *, num: int, seed: int) -> "Teaching":
        """`num` images of a data set (source `real`), or as many pictures of a generator (`generated`).

        Pictures 0, ..., num - 1 of the seed are trained on, and the ones after them chosen on, as many as the data set
        has for it; their classes go round. Raises `InputError` when the generator draws other images.
        """
        from gan.models.networks import NetworkInputs

        received = f"{generator.output_shape[1:]}, {NetworkInputs.of(generator).num_classes} classes"
        expected = f"{dataset.image_shape}, {dataset.num_classes} classes"
        if received != expected:
            raise InputError("This generator draws other images", expected=expected, received=received)
        if source == "real":
            train, validation = dataset.train.at_most(num), dataset.validation
        else:
            train = _drawn(generator, range(num), seed, dataset.num_classes)
            validation = _drawn(generator, range(num, num + len(dataset.validation)), seed, dataset.num_classes)
        return cls(train, validation, dataset.test, dataset.num_classes)

    def learned(self, config: ClassifierConfig) -> dict[str, Any]:
        """{"accuracy", "accuracy_by_class" (None: no images of it), "confusion"} on `tested` test images;
        "chosen_accuracy" on those that the epoch was chosen on; "seconds" of training. confusion[true][seen] counts.
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


def _drawn(generator: "keras.Model", indices: range, seed: int, classes: int) -> "Split":
    """Pictures of a seed, as bytes."""
    from gan import sampling
    from gan.data.split import Split

    batches = sampling.stream(generator, len(indices), seed=seed, start=indices.start)
    pictures = np.concatenate([images.to_uint8(batch) for batch in batches])
    return Split(pictures, np.asarray(indices, np.int32) % classes)
