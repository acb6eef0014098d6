"""evaluate: how good a generator is, every number beside the same number for real against real."""

import time
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from gan import sampling
from gan.data import images
from gan.data.dataset import Dataset
from gan.errors import InputError, check, check_seed, check_share, check_whole
from gan.evaluation import metrics, projection, robustness
from gan.evaluation.classifier.extractor import Extractor, as_input
from gan.evaluation.metrics import Neighbours
from gan.evaluation.reference import (
    FLOOR_DRAWS,
    MOST,
    NEAREST,
    EvaluatedImages,
    Reference,
    at_hand,
    choose_subsets,
    labels_to_ask,
)
from gan.evaluation.report_text import MEANING, summary
from gan.models.networks.inputs import NetworkInputs
from gan.saving.files import null_for_nan
from gan.saving.metadata import ClassifierCard, check_card
from gan.tolerance import ErrorRate, samples_needed, verdict

EVALUATION_SEED = 1_000_003
"""Of the pictures that are judged: no training run and no default of `gan sample` uses it."""

LEAST = 200
"""Fewer pictures say too little to be worth a report."""

RECONSTRUCTED = 64
"""Test images whose latents are looked for."""

PERTURBED = 1_000
"""Pictures for each point of the perturbation curve."""


CONVENTIONS = {
    "images": "in [-1, 1]; a squared difference is the mean over pixels on that scale",
    "ssim": "window 11, sigma 1.5, K1 .01, K2 .03, data range 2",
    "precision, recall, density, coverage": f"k = {metrics.NEIGHBOURS}, inside is strictly nearer, itself left out",
    "kernel_distance": "(x.y / F + 1)^3, unbiased; standard error by jackknife over 10 blocks",
    "pairwise_ssim": "2,000 random pairs of one class",
    "nearest_mse, nearest_ssim, copied_share": f"the first {NEAREST:,} of each side; copied_share of real: test images",
    "reconstruction": f"the first {RECONSTRUCTED} of the test images; real: the training image nearest to each",
    "frechet_distance of real": f"the mean of {FLOOR_DRAWS} draws of training images: the floor",
    "training images": f"at most {MOST:,}, drawn at random where there are more",
    "interval": "Wilson, 95 %",
}


@dataclass(frozen=True)
class Evaluation:
    """A report, of JSON types, and the pictures that go with it: uint8 [H, W, C], by name."""

    report: dict[str, Any]
    pictures: dict[str, np.ndarray]


def evaluate(
    generator: keras.Model,
    dataset: Dataset,
    classifier: keras.Model,
    card: ClassifierCard,
    *,
    num: int = 10_000,
    tolerance: float = 0.02,
    seed: int = EVALUATION_SEED,
    trained_on: str | None = None,
) -> Evaluation:
    """Judges `num` pictures of a generator against as many test images, what it can reconstruct, and what it stands.

    A conditional generator is asked for the labels of randomly drawn training images, so that its classes have the
    shares of the data. For what is in the report see `evaluate_samples`; beside that, `reconstruction_mse` and
    `reconstruction_ssim` of 64 test images (real: the nearest training images in the place of reconstructions), and
    `perturbation`, the error rate against the severity of faults, of 1,000 pictures a point.

    Args:
        generator: conditional or not, of the size of the data set's images.
        dataset: one that the classifier's card names.
        classifier, card: from `load_classifier`: the feature extractor, and the judge of the error rate.
        num: pictures, at least 200 and at most as many as there are validation or test images.
        tolerance: the error rate that one accepts.
        seed: owner of the pictures, the labels and the draws. Another seed is a fresh sample.
        trained_on: name of the data set that the generator was trained on; None: this one. Of another one nobody can
            tell here what was copied.

    Raises `InputError` when generator, data set and classifier do not belong together.
    """
    check_seed(seed)
    check_card(dataset.name, card, dataset.image_shape)
    _check_generator(generator, dataset)
    _check_num(num, dataset)
    dataset = at_hand(dataset)
    started = time.monotonic()
    asked = labels_to_ask(dataset, num, seed) if NetworkInputs.of(generator).num_classes else None
    fake = sampling.generate(generator, num, seed=seed, labels=asked, batch_size=250)
    seconds = {"generate": time.monotonic() - started}
    judged = evaluate_samples(
        fake, asked, dataset, classifier, card, tolerance=tolerance, seed=seed, trained_on=trained_on
    )

    started = time.monotonic()
    test = dataset.test.take(np.random.default_rng([seed, 2]).permutation(len(dataset.test))[: min(RECONSTRUCTED, num)])
    originals = as_input(test.images)
    found = projection.project(generator, originals, labels=None if asked is None else test.labels, seed=seed)
    nearest = metrics.nearest_neighbours(originals, as_input(dataset.train.images))
    report = judged.report
    for name, value, real in (("mse", found.mse, nearest.mse), ("ssim", found.ssim, nearest.ssim)):
        row = {"value": float(value.mean()), "real": float(real.mean())}
        report["metrics"][f"reconstruction_{name}"] = null_for_nan(row)
    report["not_known"] = _not_known(report["metrics"], dataset)
    report["reconstruction"] = {"num": len(originals), "steps": found.steps, "restarts": found.restarts}
    seconds["reconstruct"] = time.monotonic() - started

    started = time.monotonic()
    labels = None if asked is None else asked[:PERTURBED]
    curve = robustness.generator_curve(generator, classifier, min(PERTURBED, num), labels=labels, seed=seed)
    report["perturbation"] = [
        {
            "fault": point.fault,
            "severity": point.severity,
            "n": point.rate.n,
            "error_rate": point.rate.value,
            "error_rate_lower": point.rate.interval[0],
            "error_rate_upper": point.rate.interval[1],
        }
        for point in curve
    ]
    seconds["perturb"] = time.monotonic() - started
    report["seconds"] = {name: round(took, 2) for name, took in {**seconds, **report["seconds"]}.items()}
    report["summary"] = summary(report)
    reconstructions = projection.comparison(originals, found, columns=16, scale=2)
    return Evaluation(report, {**judged.pictures, "reconstructions": reconstructions})


