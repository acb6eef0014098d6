"""Error rate, Frechet distance and coverage of several sets of samples against the same reference images."""

from dataclasses import dataclass

import keras
import numpy as np

from gan.data.dataset import Dataset
from gan.errors import check
from gan.evaluation.classifier.extractor import Extractor, as_input
from gan.evaluation.reference import EvaluatedImages, Reference, check_num, choose_subsets, limit_images
from gan.tolerance import ErrorRate


@dataclass(frozen=True)
class SampleQuality:
    """Numbers of samples, equal to those of `evaluate_samples`."""

    rate: ErrorRate
    frechet_distance: float
    coverage: float
    """NaN if it is not defined for so few samples."""


@dataclass(frozen=True)
class QualityReference:
    """Reference images and the numbers of real images, computed once for several sets of samples."""

    reference: Reference
    num: int
    """Number of samples of each set."""
    frechet_floor: float
    """Frechet distance of training images: the mean of ten draws."""
    real_coverage: float
    """Coverage of validation images. NaN if it is not defined for so few images."""

    @classmethod
    def of(cls, dataset: Dataset, classifier: keras.Model, *, num: int, seed: int) -> "QualityReference":
        """Computes the reference for sets of `num` samples: that of `evaluate_samples` with the same seed.

        Raises `InputError` unless `num` is a whole number from 2 to the size of the smallest split.
        """
        check_num(num, dataset)
        dataset = limit_images(dataset)
        chosen = choose_subsets(dataset, num, seed)
        extractor = Extractor(classifier)
        test, held_out = (extractor.arrays(as_input(part.images)) for part in (chosen.test, chosen.validation))
        reference = Reference(extractor, test, as_input(dataset.train.images))
        real_coverage = reference.manifold(held_out)["coverage"]
        return cls(reference, num, reference.floor(chosen.floor).mean, real_coverage)

    def measure(self, samples: np.ndarray, labels: np.ndarray | None) -> SampleQuality:
        """Measures samples float32 [num, H, W, C] in [-1, 1] with requested labels int [num], or None without classes.

        Raises `InputError` for another number of samples, and samples that are not finite.
        """
        check(len(samples) == self.num, "samples", f"{self.num} samples", len(samples))
        check(bool(np.isfinite(samples).all()), "samples", "finite images", "NaN or infinity")
        found = EvaluatedImages(samples, labels, self.reference.extractor.arrays(samples))
        return SampleQuality(
            ErrorRate.of(found.wrong),
            self.reference.quality(found)["frechet_distance"],
            self.reference.manifold(found.outputs)["coverage"],
        )
