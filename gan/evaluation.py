"""evaluate: how good a generator is, every number beside the same number for real against real."""

import time
from typing import Any

import keras
import numpy as np

from gan import metrics, networks, sampling
from gan.checks import check, check_share, check_whole
from gan.classifier import as_input, outputs
from gan.data import Dataset
from gan.errors import InputError
from gan.metrics.frechet import frechet_distance
from gan.tolerance import ErrorRate, samples_needed, verdict

EVALUATION_SEED = 1_000_003
"""Of the pictures that are judged: no training run and no default of `gan sample` uses it."""

FLOOR_DRAWS = 10
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
    """Judges `num` pictures of a generator against the test split; returns the report, of JSON types.

    `report["metrics"]` is {name: {"value", "real"}}, where "real" is the same number for `num` permuted training
    images in the place of the pictures (for `frechet_distance` the mean of ten such draws, with `real_spread`: the
    floor). The error rate has its Wilson interval, and the report its verdict against `tolerance`.

    Args:
        generator: conditional or not, of the size of the data set's images.
        dataset: the one that the classifier's card names.
        classifier, card: from `load_classifier`: the feature extractor, and the judge of the error rate.
        num: pictures, at least 200 and at most as many as there are test images.
        tolerance: the error rate that one accepts.
        seed: owner of the pictures.

    Raises `InputError` when generator, data set and classifier do not belong together.
    """
    started = time.monotonic()
    _check_belonging(generator, dataset, card)
    check_whole("num", num, LEAST, len(dataset.test))
    check_share("tolerance", tolerance)
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(dataset.test))[:num]
    test = dataset.test.take(chosen)
    train, held_out = as_input(dataset.train.images), as_input(test.images)

    fake = sampling.generate(generator, num, seed=seed, batch_size=250)
    check(bool(np.isfinite(fake).all()), "generator", "finite images", "NaN or infinity")
    asked = np.arange(num) % dataset.num_classes if networks.num_classes(generator) else None
    seconds = {"generate": time.monotonic() - started}

    of = {name: outputs(classifier, x) for name, x in (("fake", fake), ("test", held_out), ("train", train))}
    draws = [rng.permutation(len(train))[:num] for _ in range(FLOOR_DRAWS)]
    seconds["features"] = time.monotonic() - started - seconds["generate"]

    reference = _moments(of["test"][0])
    floor = [float(frechet_distance(*_moments(of["train"][0][draw]), *reference)) for draw in draws]
    features = {"fake": of["fake"][0], "real": of["train"][0][draws[0]]}
    logits = {"fake": of["fake"][1], "real": of["train"][1][draws[0]]}
    labels = {"fake": asked, "real": dataset.train.labels[draws[0]] if dataset.train.labels is not None else None}
    pictures = {"fake": fake, "real": train[draws[0]]}
    sides: dict[str, dict[str, Any]] = {}
    for side in ("fake", "real"):
        kernel, kernel_error = metrics.kernel_distance(of["test"][0], features[side])
        seen = logits[side].argmax(axis=1)
        wrong = seen != labels[side] if asked is not None else _top_probability(logits[side]) < 0.9
        rate = ErrorRate(int(wrong.sum()), num)
        near = metrics.nearest_neighbours(fake if side == "fake" else held_out, train)
        sides[side] = {
            "error_rate": rate.value,
            "error_rate_lower": rate.interval[0],
            "error_rate_upper": rate.interval[1],
            "frechet_distance": float(frechet_distance(*_moments(features[side]), *reference)),
            "kernel_distance": kernel,
            "kernel_distance_stderr": kernel_error,
            **metrics.precision_recall(of["test"][0], features[side]),
            "class_kl": _class_kl(seen, of["test"][1].argmax(axis=1), logits[side].shape[1]),
            "pairwise_ssim": metrics.pairwise_ssim(pictures[side], seen if labels[side] is None else labels[side]),
            "nearest_mse": float(near.mse.mean()),
            "nearest_ssim": float(near.ssim.mean()),
        }
    sides["real"]["frechet_distance"] = float(np.mean(floor))
    # validation images, since they come from the same pile as the training images: the test images are of other hands
    copied = metrics.copied_share(fake[:2_000], train, as_input(dataset.validation.images))
    seconds["metrics"] = time.monotonic() - started - sum(seconds.values())

    rate = ErrorRate(round(sides["fake"]["error_rate"] * num), num)
    coverage = {"coverage": sides["fake"]["coverage"], "real_coverage": sides["real"]["coverage"]}
    decision = verdict(rate, tolerance, **coverage)
    return {
        "dataset": dataset.name,
        "reference": "test split, features of the classifier",
        "classifier_sha256": card["sha256"],
        "num": num,
        "seed": seed,
        "labels": "index modulo classes" if asked is not None else "none: wrong is a top probability below 0.9",
        "meaning": MEANING,
        "metrics": {name: {"value": value, "real": sides["real"][name]} for name, value in sides["fake"].items()},
        "frechet_floor": {"mean": float(np.mean(floor)), "spread": float(np.std(floor, ddof=1)), "draws": FLOOR_DRAWS},
        "frechet_in_floors": sides["fake"]["frechet_distance"] / float(np.mean(floor)),
        **copied,
        "class_histogram": np.bincount(logits["fake"].argmax(axis=1), minlength=logits["fake"].shape[1]).tolist(),
        "tolerance": tolerance,
        "verdict": decision,
        "samples_needed": samples_needed(rate, tolerance) if decision == "undecided" else None,
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
    }


def _check_belonging(generator: keras.Model, dataset: Dataset, card: dict[str, Any]) -> None:
    if card["dataset"]["name"] != dataset.name:
        raise InputError(
            "The classifier is for another data set",
            expected=card["dataset"]["name"],
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


def _top_probability(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials.max(axis=1) / exponentials.sum(axis=1)


def _class_kl(seen: np.ndarray, real: np.ndarray, classes: int) -> float:
    p = np.bincount(seen, minlength=classes) / len(seen)
    q = np.maximum(np.bincount(real, minlength=classes), 0.5) / len(real)
    return float(np.sum(p[p > 0] * np.log(p[p > 0] / q[p > 0])))