def evaluate_samples(
    pictures: np.ndarray,
    labels: np.ndarray | None,
    dataset: Dataset,
    classifier: keras.Model,
    card: ClassifierCard,
    *,
    tolerance: float = 0.02,
    seed: int = EVALUATION_SEED,
    trained_on: str | None = None,
) -> Evaluation:
    """Judges pictures, wherever they come from: float32 [N, H, W, C] in [-1, 1], and the labels asked for (or None).

    `report["metrics"]` is {name: {"value", "real"}}, where "real" is the same number for as many validation images in
    the place of the pictures; but that of `frechet_distance` is the floor, the mean of ten draws of as many training
    images. The error rate has its Wilson interval, and the report its verdict against `tolerance`. `copied_share` is
    None where it cannot be told, and so are both sides of a metric that is not known: `report["not_known"]` says why,
    {name: reason}. Those are the metrics of SSIM, of images with a side below 11 pixels. For the arguments see
    `evaluate`.

    Raises `InputError` when pictures, data set and classifier do not belong together, or pictures are not finite.
    """
    check_card(dataset.name, card, dataset.image_shape)
    check_share("tolerance", tolerance)
    num = len(pictures)
    _check_num(num, dataset)
    _check_shape(pictures.shape[1:], dataset)
    check(bool(np.isfinite(pictures).all()), "pictures", "finite images", "NaN or infinity")
    check(float(np.abs(pictures).max()) <= 1.001, "pictures", "values in [-1, 1]", float(np.abs(pictures).max()))
    dataset = at_hand(dataset)
    chosen = choose_subsets(dataset, num, seed)
    test, validation = chosen.test, chosen.validation

    started = time.monotonic()
    extractor = Extractor(classifier)
    real = as_input(validation.images)
    fake_side = EvaluatedImages(pictures, labels, extractor.arrays(pictures))
    real_side = EvaluatedImages(real, None if labels is None else validation.labels, extractor.arrays(real))
    reference = Reference(extractor, extractor.arrays(as_input(test.images)), as_input(dataset.train.images))
    floor = reference.floor(chosen.floor)
    seconds = {"features": time.monotonic() - started}

    started = time.monotonic()
    sides, near = reference.numbers({"fake": fake_side, "real": real_side})
    sides["real"].update(frechet_distance=floor["mean"], frechet_distance_stderr=floor["spread"])
    # validation images, since they come from the same pile as the training images: the test images are of other hands
    held_out = as_input(dataset.validation.images)
    known = trained_on in (None, dataset.name)
    copied = metrics.copied_share(pictures[:NEAREST], reference.train, held_out)
    copied_real = metrics.copied_share(as_input(test.images[:NEAREST]), reference.train, held_out)
    seconds["metrics"] = time.monotonic() - started

    rate = ErrorRate(round(num * sides["fake"]["error_rate"]), num)
    coverages = {"coverage": sides["fake"]["coverage"], "real_coverage": sides["real"]["coverage"]}
    decision = verdict(rate, tolerance, **coverages)
    reasons = []
    if decision == "undecided":
        reasons += ["error_rate"] * (verdict(rate, tolerance) == "undecided")
        reasons += ["coverage"] * (verdict(ErrorRate(0, 10**6), tolerance, **coverages) != "within")
    rows = {name: {"value": value, "real": sides["real"][name]} for name, value in sides["fake"].items()}
    report: dict[str, Any] = {
        "dataset": dataset.name,
        "reference": f"{num} test images, features of the classifier",
        "classifier_sha256": card.sha256,
        "conventions": CONVENTIONS,
        "num": num,
        "seed": seed,
        "conditional": labels is not None,
        "labels": "of random training images"
        if labels is not None
        else f"none: wrong is a probability below {metrics.SURE}",
        "meaning": MEANING,
        "metrics": null_for_nan(rows),
        "not_known": _not_known(rows, dataset),
        "frechet_floor": floor,
        "frechet_in_floors": sides["fake"]["frechet_distance"] / floor["mean"],
        **(null_for_nan(copied) if known else dict.fromkeys(copied)),
        "copied_share_real": null_for_nan(copied_real),
        "nearest_num": min(num, NEAREST),
        "class_histogram": {
            name: np.bincount(seen, minlength=extractor.classes).tolist()
            for name, seen in (("pictures", fake_side.seen), ("real", reference.outputs["logits"].argmax(axis=1)))
        },
        "error_rate_by_class": _by_class(fake_side, extractor.classes),
        "tolerance": tolerance,
        "verdict": decision,
        "undecided_because_of": reasons,
        "samples_needed": samples_needed(rate, tolerance) if reasons == ["error_rate"] else None,
        "samples_at_hand": min(len(dataset.test), len(dataset.validation)),
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
    }
    report["summary"] = summary(report)
    shown = {
        "samples": _by_rows(fake_side, extractor.classes),
        "neighbours": _beside(fake_side, near["fake"], dataset.train.images),
    }
    return Evaluation(report, shown)


