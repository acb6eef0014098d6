"""Fits a rejection to a generator: by a classifier, or by the discriminator that it was trained against."""

import math
from dataclasses import dataclass

import keras
import numpy as np

from gan.data.dataset import Dataset
from gan.errors import InputError, check
from gan.evaluation.classifier.extractor import ClassifierLike, as_classifier, as_input
from gan.evaluation.metrics import SURE
from gan.sampling.generators import GeneratorLike, as_engine
from gan.sampling.labels import labels_for
from gan.saving.metadata import ClassifierCard
from gan.selection.rejection.acceptance import (
    RatioAcceptance,
    ThresholdAcceptance,
    choose_log_bound,
    choose_threshold,
)
from gan.selection.rejection.attempts import Attempts
from gan.selection.rejection.calibration import CalibrationError, calibrate
from gan.selection.rejection.limits import KEEP, MOST_ATTEMPTS, MOST_MISSED, check_keep
from gan.selection.rejection.sampling import RejectionSampler
from gan.selection.rejection.scores import ClassifierScore, DiscriminatorScore
from gan.utils.arguments import checked

FITTING_SEED = 1_000_033
"""Seed of the samples that a rejection is fitted on. No evaluation, no training run and no default uses it."""

FITTED = 10_000
"""Number of these samples, and the maximum number of held-out images."""


@dataclass(frozen=True)
class FittedRejection:
    """A sampler with a fitted acceptance, and what is known of it.

    The acceptance depends on the generator, its truncation, the classifier or D with its held-out images, and `keep`.
    It depends neither on the seed nor on the classes that are sampled later.
    """

    sampler: RejectionSampler
    keep: float | None
    """Share of first attempts to accept that was asked for. None: what the classifier reads as the requested class."""
    acceptance_rate: float
    """Mean acceptance of the first attempts of `n` other samples than those that it was fitted on.

    Of all attempts, a lower share is accepted if classes differ: samples of those that are often rejected have more.
    """
    n: int
    classifier: ClassifierCard | None = None
    """Card of the classifier that rejects. None: the discriminator does."""
    calibration: str = ""
    """Name of the calibration of D, see `CALIBRATORS`; "" for a classifier."""
    error: CalibrationError | None = None
    """Error of this calibration."""
    cut_share: float = 0.0
    """Share of the samples with a ratio above M. In these places, too few samples are left."""


@checked
def fit_classifier_rejection(
    generator: GeneratorLike,
    classifier: ClassifierLike,
    card: ClassifierCard | None = None,
    *,
    keep: float | None = None,
    truncation: float | None = None,
    most_attempts: int = MOST_ATTEMPTS,
) -> FittedRejection:
    """Rejects the attempts in which a classifier sees the requested class least.

    The score is the margin of the requested class, or without classes the log odds of the top probability, see
    `ClassifierScore`. An error rate that the same classifier measures afterwards says nothing.

    Args:
        generator: what `as_engine` takes: a Keras generator or an exported one.
        classifier, card: what `load_classifier` loads.
        keep: share of the first attempts that is accepted, above 0 and at most 1. The threshold is chosen on fresh
            samples of all classes in turn. None: accepted is what the classifier reads as the requested class; without
            classes, what has a top probability of at least `metrics.SURE`. An error rate counts the same as right.
        truncation: as for `sampling.generate`.
        most_attempts: maximum number of attempts per sample.

    Raises `InputError` if the classifier is for other images or classes, and if so few attempts are accepted that more
    than `MOST_MISSED` of the samples would have none.
    """
    if keep is not None:
        check_keep(keep)
    engine = as_engine(generator)
    classifier, card = as_classifier(classifier, card)
    shape, classes = tuple(card.dataset.image_shape), card.dataset.num_classes
    if shape != tuple(engine.image_shape) or engine.num_classes not in (0, classes):
        raise InputError(
            "The rejecting classifier is for other samples",
            expected=f"images of shape {shape}, of {classes} classes or without",
            received=f"a generator of images of shape {tuple(engine.image_shape)}, {engine.num_classes} classes",
        )
    rejects = card.calibration is not None and card.calibration.rejects
    attempts = Attempts(engine, ClassifierScore(classifier, rejects=rejects), truncation)
    indices = np.arange(FITTED)
    labels = labels_for(indices, engine.num_classes, None)
    scores = attempts.first_scores(FITTING_SEED, indices, labels)
    fitted, other = np.split(np.random.default_rng(FITTING_SEED).permutation(FITTED), 2)
    threshold = choose_threshold(scores[fitted], keep) if keep is not None else _read_as_requested(engine.num_classes)
    sampler = RejectionSampler(attempts, ThresholdAcceptance(threshold), most_attempts)
    rate = _rate(sampler.acceptance(scores[other]), None if labels is None else labels[other], most_attempts)
    return FittedRejection(sampler, keep, rate, len(other), classifier=card)


