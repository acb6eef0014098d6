"""Quality of several sets of samples against the same reference images."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import keras
import numpy as np

from gan.data.dataset import Dataset
from gan.data.split import Split
from gan.errors import check
from gan.evaluation.classifier.extractor import Extractor, as_input
from gan.evaluation.error_rate import SampleOutcomes, check_samples, real_error_rate, wrong_in_blocks
from gan.evaluation.reference import EvaluatedImages, Reference, choose_subsets, limit_images, samples_to_compare
from gan.tolerance import ErrorRate


@dataclass(frozen=True)
class SampleQuality:
    """Numbers of samples, equal to those of `evaluate_samples`."""

    rate: ErrorRate
    """Of all samples; the other numbers are those of the compared ones."""
    frechet_distance: float
    precision: float
    """NaN if it is not defined for so few samples, as recall and coverage."""
    recall: float
    coverage: float
    real_rate: ErrorRate | None = None
    """Error rate of the classifier on real test images."""


@dataclass(frozen=True)
class QualityReference:
    """Reference images and the numbers of real images, computed once for several sets of samples."""

    reference: Reference
    num: int
    """Number of samples of each set."""
    compared: int
    """Number of samples, the first ones, that are compared with as many real images."""
    frechet_floor: float
    """Frechet distance of training images: the mean of ten draws."""
    real_coverage: float
    """Coverage of validation images. NaN if it is not defined for so few images."""
    test: Split
    """All test images, for the error rate of the classifier on them."""
    _real_rates: dict[bool, ErrorRate] = field(default_factory=dict)

    @classmethod
    def of(cls, dataset: Dataset, classifier: keras.Model, *, num: int, seed: int) -> "QualityReference":
        """Computes the reference for sets of `num` samples: that of `evaluate_samples` with the same seed.

        `samples_to_compare` says how many of them are compared with real images, and raises `InputError`.
        """
        compared = samples_to_compare(num, dataset)
        dataset = limit_images(dataset)
        chosen = choose_subsets(dataset, compared, seed)
        extractor = Extractor(classifier)
        test, held_out = (extractor.arrays(as_input(part.images)) for part in (chosen.test, chosen.validation))
        reference = Reference(extractor, test, as_input(dataset.train.images))
        real_coverage = reference.manifold(held_out)["coverage"]
        return cls(reference, num, compared, reference.floor(chosen.floor).mean, real_coverage, dataset.test)

    def measure(
        self, samples: np.ndarray, labels: np.ndarray | None, others: Iterable[np.ndarray] = ()
    ) -> SampleQuality:
        """Measures samples in [-1, 1], given in blocks, so that they need not be in memory at the same time.

        Args:
            samples: the first ones, float32 [compared, H, W, C], which are compared with real images.
            labels: requested labels of all samples, int [num], or None without classes.
            others: blocks of the other samples, float32 [B, H, W, C], of which only the error rate is measured.

        Raises `InputError` for another number of samples, and samples that are not finite or not in [-1, 1].
        """
        check(len(samples) == self.compared, "samples", f"{self.compared} samples", len(samples))
        check_samples(samples)
        first, rest = (None, None) if labels is None else (labels[: self.compared], labels[self.compared :])
        found = EvaluatedImages(samples, first, self.reference.extractor.arrays(samples))
        outcomes = SampleOutcomes(
            np.concatenate([found.wrong, wrong_in_blocks(others, self.reference.extractor, rest)]), labels
        )
        check(len(outcomes.wrong) == self.num, "others", f"{self.num} samples in all", len(outcomes.wrong))
        manifold = self.reference.manifold(found.outputs)
        return SampleQuality(
            outcomes.rate,
            self.reference.quality(found)["frechet_distance"],
            **{name: manifold[name] for name in ("precision", "recall", "coverage")},
            real_rate=self._real_rate(is_conditional=labels is not None),
        )

    def _real_rate(self, *, is_conditional: bool) -> ErrorRate:
        """Returns the error rate of the classifier on real test images. Measured once for all sets of samples."""
        if is_conditional not in self._real_rates:
            rate = real_error_rate(self.reference.extractor, self.test, is_conditional=is_conditional)
            self._real_rates[is_conditional] = rate
        return self._real_rates[is_conditional]
