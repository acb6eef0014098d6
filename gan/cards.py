"""Whether a classifier, by its card, may judge a data set. No TensorFlow."""

from collections.abc import Mapping, Sequence
from typing import Any

from gan.errors import InputError


def suits(card: Mapping[str, Any], dataset: str, image_shape: Sequence[int] | None = None) -> bool:
    """Whether the classifier is for the data set of that name and, where it is known, for images of that shape."""
    return dataset in card["data_sets"] and (image_shape is None or list(image_shape) == card["dataset"]["image_shape"])


def check_card(dataset: str, card: Mapping[str, Any], image_shape: Sequence[int] | None = None) -> None:
    """Raises `InputError` unless `suits`."""
    if not suits(card, dataset):
        raise InputError(
            "The classifier is for another data set",
            expected=f"one of {card['data_sets']}, or another classifier (gan train-classifier)",
            received=f"dataset={dataset!r}",
        )
    if not suits(card, dataset, image_shape):
        raise InputError(
            "The classifier is for images of another shape",
            expected=f"{tuple(card['dataset']['image_shape'])}, or another classifier",
            received=f"{tuple(image_shape or ())}",
        )
