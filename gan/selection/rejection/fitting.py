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
    Acceptance,
    RatioAcceptance,
    ThresholdAcceptance,
    check_keep,
    choose_log_bound,
    choose_threshold,
)
from gan.selection.rejection.attempts import Attempts
from gan.selection.rejection.calibration import CalibrationError, calibrate
from gan.selection.rejection.sampling import MOST_ATTEMPTS, RejectionSampler
from gan.selection.rejection.scores import ClassifierScore, DiscriminatorScore
from gan.utils.arguments import checked

FITTING_SEED = 1_000_033
"""Seed of the samples that a rejection is fitted on. No evaluation, no training run and no default uses it."""

KEEP = 0.9
"""Default share of the first attempts that is accepted by the discriminator's ratio."""

MOST_MISSED = 0.01
"""Largest expected share of samples of which no attempt is accepted."""

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
    classifier_sha256: str | None = None
    """SHA-256 of the classifier that rejects. None: the discriminator does."""
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
    attempts = Attempts(engine, ClassifierScore(classifier), truncation)
    indices = np.arange(FITTED)
    scores = attempts.first_scores(FITTING_SEED, indices, labels_for(indices, engine.num_classes, None))
    fitted, other = np.split(np.random.default_rng(FITTING_SEED).permutation(scores), 2)
    threshold = choose_threshold(fitted, keep) if keep is not None else _read_as_requested(engine.num_classes)
    sampler = RejectionSampler(attempts, ThresholdAcceptance(threshold), most_attempts)
    rate = _rate(sampler.acceptance, other, most_attempts)
    return FittedRejection(sampler, keep, rate, len(other), classifier_sha256=card.sha256)


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
    calibration = calibrate(
        attempts.scores_of(as_input(held_out.images), labels),
        attempts.first_scores(FITTING_SEED, np.arange(len(held_out)), labels),
    )
    log_bound = choose_log_bound(calibration.fitted, keep)
    sampler = RejectionSampler(attempts, RatioAcceptance(calibration.log_ratio, log_bound), most_attempts)
    return FittedRejection(
        sampler,
        keep,
        _rate(sampler.acceptance, calibration.held_out, most_attempts),
        len(calibration.held_out),
        calibration=calibration.name,
        error=calibration.error,
        cut_share=float(np.mean(calibration.log_ratio(calibration.held_out) > log_bound)),
    )


def _rate(acceptance: Acceptance, scores: np.ndarray, most_attempts: int) -> float:
    """Returns the mean acceptance of scores. Raises `InputError` if too many samples would have no accepted attempt.

    Of an acceptance rate a, the share (1 - a)^most_attempts of the samples has none. More have none if classes differ.
    """
    rate = float(acceptance(scores).mean())
    if (1 - rate) ** most_attempts > MOST_MISSED:
        least = 1 - MOST_MISSED ** (1 / most_attempts)
        raise InputError(
            "Too few attempts are accepted",
            expected=f"a yield of at least {least:.2g} for at most {most_attempts} attempts; or more attempts",
            received=f"a yield of {rate:.2g} in {len(scores):,} samples",
        )
    return rate
