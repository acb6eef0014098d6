"""Evaluation of a generator: each number, and the same number for real images."""

import time
import warnings
from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace

import numpy as np

from gan import sampling
from gan.data.dataset import Dataset
from gan.data.load import DatasetLike, as_dataset
from gan.errors import InputError, check_seed, check_share
from gan.evaluation import metrics, robustness
from gan.evaluation.classifier.extractor import ClassifierLike, Extractor, as_input, make_extractor
from gan.evaluation.conventions import CONVENTIONS
from gan.evaluation.decision import decide
from gan.evaluation.error_rate import (
    BATCH,
    SampleOutcomes,
    check_samples,
    find_wrong,
    in_blocks,
    real_error_rate,
    wrong_in_blocks,
)
from gan.evaluation.features import RANDOM, FeaturesLike
from gan.evaluation.grids import by_rows, with_neighbors
from gan.evaluation.reconstruction import RECONSTRUCTED, reconstruct
from gan.evaluation.reference import (
    NEAREST,
    EvaluatedImages,
    Reference,
    choose_labels,
    choose_subsets,
    limit_images,
    samples_to_compare,
    why_few,
)
from gan.evaluation.report import (
    FEW,
    ClassCounts,
    CopiedShare,
    EvaluationReport,
    MetricRow,
    PerturbationPoint,
)
from gan.evaluation.report_text import explain, summary
from gan.sampling.generators import GeneratorLike, as_engine
from gan.sampling.labels import labels_for
from gan.saving.engines.engine import Engine
from gan.saving.files import null_for_nan
from gan.saving.metadata import ClassifierCard
from gan.utils.arguments import checked

EVALUATION_SEED = 1_000_003
"""Seed of the evaluated samples. No training run and no default of `gan sample` uses it."""

PERTURBED = 1_000
"""Samples per point of the perturbation curve."""


@dataclass(frozen=True)
class Evaluation:
    """A report and its images: {name: uint8 [H, W, C]}."""

    report: EvaluationReport
    images: dict[str, np.ndarray]