def _not_known(rows: dict[str, Any], dataset: Dataset) -> dict[str, str]:
    """{name: reason} of the metrics among `rows` that are not known of such images."""
    why = metrics.why_no_ssim(dataset.image_shape)
    return {name: why for name in rows if why is not None and name.endswith("_ssim")}


def _check_generator(generator: keras.Model, dataset: Dataset) -> None:
    _check_shape(generator.output_shape[1:], dataset)
    classes = NetworkInputs.of(generator).num_classes
    if classes and dataset.test.labels is None:
        raise InputError("The checkpoint is conditional", expected="a data set with labels", received=dataset.name)
    if classes not in (0, dataset.num_classes):
        raise InputError("The checkpoint has other classes", expected=str(dataset.num_classes), received=str(classes))


def _check_shape(shape: tuple[int, ...], dataset: Dataset) -> None:
    if tuple(shape) != dataset.image_shape:
        raise InputError(
            "The pictures have another size than the data",
            expected=str(dataset.image_shape),
            received=str(tuple(shape)),
        )


def _check_num(num: int, dataset: Dataset) -> None:
    check_whole("num", num, LEAST, min(len(dataset.test), len(dataset.validation)))


def _by_class(side: EvaluatedImages, classes: int) -> list[dict[str, Any]]:
    """The error rate of each class that was asked for."""
    if side.labels is None:
        return []
    rates = []
    for label in range(classes):
        of_class = side.labels == label
        if of_class.any():
            rate = ErrorRate(int((side.seen[of_class] != label).sum()), int(of_class.sum()))
            rates.append({"label": label, "n": rate.n, "error_rate": rate.value, "error_rate_upper": rate.interval[1]})
    return rates


def _by_rows(side: EvaluatedImages, classes: int) -> np.ndarray:
    """Ten pictures of each class, a row a class: as asked, or as seen where nothing was asked."""
    kinds = side.seen if side.labels is None else side.labels
    rows = [np.flatnonzero(kinds == label)[:10] for label in range(min(classes, 20))]
    blank = np.full((10, *side.pictures.shape[1:]), -1.0, np.float32)
    shown = [np.concatenate([side.pictures[row], blank[len(row) :]]) for row in rows]
    return images.grid(images.to_uint8(np.concatenate(shown)), columns=10, scale=2)


def _beside(side: EvaluatedImages, near: Neighbours, train: np.ndarray) -> np.ndarray:
    """Sixteen pictures, each with the nearest training image at its right: of each class seen the one that is nearest
    to a training image, ten at most, after the first of all pictures."""
    seen = side.seen[: len(near.mse)]
    nearest = [min(np.flatnonzero(seen == label), key=lambda i: near.mse[i]) for label in np.unique(seen)[:10]]
    chosen = np.concatenate([np.arange(16 - len(nearest)), nearest])
    pairs = np.stack([images.to_uint8(side.pictures[chosen]), train[near.index[chosen]]], axis=1)
    return images.grid(pairs.reshape(-1, *train.shape[1:]), columns=8, scale=2)
