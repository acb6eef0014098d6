"""Images that teach a classifier, real or generated, and what it learned from them."""

import time
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from sklearn.metrics import confusion_matrix

from gan import images, networks, sampling
from gan.classifier import as_input, classify
from gan.classifier_training import trained
from gan.config import ClassifierConfig
from gan.data import Dataset, Split
from gan.errors import InputError


@dataclass(frozen=True)
class Teaching:
    """Images to train on, others of their kind to choose the epoch on, and real ones to test on, once."""

    train: Split
    validation: Split
    test: Split
    num_classes: int

    @classmethod
    def of(cls, source: str, generator: keras.Model, dataset: Dataset, *, num: int, seed: int) -> "Teaching":
        """`num` images of a data set (source `real`), or as many pictures of a generator (`generated`).

        Pictures 0, ..., num - 1 of the seed are trained on, and the ones after them chosen on, as many as the data set
        has for it; their classes go round. Raises `InputError` when the generator draws other images.
        """
        received = f"{generator.output_shape[1:]}, {networks.num_classes(generator)} classes"
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


def _drawn(generator: keras.Model, indices: range, seed: int, classes: int) -> Split:
    """Pictures of a seed, as bytes."""
    batches = sampling.stream(generator, len(indices), seed=seed, start=indices.start)
    pictures = np.concatenate([images.to_uint8(batch) for batch in batches])
    return Split(pictures, np.asarray(indices, np.int32) % classes)
