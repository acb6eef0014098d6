"""Samples before and after rejection, measured against the same test images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gan import sampling
from gan.data.load import DatasetLike, as_dataset
from gan.errors import InputError, check, check_seed
from gan.evaluation.classifier.extractor import ClassifierLike, as_classifier
from gan.evaluation.evaluation import EVALUATION_SEED, check_generator
from gan.evaluation.reference import EvaluatedImages, choose_labels
from gan.evaluation.sample_quality import QualityReference
from gan.saving.metadata import ClassifierCard, check_card
from gan.selection.rejection.fitting import FittedRejection
from gan.selection.rejection.sampling import RejectionSampler
from gan.tolerance import ErrorRate
from gan.utils.arguments import checked


@dataclass(frozen=True)
class MeasuredSamples:
    """Numbers of a set of samples, as `evaluate_samples` defines them."""

    rate: ErrorRate
    frechet_distance: float
    precision: float
    recall: float
    coverage: float


@dataclass(frozen=True)
class RejectionComparison:
    """What a rejection changes, on the same seed, indices and classes."""

    before: MeasuredSamples
    """Of the first attempts, which are the samples without rejection."""
    after: MeasuredSamples
    frechet_floor: float
    """Frechet distance of training images: the mean of ten draws."""
    accepted: int
    """Samples of which an attempt was accepted."""
    attempts: int
    """Attempts up to the kept one, of all samples. `attempts / num` is the cost of a sample, relative to before."""
    num: int

    @property
    def acceptance_rate(self) -> float:
        """Share of the attempts that was accepted: the yield."""
        return self.accepted / self.attempts


@checked
def compare_rejections(
    rejections: Sequence[FittedRejection],
    dataset: DatasetLike,
    classifier: ClassifierLike,
    card: ClassifierCard | None = None,
    *,
    num: int = 10_000,
    seed: int = EVALUATION_SEED,
) -> list[RejectionComparison]:
    """Measures samples before and after each rejection: error rate, Frechet distance, precision, recall, coverage.

    Args:
        rejections: from `fit_classifier_rejection` and `fit_discriminator_rejection`, of the same generator and
            truncation.
        dataset: a dataset named by the classifier's card, or its name. Its test images are the reference.
        classifier, card: the judge, as for `evaluate`.
        num: number of samples.
        seed: of the samples, their classes, and the draws of reference images.

    Raises `InputError` if the judge is also one that rejects: then the error rate is low by construction. Also if
    generator, dataset and classifier do not match.
    """
    check_seed(seed)
    dataset = as_dataset(dataset)
    classifier, card = as_classifier(classifier, card)
    check_card(dataset.name, card, dataset.image_shape)
    if card.sha256 in [rejection.classifier_sha256 for rejection in rejections]:
        raise InputError(
            "The classifier that rejects cannot judge what is left: its error rate is 0 by construction",
            expected="another classifier as judge",
            received=f"SHA-256 {card.sha256} twice",
        )
    tried = [one.sampler.attempts for one in rejections]
    same = {(id(getattr(each.engine, "network", each.engine)), each.truncation) for each in tried}
    check(len(same) == 1, "rejections", "at least one, all of the same generator and truncation", len(same))
    attempts = tried[0]
    check_generator(attempts.engine, dataset)
    reference = QualityReference.of(dataset, classifier, num=num, seed=seed)
    labels = choose_labels(dataset, num, seed) if attempts.engine.num_classes else None
    first = sampling.generate(attempts.engine, num, seed=seed, labels=labels, truncation=attempts.truncation)
    before = _measure(reference, first, labels)

    def compare(sampler: RejectionSampler) -> RejectionComparison:
        kept = sampler.generate(num, seed=seed, labels=labels)
        return RejectionComparison(
            before,
            _measure(reference, kept.images, labels),
            reference.frechet_floor,
            int(kept.accepted.sum()),
            int(kept.made(sampler.most_attempts).sum()),
            num,
        )

    return [compare(rejection.sampler) for rejection in rejections]


def _measure(against: QualityReference, samples: np.ndarray, labels: np.ndarray | None) -> MeasuredSamples:
    reference = against.reference
    found = EvaluatedImages(samples, labels, reference.extractor.arrays(samples))
    manifold = reference.manifold(found.outputs)
    return MeasuredSamples(
        ErrorRate.of(found.wrong),
        reference.quality(found)["frechet_distance"],
        **{name: manifold[name] for name in ("precision", "recall", "coverage")},
    )