@checked
def evaluate(
    generator: GeneratorLike,
    dataset: DatasetLike,
    classifier: ClassifierLike | None = None,
    card: ClassifierCard | None = None,
    *,
    features: FeaturesLike | None = None,
    num: int = 10_000,
    tolerance: float | None = None,
    seed: int = EVALUATION_SEED,
    trained_on: str | None = None,
) -> Evaluation:
    """Evaluates a generator: sample quality, reconstruction of test images, robustness to faults.

    A conditional generator receives the labels of randomly drawn training images, so its classes have the shares of
    the data. `evaluate_samples` describes the report. In addition, it contains `reconstruction_mse` and
    `reconstruction_ssim` of 64 test images (real: the nearest training images instead of reconstructions), and
    `perturbation`: the error rate against the severity of faults, with 1,000 samples per point.

    Args:
        generator: conditional or unconditional; its samples have the shape of the dataset's images. Also a GAN, or what
            `load_generator` or `load_exported` loads. An exported generator is not reconstructed with, since it has no
            gradients, and its only fault is `latent_noise`.
        dataset: a dataset named by the classifier's card, or its name. Without a classifier, any dataset.
        classifier, card: from `load_classifier`, or what it loads, without a card. Provides the features, and decides
            which samples are wrong. None: no error rate is measured, and faults are not tried.
        features: network to compare samples and real images with, see `load_features`. None: the classifier, or
            without one the fixed random network, see `random_features`.
        num: number of samples, from 2 to 10 million. All of them count for the error rate. Only the first ones are
            compared with real images, and kept in memory: at most as many as the smallest split has. Without a
            classifier, no others are drawn. Below 200, a warning says that the report proves little, and some numbers
            may not be known.
        tolerance: the highest acceptable error rate, a share, for a verdict. None: numbers without a verdict.
        seed: seed of the samples, the labels and the draws. Another seed draws new samples.
        trained_on: name of the dataset that the generator was trained on. None: `dataset`. If it is another dataset,
            or "" for an unknown one, the share of copies is not known.

    Raises `InputError` if generator, dataset, classifier and features do not match, and for a tolerance without a
    classifier.
    """
    check_seed(seed)
    engine, dataset = as_engine(generator), as_dataset(dataset)
    _check_tolerance(tolerance, classifier)
    extractor, card = make_extractor(dataset, classifier, card, features)
    check_generator(engine, dataset)
    compared, fingerprint = samples_to_compare(num, dataset), dataset.fingerprint
    of_test = dataset.test_fingerprint
    num = num if extractor.classes else compared  # the others count for the error rate alone
    dataset = limit_images(dataset)
    started = time.monotonic()
    requested = choose_labels(dataset, num, seed) if engine.num_classes else None
    first, rest = (None, None) if requested is None else (requested[:compared], requested[compared:])
    samples = sampling.generate(engine, compared, seed=seed, labels=first, batch_size=BATCH)
    check_samples(samples)
    seconds = {"generate": time.monotonic() - started}
    others = np.zeros(0, bool)
    if num > compared:
        started = time.monotonic()
        others = find_wrong(engine, extractor, num - compared, seed=seed, start=compared, labels=rest)
        seconds["error_rate"] = time.monotonic() - started
    evaluated = _evaluate(
        samples, others, requested, dataset, extractor, card, tolerance=tolerance, seed=seed, trained_on=trained_on
    )

    report = replace(evaluated.report, train_sha256=fingerprint, test_sha256=of_test)
    if extractor.classifier is None:
        report = replace(report, not_known={**report.not_known, "perturbation": "a fault needs an error rate"})
    else:
        started = time.monotonic()
        labels = None if requested is None else requested[:PERTURBED]
        curve = robustness.generator_curve(engine, extractor.classifier, min(PERTURBED, num), labels=labels, seed=seed)
        seconds["perturb"] = time.monotonic() - started
        points = (
            PerturbationPoint(point.fault, point.severity, point.rate.n, point.rate.value, *point.rate.interval)
            for point in curve
        )
        report = replace(report, perturbation=tuple(points))

    started = time.monotonic()
    reconstructed = reconstruct(engine, dataset, requested is not None, min(RECONSTRUCTED, compared), seed)
    report = replace(
        report,
        metrics={**report.metrics, **reconstructed.rows},
        not_known={**report.not_known, **reconstructed.not_known},
        reconstruction=reconstructed.reconstruction,
    )
    seconds["reconstruct"] = time.monotonic() - started

    report = replace(report, seconds={**_rounded(seconds), **report.seconds})
    return Evaluation(_complete(report, dataset), {**evaluated.images, **reconstructed.images})


def _check_tolerance(tolerance: float | None, classifier: ClassifierLike | None) -> None:
    if tolerance is None:
        return
    check_share("tolerance", tolerance)
    if classifier is None:
        expected = "a classifier too (gan train-classifier makes one), or no tolerance"
        raise InputError("A tolerance needs a classifier", expected=expected, received=f"tolerance={tolerance}")


@checked
def evaluate_samples(
    samples: np.ndarray,
    labels: np.ndarray | None,
    dataset: DatasetLike,
    classifier: ClassifierLike | None = None,
    card: ClassifierCard | None = None,
    *,
    features: FeaturesLike | None = None,
    tolerance: float | None = None,
    seed: int = EVALUATION_SEED,
    trained_on: str | None = None,
) -> Evaluation:
    """Evaluates samples from any source: float32 [N, H, W, C] in [-1, 1], and their requested labels (or None).

    All samples count for the error rate, the worst class and the error rate of each class. All other numbers compare
    the first samples, `report.compared`, with real images: at most as many as the smallest split has. Without a
    classifier, the first samples are all that count.

    `report.metrics` is {name: row}. A row contains the `value` of the samples, and `real`, the same number for
    `report.compared` validation images instead of samples. For `frechet_distance`, `real` is the floor: the mean of ten
    draws of as many training images. The report also contains the Wilson interval of the error rate, and the verdict
    if there is a `tolerance`. `copied_share` is None if it is not known. Both numbers of a row are None if the metric
    is not known; `report.not_known` contains {name: reason}. This concerns SSIM metrics of images with a side below 11
    pixels. `evaluate` describes the arguments.

    Raises `InputError` if samples, dataset, classifier and features do not match, samples are not finite, and for a
    tolerance without a classifier.
    """
    dataset = as_dataset(dataset)
    _check_tolerance(tolerance, classifier)
    extractor, card = make_extractor(dataset, classifier, card, features)
    check_seed(seed)
    _check_shape(samples.shape[1:], dataset)
    num = len(samples)
    compared = samples_to_compare(num, dataset)
    labels = None if labels is None else labels_for(np.arange(num), dataset.num_classes, labels)
    first, others = samples[:compared], np.zeros(0, bool)
    check_samples(first)
    if extractor.classes:
        rest = None if labels is None else labels[compared:]
        others = wrong_in_blocks(in_blocks(samples[compared:]), extractor, rest)
    dataset = limit_images(dataset)
    return _evaluate(
        first, others, labels, dataset, extractor, card, tolerance=tolerance, seed=seed, trained_on=trained_on
    )


