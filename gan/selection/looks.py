"""Looks at generators: errors that a classifier sees in samples, and the coverage of real images."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from gan.config import DataConfig
from gan.data.dataset import Dataset
from gan.data.split import Split
from gan.errors import InputError
from gan.evaluation import metrics
from gan.evaluation.classifier.extractor import Extractor, load_classifier
from gan.evaluation.coverage import CoverageReference
from gan.evaluation.error_rate import BLOCK, check_samples, measure_samples, real_error_rate
from gan.evaluation.reference import EvaluatedImages, choose_labels, limit_images
from gan.sampling.generators import GeneratorLike, as_engine
from gan.saving import files
from gan.saving.known_images import check_card
from gan.selection.trial import Look
from gan.tolerance import ErrorRate
from gan.training.setup import load_data

COVERAGE_NUM = 2_000
"""Samples, and real images, for coverage. Its standard error is then below .011."""


def coverage_images(dataset: Dataset, covered: Split, others: Split) -> int:
    """Returns the number of images whose coverage is measured: at most `COVERAGE_NUM`, and those of each split.

    Raises `InputError` for too few images.
    """
    num = min(COVERAGE_NUM, len(covered), len(others))
    if num <= metrics.NEIGHBOURS:
        raise InputError(
            "Too few images to measure coverage",
            expected=f"more than {metrics.NEIGHBOURS} images in each split",
            received=f"{num} in {dataset.name}",
        )
    return num


@dataclass(frozen=True)
class SampleLook:
    """A classifier, and the real images whose coverage it measures. Computed once for several generators."""

    dataset: Dataset
    extractor: Extractor
    reference: CoverageReference

    @classmethod
    def of(cls, dataset: Dataset, classifier: str | Path, covered: Split, others: Split) -> "SampleLook":
        """Prepares looks with a classifier at the coverage of one split, beside its coverage by another split.

        Raises `InputError` if the classifier is of another dataset, or a split has too few images.
        """
        model, card = load_classifier(classifier)
        check_card(dataset, card)
        num = coverage_images(dataset, covered, others)
        extractor = Extractor(model)
        return cls(dataset, extractor, CoverageReference.of(extractor, covered, others, num))

    def measure(self, generator: GeneratorLike, *, num: int, seed: int) -> tuple[int, int, float]:
        """Returns (wrong samples, samples, coverage) of samples of a seed. Their labels have the shares of the data.

        Samples with NaN are wrong, and cover nothing. Raises `InputError` for samples that are not in [-1, 1].

        num: number of samples. It becomes the number of images for coverage, if that is larger.
        """
        first = len(self.reference.features)
        num = max(num, first)
        engine = as_engine(generator)
        labels = choose_labels(limit_images(self.dataset), num, seed) if engine.num_classes else None
        wrong, coverage = 0, 0.0
        for start in (0, *range(first, num, BLOCK)):
            end = first if start == 0 else min(start + BLOCK, num)
            asked = None if labels is None else labels[start:end]
            seen = measure_samples(engine, self.extractor, end - start, seed=seed, start=start, labels=asked)
            broken = _is_broken(seen)
            check_samples(seen.images[~broken])
            wrong += int((seen.wrong | broken).sum())
            if start == 0:
                coverage = self._coverage(seen.outputs["features"][~broken])
        return wrong, num, coverage

    def real_rate(self, generator: GeneratorLike) -> ErrorRate:
        """Returns the error rate of the classifier on real test images, counted as that of the generator's samples."""
        return real_error_rate(self.extractor, self.dataset.test, is_conditional=bool(as_engine(generator).num_classes))

    def _coverage(self, features: np.ndarray) -> float:
        """Returns the coverage by samples. Those that are left out, since they are not finite, cover nothing."""
        return self.reference.coverage(features) if len(features) > metrics.NEIGHBOURS else 0.0


def _is_broken(seen: EvaluatedImages) -> np.ndarray:
    """Returns which images, or what the classifier makes of them, are not finite: bool [N]."""
    outputs = (seen.images, seen.outputs["logits"], seen.outputs["features"])
    return ~np.all([np.isfinite(part).reshape(len(part), -1).all(axis=1) for part in outputs], axis=0)


@dataclass(frozen=True)
class ValidationLook:
    """Looks with the probe, at validation images."""

    look: SampleLook

    @staticmethod
    @cache
    def of(data: DataConfig, probe: str) -> "ValidationLook":
        """Loads the dataset and the probe, once in a process."""
        dataset = load_data(data)
        return ValidationLook(SampleLook.of(dataset, probe, dataset.validation, dataset.train))

    def measure(self, generator: Path, *, num: int, seed: int, images: int) -> Look:
        """Looks at a saved generator after `images` of its training."""
        wrong, num, coverage = self.look.measure(generator, num=num, seed=seed)
        return Look(
            images=images,
            wrong=wrong,
            num=num,
            coverage=coverage,
            real_coverage=self.look.reference.real_coverage,
            generator_sha256=files.sha256(generator),
        )
