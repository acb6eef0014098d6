"""Looks at generators: errors that a classifier sees in samples, and the coverage of real images."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gan.config import DataConfig
from gan.data.dataset import Dataset
from gan.data.load import load_dataset
from gan.data.split import Split
from gan.errors import InputError
from gan.evaluation import metrics
from gan.evaluation.classifier.extractor import Extractor, load_classifier
from gan.evaluation.coverage import CoverageReference
from gan.evaluation.error_rate import find_wrong, measure_samples
from gan.evaluation.reference import choose_labels, limit_images
from gan.sampling.generators import GeneratorLike, as_engine
from gan.saving import files
from gan.saving.metadata import check_card
from gan.selection.trial import Look

COVERAGE_NUM = 2_000
"""Samples, and real images, for coverage. Its standard error is then below .011."""


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
        check_card(dataset.name, card, dataset.image_shape)
        num = min(COVERAGE_NUM, len(covered), len(others))
        if num <= metrics.NEIGHBOURS:
            raise InputError(
                "Too few images to measure coverage",
                expected=f"more than {metrics.NEIGHBOURS} images in each split",
                received=f"{num} in {dataset.name}",
            )
        extractor = Extractor(model)
        return cls(dataset, extractor, CoverageReference.of(extractor, covered, others, num))

    def measure(self, generator: GeneratorLike, *, num: int, seed: int) -> tuple[int, int, float]:
        """Returns (wrong samples, samples, coverage) of samples of a seed. Their labels have the shares of the data.

        num: number of samples. It becomes the number of images for coverage, if that is larger.
        """
        num = max(num, len(self.reference.features))
        engine = as_engine(generator)
        labels = choose_labels(limit_images(self.dataset), num, seed) if engine.num_classes else None
        first = len(self.reference.features)
        seen = measure_samples(
            engine, self.extractor, first, seed=seed, labels=None if labels is None else labels[:first]
        )
        wrong = int(seen.wrong.sum())
        if num > first:
            rest = None if labels is None else labels[first:]
            wrong += int(find_wrong(engine, self.extractor, num - first, seed=seed, start=first, labels=rest).sum())
        return wrong, num, self.reference.coverage(seen.outputs["features"])


@dataclass(frozen=True)
class ValidationLook:
    """Looks with the probe, at validation images."""

    look: SampleLook

    @staticmethod
    @cache
    def of(data: DataConfig, probe: str) -> "ValidationLook":
        """Loads the dataset and the probe, once in a process."""
        dataset = load_dataset(data.dataset, fallback=data.dataset_fallback, **data.loading)
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