def _evaluate(
    samples: np.ndarray,
    others: np.ndarray,
    labels: np.ndarray | None,
    dataset: Dataset,
    extractor: Extractor,
    card: ClassifierCard | None,
    *,
    tolerance: float | None,
    seed: int,
    trained_on: str | None,
) -> Evaluation:
    """Compares samples with real images, and measures the error rate of these and other samples.

    others: which of the other samples are wrong. labels: those of the samples, then those of the others, or None. card:
    that of the classifier, or None without one.
    """
    compared, num = len(samples), len(samples) + len(others)
    if compared < FEW:
        what, why = f"{num} samples", "their confidence intervals are wide"
        if num >= FEW:
            what, why = f"{compared} test images", "other numbers than the error rate are not precise"
        warnings.warn(f"{what} prove little: {why}; {FEW} or more are advisable", stacklevel=3)
    chosen = choose_subsets(dataset, compared, seed)
    test, validation = chosen.test, chosen.validation

    started = time.monotonic()
    held_out = as_input(validation.images)
    fake = EvaluatedImages(samples, None if labels is None else labels[:compared], extractor.arrays(samples))
    real = EvaluatedImages(held_out, None if labels is None else validation.labels, extractor.arrays(held_out))
    reference = Reference(extractor, extractor.arrays(as_input(test.images)), as_input(dataset.train.images))
    floor = reference.floor(chosen.floor)
    seconds = {"features": time.monotonic() - started}

    started = time.monotonic()
    value, near = reference.numbers(fake)
    value_of_real, _ = reference.numbers(real)
    outcomes = None if card is None else SampleOutcomes(np.concatenate([fake.wrong, others]), labels)
    if outcomes is not None:
        value.update(outcomes.numbers())
    for numbers, images in ((value, samples), (value_of_real, held_out)):
        numbers.update(_sliced(as_input(test.images[:NEAREST]), images[:NEAREST], seed))
    value_of_real.update(frechet_distance=floor.mean, frechet_distance_stderr=floor.spread)
    # validation images come from the same source as the training images; the test digits have other writers
    unseen = as_input(dataset.validation.images)
    copied = _copied_share(samples[:NEAREST], reference.train, unseen)
    copied_real = _copied_share(as_input(test.images[:NEAREST]), reference.train, unseen)
    share = copied if trained_on in (None, dataset.name) else _NO_SHARE
    seconds["metrics"] = time.monotonic() - started

    rate = None if outcomes is None else outcomes.rate
    real_rate = None
    if outcomes is not None:
        real_rate = real_error_rate(extractor, dataset.test, is_conditional=labels is not None)
    decided = decide(rate, tolerance, value["coverage"], value_of_real["coverage"], real_rate)
    classes, source = extractor.classes, extractor.source(None if card is None else card.sha256)
    report = EvaluationReport(
        dataset=dataset.name,
        reference=f"{compared} test images, features of {_OF_SOURCE.get(source.name, 'a given network')}",
        classifier_sha256=None if card is None else card.sha256,
        features=source,
        conventions=CONVENTIONS,
        num=num,
        compared=compared,
        seed=seed,
        conditional=labels is not None,
        labels=_labels_text(labels, outcomes),
        meaning=explain(value, source, of_class=labels is not None or classes > 0),
        metrics=_rows(value, value_of_real),
        frechet_floor=floor,
        frechet_in_floors=value["frechet_distance"] / floor.mean if floor.mean > 0 else None,
        copied_share=share.copied_share,
        copied_share_lower=share.copied_share_lower,
        copied_share_upper=share.copied_share_upper,
        copied_share_real=copied_real,
        nearest_num=min(compared, NEAREST),
        class_histogram=_histogram(fake, reference, classes),
        error_rate_by_class=() if outcomes is None else outcomes.by_class(classes),
        worst_class=None if outcomes is None else outcomes.worst_class(classes),
        worst_class_real=None if outcomes is None else SampleOutcomes(real.wrong, real.labels).worst_class(classes),
        tolerance=tolerance,
        real_rate=real_rate,
        verdict=decided.verdict,
        undecided_because_of=decided.because_of,
        samples_needed=decided.samples_needed,
        seconds=_rounded(seconds),
    )
    grids = {
        "samples": by_rows(fake, classes or dataset.num_classes),
        "neighbours": with_neighbors(fake, near, dataset.train.images),
    }
    return Evaluation(_complete(report, dataset), grids)


