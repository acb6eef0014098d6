"""Samples before and after rejection, measured against the same test images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gan import sampling
from gan.data.load import DatasetLike, as_dataset
from gan.errors import InputError, check, check_seed
from gan.evaluation.classifier.extractor import ClassifierLike, as_classifier
from gan.evaluation.error_rate import in_blocks
from gan.evaluation.evaluation import EVALUATION_SEED, check_generator
from gan.evaluation.members import independent
from gan.evaluation.reference import choose_labels
from gan.evaluation.sample_quality import QualityReference, SampleQuality
from gan.saving.known_images import check_card
from gan.saving.metadata import ClassifierCard
from gan.selection.rejection.fitting import FittedRejection
from gan.selection.rejection.sampling import RejectionSampler
from gan.utils.arguments import checked


@dataclass(frozen=True)
class RejectionComparison:
    """What a rejection changes, on the same seed, indices and classes."""

    before: SampleQuality
    """Of the first attempts, which are the samples without rejection."""
    after: SampleQuality
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

    As in a report, all samples count for the error rate. The first ones, as many as the smallest split has, are
    compared with as many test images.

    Args:
        rejections: from `fit_classifier_rejection` and `fit_discriminator_rejection`, of the same generator and
            truncation.
        dataset: a dataset named by the classifier's card, or its name. Its test images are the reference.
        classifier, card: the judge, as for `evaluate`.
        num: number of samples.
        seed: of the samples, their classes, and the draws of reference images.

    Raises `InputError` if the judge is also one that rejects, or is an ensemble with it: then the error rate is low by
    construction. Also if generator, dataset and classifier do not match.
    """
    check_seed(seed)
    dataset = as_dataset(dataset)
    classifier, card = as_classifier(classifier, card)
    check_card(dataset, card)
    for rejecting in (one.classifier for one in rejections if one.classifier is not None):
        check_judge(card, rejecting)
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


def check_judge(judge: ClassifierCard, rejecting: ClassifierCard) -> None:
    """Raises `InputError` if the classifier that judges contains the one that rejects, or the other way round."""
    if not independent(judge, rejecting):
        raise InputError(
            "The classifier that rejects cannot judge what is left: its error rate is low by construction",
            expected="a judge without the networks of the classifier that rejects",
            received=f"{judge.name} judges, SHA-256 {judge.sha256}; {rejecting.name} rejects, {rejecting.sha256}",
        )


def _measure(reference: QualityReference, samples: np.ndarray, labels: np.ndarray | None) -> SampleQuality:
    return reference.measure(samples[: reference.compared], labels, in_blocks(samples[reference.compared :]))
