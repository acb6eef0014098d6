"""evaluate: how good a generator is, every number beside the same number for real against real."""

import time
from typing import Any

import keras
import numpy as np

from gan import metrics, networks, sampling
from gan.checks import check, check_share, check_whole
from gan.classifier import as_input, outputs, top_probability
from gan.data import Dataset
from gan.errors import InputError
from gan.metrics.frechet import frechet_distance
from gan.tolerance import ErrorRate, samples_needed, verdict

EVALUATION_SEED = 1_000_003
"""Of the pictures that are judged: no training run and no default of `gan sample` uses it."""

FLOOR_DRAWS = 10
MOST_COPIES = 2_000
"""Pictures that are looked at for copies: each is compared with all training images several times."""

LEAST = 200
"""Fewer pictures say too little to be worth a report."""

MEANING = {
    "error_rate": "share of digits that the classifier does not read as asked",
    "frechet_distance": "distance of features from the test images'; fewer images make it larger",
    "kernel_distance": "distance of features without a bias by number; 0 is the best on the mean",
    "precision": "share of pictures that lie among real ones",
    "recall": "share of real images that lie among the pictures",
    "density": "how thickly real images lie around the pictures",
    "coverage": "share of real images that have a picture near them",
    "class_kl": "distance of the shares of the classes seen from the data's, in nats",
    "pairwise_ssim": "likeness of pictures of one class; above the real: less variety",
    "nearest_mse": "mean squared difference to the nearest training image; low may be a copy",
    "nearest_ssim": "likeness to that training image",
    "copied_share": "share of pictures that copy a training image",
}
"""What each number of a report means, in a sentence."""