def _read_as_requested(num_classes: int) -> float:
    """Returns the lowest score of a right outcome, see `metrics.wrong_outcomes`."""
    return float(np.nextafter(0.0, 1.0)) if num_classes else math.log(SURE / (1 - SURE))


@checked
def fit_discriminator_rejection(
    generator: GeneratorLike,
    discriminator: keras.Model,
    dataset: Dataset,
    *,
    keep: float = KEEP,
    truncation: float | None = None,
    most_attempts: int = MOST_ATTEMPTS,
) -> FittedRejection:
    """Rejects attempts by the density ratio of data to samples that the discriminator estimates after calibration.

    D's logit is calibrated on validation images, which D has not seen, and as many fresh samples of the same classes:
    fitted on one half, measured on the other (`calibrate`). An attempt is accepted with probability min(1, r / M), see
    `RatioAcceptance`. The result is as good as the calibrated ratio, which is not exact. It is exact for known
    densities only.

    Args:
        generator: what `as_engine` takes.
        discriminator: its discriminator, see `load_discriminator`.
        dataset: the dataset of the training.
        keep: mean acceptance of first attempts, above 0 and at most 1, which M is chosen for.
        truncation, most_attempts: as for `fit_classifier_rejection`.

    Raises `InputError` for a discriminator of other images or classes, for too few validation images, and if so few
    attempts are accepted that more than `MOST_MISSED` of the samples would have none.
    """
    check_keep(keep)
    engine = as_engine(generator)
    score = DiscriminatorScore(discriminator)
    score.check_suits(engine)
    check(
        dataset.image_shape == tuple(engine.image_shape), "dataset", f"images {engine.image_shape}", dataset.image_shape
    )
    check(engine.num_classes in (0, dataset.num_classes), "dataset", f"{engine.num_classes} classes", dataset.name)
    held_out = dataset.validation.at_most(FITTED)
    held_out = held_out.take(np.random.default_rng(FITTING_SEED).permutation(len(held_out)))
    labels = held_out.labels if engine.num_classes else None
    attempts = Attempts(engine, score, truncation)
    scores = attempts.first_scores(FITTING_SEED, np.arange(len(held_out)), labels)
    calibration = calibrate(attempts.scores_of(as_input(held_out.images), labels), scores)
    held_scores, held_labels = scores[calibration.held_out], None if labels is None else labels[calibration.held_out]
    log_bound = choose_log_bound(calibration.fitted, keep)
    sampler = RejectionSampler(attempts, RatioAcceptance(calibration.log_ratio, log_bound), most_attempts)
    return FittedRejection(
        sampler,
        keep,
        _rate(sampler.acceptance(held_scores), held_labels, most_attempts),
        len(held_scores),
        calibration=calibration.name,
        error=calibration.error,
        cut_share=float(np.mean(calibration.log_ratio(held_scores) > log_bound)),
    )


def _rate(accepted: np.ndarray, labels: np.ndarray | None, most_attempts: int) -> float:
    """Returns the mean acceptance of samples. Raises `InputError` if too many would have no accepted attempt.

    Of a class with the acceptance a, the share (1 - a)^most_attempts of the samples has none. Classes are equally often
    requested, so the mean over the classes counts.

    Args:
        accepted: acceptance of samples, float64 [N].
        labels: their requested classes, int32 [N], or None without classes.
        most_attempts: maximum number of attempts per sample.
    """
    rate = float(accepted.mean())
    own = np.zeros(len(accepted), int) if labels is None else labels
    of_class = {int(label): float(accepted[own == label].mean()) for label in np.unique(own)}
    if np.mean([(1 - each) ** most_attempts for each in of_class.values()]) > MOST_MISSED:
        least = 1 - MOST_MISSED ** (1 / most_attempts)
        worst = min(of_class, key=lambda label: of_class[label])
        lowest = "" if labels is None else f", {of_class[worst]:.2g} of class {worst}"
        raise InputError(
            "Too few attempts are accepted",
            expected=f"a yield of at least {least:.2g} for at most {most_attempts} attempts; or more attempts",
            received=f"a yield of {rate:.2g} in {len(accepted):,} samples{lowest}",
        )
    return rate
