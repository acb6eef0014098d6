"""make_classifier: from a configuration to a classifier's folder, with its card."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
from sklearn.metrics import classification_report

from gan import checkpoints, runtime
from gan.classifier import as_input, classify, train_classifier
from gan.config import ClassifierConfig
from gan.data import EMBEDDED, Split, load_dataset
from gan.errors import InputError


def make_classifier(
    config: ClassifierConfig, output: str | Path | None, *, name: str, verbose: int = 0
) -> dict[str, Any]:
    """Trains a classifier, measures it once on the test split, and writes classifier.keras and its card, config.json.

    The embedded digits are left out of the training images of `mnist`, so that a classifier may judge `mnist5k` too.
    Returns the card: the data sets it may judge, accuracies, a report by class (precision, recall, f1, support), and
    the SHA-256 that loading checks. Raises `InputError` when the data has no labels or cannot be had, or the folder
    cannot be used.
    """
    checkpoints.check_output(output)
    device = runtime.start(seed=config.seed)
    dataset = load_dataset(config.dataset, fallback="none")
    if not dataset.num_classes:
        raise InputError("A classifier needs labels", expected="a data set with labels", received=config.dataset)
    train = _without_embedded(dataset.train) if dataset.name == "mnist" else dataset.train
    started, revision = time.monotonic(), runtime.git_revision()
    classifier = trained(config, train, dataset.validation, num_classes=dataset.num_classes, verbose=verbose)
    seconds = time.monotonic() - started
    seen = {
        split: classify(classifier, as_input(part.images))[0]
        for split, part in (("validation", dataset.validation), ("test", dataset.test))
    }
    folder = checkpoints.new_run(output, name)
    checkpoints.write(folder / checkpoints.CLASSIFIER, classifier.save)
    card = {
        "kind": "classifier",
        "name": name,
        "config": asdict(config),
        "data_sets": [dataset.name, EMBEDDED] if dataset.name == "mnist" else [dataset.name],
        "dataset": {
            "name": dataset.name,
            "image_shape": dataset.image_shape,
            "num_classes": dataset.num_classes,
            "train": len(train),
            "left_out": len(dataset.train) - len(train),
            "validation": len(dataset.validation),
            "test": len(dataset.test),
        },
        "weights": classifier.count_params(),
        "accuracy": {
            "validation": float(np.mean(seen["validation"] == dataset.validation.labels)),
            "test": float(np.mean(seen["test"] == dataset.test.labels)),
        },
        "by_class": classification_report(dataset.test.labels, seen["test"], output_dict=True, zero_division=0.0),
        "seconds": round(seconds, 1),
        "device": device,
        "versions": runtime.versions(),
        "git_revision": revision,
        "sha256": checkpoints.sha256(folder / checkpoints.CLASSIFIER),
    }
    checkpoints.write_json(folder / checkpoints.CONFIG, card)
    return card


def trained(
    config: ClassifierConfig, train: Split, validation: Split, *, num_classes: int, verbose: int = 0
) -> keras.Model:
    """The classifier of a configuration, see `train_classifier`; its data set is the caller's."""
    return train_classifier(
        train,
        validation,
        num_classes=num_classes,
        width=config.width,
        blocks=config.blocks,
        epochs=config.epochs,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        seed=config.seed,
        verbose=verbose,
    )


def _without_embedded(split: Split) -> Split:
    embedded = load_dataset(EMBEDDED)
    known = {image.tobytes() for part in (embedded.train, embedded.validation, embedded.test) for image in part.images}
    return split.take(np.flatnonzero([image.tobytes() not in known for image in split.images]))