_OF_SOURCE = {"classifier": "the classifier", RANDOM: "a fixed random network"}
"""Name of a source of features -> how a report names it."""


def _labels_text(labels: np.ndarray | None, outcomes: SampleOutcomes | None) -> str:
    if labels is not None:
        return "of random training images"
    return "none" if outcomes is None else f"none; wrong: top probability below {metrics.SURE}"


def _histogram(fake: EvaluatedImages, reference: Reference, classes: int) -> ClassCounts | None:
    if fake.seen is None:
        return None
    real = reference.outputs["logits"].argmax(axis=1)
    return ClassCounts(_counts(fake.seen, classes), _counts(real, classes))


def _sliced(real: np.ndarray, images: np.ndarray, seed: int) -> dict[str, float]:
    """Returns the sliced Wasserstein distance; NaN for images that are too small for a patch."""
    if min(real.shape[1:3]) < metrics.SMALLEST_SIDE:
        return {metrics.SLICED: np.nan}
    return metrics.sliced_wasserstein(real, images, seed=seed)


_NO_SHARE = CopiedShare(None, None, None)


def _copied_share(images: np.ndarray, train: np.ndarray, unseen: np.ndarray) -> CopiedShare:
    """Returns the share of copies; not known if there are fewer training images than held-out ones."""
    return CopiedShare(**metrics.copied_share(images, train, unseen)) if len(train) >= len(unseen) else _NO_SHARE


def _complete(report: EvaluationReport, dataset: Dataset) -> EvaluationReport:
    """Replaces NaN by None, and adds the reasons for numbers that are not known and the summary."""
    reason = metrics.why_no_ssim(dataset.image_shape)
    not_known = {name: reason for name in report.metrics if reason is not None and name.endswith("_ssim")}
    if min(dataset.image_shape[:2]) < metrics.SMALLEST_SIDE:
        not_known[metrics.SLICED] = f"it needs images of at least {metrics.SMALLEST_SIDE} pixels in height and width"
    report = null_for_nan(report)
    if None in astuple(report.metrics["pairwise_ssim"]):
        not_known.setdefault("pairwise_ssim", "no class has two images")
    report = replace(report, not_known={**why_few(report.compared), **not_known, **report.not_known})
    return replace(report, summary=summary(report))


def _rows(value: Mapping[str, float], real: Mapping[str, float]) -> dict[str, MetricRow]:
    return {name: MetricRow(number, real[name]) for name, number in value.items()}


def _rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    return {name: round(took, 2) for name, took in seconds.items()}


def _counts(seen: np.ndarray, classes: int) -> tuple[int, ...]:
    return tuple(np.bincount(seen, minlength=classes).tolist())


def check_generator(engine: Engine, dataset: Dataset) -> None:
    """Raises `InputError` unless a generator draws images of the shape and the classes of a dataset."""
    _check_shape(engine.image_shape, dataset)
    classes = engine.num_classes
    if classes and dataset.test.labels is None:
        raise InputError("The checkpoint is conditional", expected="a dataset with labels", received=dataset.name)
    if classes not in (0, dataset.num_classes):
        raise InputError(
            "Checkpoint and dataset differ in classes", expected=str(dataset.num_classes), received=str(classes)
        )


def _check_shape(shape: tuple[int, ...], dataset: Dataset) -> None:
    if tuple(shape) != dataset.image_shape:
        raise InputError(
            "Samples and dataset differ in image shape",
            expected=str(dataset.image_shape),
            received=str(tuple(shape)),
        )