def evaluate(
    generator: keras.Model,
    dataset: Dataset,
    classifier: keras.Model,
    card: dict[str, Any],
    *,
    num: int = 10_000,
    tolerance: float = 0.02,
    seed: int = EVALUATION_SEED,
) -> dict[str, Any]:
    """Judges `num` pictures of a generator against as many test images; returns the report, of JSON types.

    `report["metrics"]` is {name: {"value", "real"}}, where "real" is the same number for `num` validation images in the
    place of the pictures; but that of `frechet_distance` is the floor, the mean of ten draws of `num` training images.
    A conditional generator is asked for the labels of randomly drawn training images, so that its classes have the
    shares of the data. The error rate has its Wilson interval, and the report its verdict against `tolerance`.

    Args:
        generator: conditional or not, of the size of the data set's images.
        dataset: one that the classifier's card names.
        classifier, card: from `load_classifier`: the feature extractor, and the judge of the error rate.
        num: pictures, at least 200 and at most as many as there are validation or test images.
        tolerance: the error rate that one accepts.
        seed: owner of the pictures, the labels and the draws. Another seed is a fresh sample.

    Raises `InputError` when generator, data set and classifier do not belong together.
    """
    started = time.monotonic()
    _check_belonging(generator, dataset, card)
    check_whole("num", num, LEAST, min(len(dataset.test), len(dataset.validation)))
    check_share("tolerance", tolerance)
    rng = np.random.default_rng(seed)
    test, validation = (part.take(rng.permutation(len(part))[:num]) for part in (dataset.test, dataset.validation))
    draws = [rng.permutation(len(dataset.train))[:num] for _ in range(FLOOR_DRAWS)]
    conditional = networks.num_classes(generator) > 0
    asked = None
    if conditional and dataset.train.labels is not None:
        asked = dataset.train.labels[rng.permutation(len(dataset.train))[:num]]

    fake = sampling.generate(generator, num, seed=seed, labels=asked, batch_size=250)
    check(bool(np.isfinite(fake).all()), "generator", "finite images", "NaN or infinity")
    seconds = {"generate": time.monotonic() - started}

    train = as_input(dataset.train.images)
    drawn, position = np.unique(np.concatenate(draws), return_inverse=True)
    reference, reference_logits = outputs(classifier, as_input(test.images))
    floor_features, _ = outputs(classifier, train[drawn])
    target = _moments(reference)
    floor = [
        float(frechet_distance(*_moments(floor_features[rows]), *target)) for rows in np.split(position, FLOOR_DRAWS)
    ]
    seconds["features"] = time.monotonic() - started - seconds["generate"]

    sides, rates = {}, {}
    for side, pictures, labels in (
        ("fake", fake, asked),
        ("real", as_input(validation.images), validation.labels if conditional else None),
    ):
        features, logits = outputs(classifier, pictures)
        seen = logits.argmax(axis=1)
        wrong = seen != labels if labels is not None else top_probability(logits) < metrics.SURE
        rates[side] = ErrorRate(int(wrong.sum()), num)
        kernel, kernel_error = metrics.kernel_distance(reference, features)
        near = metrics.nearest_neighbours(pictures, train)
        histogram, real_histogram = (
            np.bincount(x, minlength=logits.shape[1]) for x in (seen, reference_logits.argmax(axis=1))
        )
        sides[side] = {
            "error_rate": rates[side].value,
            "error_rate_lower": rates[side].interval[0],
            "error_rate_upper": rates[side].interval[1],
            "frechet_distance": float(frechet_distance(*_moments(features), *target)),
            "kernel_distance": kernel,
            "kernel_distance_stderr": kernel_error,
            **metrics.precision_recall(reference, features),
            "class_kl": float(metrics.class_kl(histogram, real_histogram)),
            "pairwise_ssim": metrics.pairwise_ssim(pictures, seen if labels is None else labels),
            "nearest_mse": float(near.mse.mean()),
            "nearest_ssim": float(near.ssim.mean()),
        }
        if side == "fake":
            class_histogram = histogram.tolist()
    sides["real"]["frechet_distance"] = float(np.mean(floor))
    # validation images, since they come from the same pile as the training images: the test images are of other hands
    copied = metrics.copied_share(fake[:MOST_COPIES], train, as_input(dataset.validation.images))
    seconds["metrics"] = time.monotonic() - started - sum(seconds.values())

    decision = verdict(
        rates["fake"], tolerance, coverage=sides["fake"]["coverage"], real_coverage=sides["real"]["coverage"]
    )
    by_rate = verdict(rates["fake"], tolerance)
    reason = None if decision != "undecided" else "error_rate" if by_rate == "undecided" else "coverage"
    return {
        "dataset": dataset.name,
        "reference": f"{num} test images, features of the classifier",
        "classifier_sha256": card["sha256"],
        "num": num,
        "seed": seed,
        "labels": "of random training images" if conditional else f"none: wrong is a probability below {metrics.SURE}",
        "meaning": MEANING,
        "metrics": {name: {"value": value, "real": sides["real"][name]} for name, value in sides["fake"].items()},
        "frechet_floor": {"mean": float(np.mean(floor)), "spread": float(np.std(floor, ddof=1)), "draws": FLOOR_DRAWS},
        "frechet_in_floors": sides["fake"]["frechet_distance"] / float(np.mean(floor)),
        **copied,
        "copied_share_num": min(num, MOST_COPIES),
        "class_histogram": class_histogram,
        "tolerance": tolerance,
        "verdict": decision,
        "undecided_because_of": reason,
        "samples_needed": samples_needed(rates["fake"], tolerance) if reason == "error_rate" else None,
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
    }


def _check_belonging(generator: keras.Model, dataset: Dataset, card: dict[str, Any]) -> None:
    if dataset.name not in card["data_sets"]:
        raise InputError(
            "The classifier is for another data set",
            expected=f"one of {card['data_sets']}",
            received=f"dataset={dataset.name!r}",
        )
    shape = tuple(generator.outputs[0].shape[1:])
    if shape != dataset.image_shape:
        raise InputError(
            "The checkpoint makes images of another size", expected=str(dataset.image_shape), received=str(shape)
        )
    classes = networks.num_classes(generator)
    if classes not in (0, dataset.num_classes):
        raise InputError("The checkpoint has other classes", expected=str(dataset.num_classes), received=str(classes))


def _moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    features = features.astype(np.float64)
    return features.mean(axis=0), np.cov(features, rowvar=False)
