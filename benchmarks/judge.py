"""The numbers of many generators against one reference: what is the same for all of them is computed once."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from gan import metrics, networks, sampling
from gan.classifier import Extractor, as_input
from gan.data import Dataset
from gan.evaluation import EVALUATION_SEED
from gan.evaluation.drawing import at_hand, drawn, labels_to_ask
from gan.evaluation.sides import Reference
from gan.quality import quality

SHARES = ("precision", "recall", "density", "coverage")


@dataclass(frozen=True)
class Judge:
    """Frechet distance, precision, recall, density, coverage and error rate of `num` pictures of a generator.

    The numbers are those of `gan evaluate` with the same `num` and its default seed, and only the quick ones of them.
    `floor`: {"mean", "spread", "draws"} of the Frechet distance of training images; `real`: the numbers of validation
    images in the place of pictures.
    """

    extractor: Extractor
    reference: Reference
    radii: np.ndarray
    labels: np.ndarray | None
    floor: dict[str, Any]
    real: dict[str, float]

    @classmethod
    def of(cls, dataset: Dataset, classifier: keras.Model, *, num: int, seed: int = EVALUATION_SEED) -> "Judge":
        """For a data set with at least `num` test and validation images, and a classifier that may judge it."""
        dataset = at_hand(dataset)
        chosen = drawn(dataset, num, seed)
        extractor = Extractor(classifier)
        reference = Reference(extractor, extractor.arrays(as_input(chosen.test.images)), as_input(dataset.train.images))
        judge = cls(
            extractor,
            reference,
            metrics.squared_radii(reference.outputs["features"]),
            labels_to_ask(dataset, num, seed),
            reference.floor(chosen.floor),
            {},
        )
        judge.real.update(judge._numbers(as_input(chosen.validation.images), chosen.validation.labels))
        return judge

    def numbers(self, generator: keras.Model, *, seed: int = EVALUATION_SEED) -> dict[str, float | None]:
        """{`frechet_distance`, `frechet_in_floors`, `error_rate`, ...}; the error rate is None without classes."""
        num = len(self.reference.outputs["features"])
        asked = self.labels if networks.num_classes(generator) else None
        found = self._numbers(sampling.generate(generator, num, seed=seed, labels=asked, batch_size=250), asked)
        return {
            **found,
            "error_rate": None if asked is None else found["error_rate"],
            "frechet_in_floors": found["frechet_distance"] / self.floor["mean"],
        }

    def _numbers(self, pictures: np.ndarray, labels: np.ndarray | None) -> dict[str, float]:
        real, fake = self.reference.outputs, self.extractor.arrays(pictures)
        found = quality(self.extractor, real, fake, labels)
        shares = metrics.precision_recall(real["features"], fake["features"], real_radii=self.radii)
        return {**{name: found[name] for name in ("frechet_distance", "error_rate", "class_kl")}, **shares}
