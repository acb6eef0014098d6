"""What is known of the images of a data set, and whether a classifier is for them. Does not import TensorFlow.

A data set is known by the SHA-256 of its training images, wherever it lies and however its path is typed. Names decide
only where a SHA-256 is not recorded, and before images are loaded.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gan.errors import InputError
from gan.saving.metadata import ClassifierCard

UNNAMED = "arrays"
"""Name of a data set of arrays that was given no name."""

TO_TRAIN = " (gan train-classifier)"
"""End of the messages of `check_card` that ask for another classifier."""

_REDRAWN = re.compile(rf"{UNNAMED}|(emoji|photos)(-\d+)?")
"""Names whose images a command or an installed package makes, so that they may be others the next time."""


class KnownImages(Protocol):
    """What is known of the images of a data set: a loaded `Dataset`, a recorded `RunDataset`, or a name."""

    @property
    def name(self) -> str:
        """Name of the data set, or its path."""

    @property
    def image_shape(self) -> Sequence[int] | None:
        """Height, width and channels; None: not known."""

    @property
    def fingerprint(self) -> str | None:
        """SHA-256 of the training images and labels; None: not known."""


@dataclass(frozen=True)
class NamedImages:
    """Images of which only the name of their data set is known, or a little more."""

    name: str
    image_shape: tuple[int, ...] | None = None
    fingerprint: str | None = None


ImagesLike = str | os.PathLike[str] | KnownImages
"""What is known of the images of a data set, or only its name."""


def as_images(given: ImagesLike) -> KnownImages:
    """Returns what is known of images. A name or a path alone tells nothing else."""
    return NamedImages(os.fspath(given)) if isinstance(given, (str, os.PathLike)) else given


def same_images(first: ImagesLike, second: ImagesLike) -> bool | None:
    """Returns whether two data sets have the same training images. None: only the images themselves can tell.

    Known SHA-256 decide. Otherwise, images of different shapes are different, and equal names or paths are the same
    data set. Two different names are different data sets, unless one of them may be a path.
    """
    first, second = as_images(first), as_images(second)
    if first.fingerprint is not None and second.fingerprint is not None:
        return first.fingerprint == second.fingerprint
    if _differ(first.image_shape, second.image_shape):
        return False
    if same_place(first.name, second.name):
        return True
    return None if is_place(first.name) or is_place(second.name) else False


def same_place(first: str, second: str) -> bool:
    """Returns whether two names are equal, or are paths to the same file or folder: relative, absolute or linked.

    A name without a separator is no path: `mnist` is not `./mnist`.
    """
    return first == second or (_is_spelled_as_path(first) and _is_spelled_as_path(second) and _same_path(first, second))


def means(typed: str, name: str) -> bool:
    """Returns whether a name, as somebody typed it, may mean a data set of another name: also as a relative path."""
    return same_place(typed, name) or (os.path.lexists(typed) and _is_spelled_as_path(name) and _same_path(typed, name))


def is_place(name: str) -> bool:
    """Returns whether a name may be a path: it is spelled as one, or something is there."""
    return _is_spelled_as_path(name) or os.path.lexists(name)


def _is_spelled_as_path(name: str) -> bool:
    return os.sep in name or name.startswith((".", "~"))


def _same_path(first: str, second: str) -> bool:
    return _real(first) == _real(second)


def _real(name: str) -> str:
    return os.path.realpath(Path(name).expanduser())


def _differ(first: Sequence[int] | None, second: Sequence[int] | None) -> bool:
    return first is not None and second is not None and tuple(first) != tuple(second)


def is_fixed(name: str) -> bool:
    """Returns whether a name has the same images everywhere: it is no path, and they are not made on this machine."""
    return not _is_spelled_as_path(name) and _REDRAWN.fullmatch(name) is None


def _other_classes(card: ClassifierCard, images: KnownImages) -> bool:
    """Returns whether images have classes, but not those of a classifier. A part of a fixed data set may have fewer."""
    own, other = card.dataset.num_classes, getattr(images, "num_classes", 0)  # a name alone tells no classes
    return own is not None and other > 0 and (other > own if is_fixed(images.name) else other != own)


def images_of(card: ClassifierCard, name: str) -> KnownImages:
    """Returns what a card knows of the images of one of its data sets. The SHA-256 is that of the data of training."""
    data = card.dataset
    return NamedImages(name, data.image_shape, data.train_sha256 if name == data.name else None)


def knows(card: ClassifierCard, images: ImagesLike) -> bool | None:
    """Returns whether a classifier is for these images. None: only the images themselves can tell.

    A name of a fixed catalog, such as that of tensorflow-datasets, is enough, so that a part of its training images may
    be evaluated with a classifier that saw all of them. Of a path, of arrays without a name, and of data sets that are
    drawn on this machine (`emoji`, `photos`), the images decide. Another number of classes is another data set.
    """
    images = as_images(images)
    if _differ(card.dataset.image_shape, images.image_shape) or _other_classes(card, images):
        return False
    found = [same_images(images_of(card, name), images) for name in card.data_sets]
    if True in found or (images.name in card.data_sets and is_fixed(images.name)):
        return True
    if images.fingerprint is None and any(means(images.name, name) for name in card.data_sets):
        return None
    return None if None in found and card.dataset.train_sha256 is not None and images.fingerprint is None else False


def suits(card: ClassifierCard, images: ImagesLike) -> bool:
    """Returns whether a classifier is for these images, or may be until they are loaded."""
    return knows(card, images) is not False


def check_card(images: ImagesLike, card: ClassifierCard) -> None:
    """Raises `InputError` unless `suits` is true. With a loaded data set, nothing stays open."""
    images = as_images(images)
    if suits(card, images):
        return
    is_listed = any(same_place(images.name, name) for name in card.data_sets)
    if images.image_shape is not None and _differ(card.dataset.image_shape, images.image_shape) and is_listed:
        raise InputError(
            "The classifier is for images of another shape",
            expected=f"images of shape {card.dataset.image_shape}, or another classifier",
            received=f"images of shape {tuple(images.image_shape)}",
        )
    another = f"or another classifier{TO_TRAIN}"
    if is_listed and _other_classes(card, images):
        raise InputError(
            "The classifier is for another number of classes",
            expected=f"{card.dataset.num_classes} classes, {another}",
            received=f"{getattr(images, 'num_classes', 0)} classes",
        )
    if is_listed:
        raise InputError(
            "The classifier is for other images of this dataset: they, or the options that read them, have changed",
            expected=f"training images with SHA-256 {card.dataset.train_sha256}, {another}",
            received=f"dataset={images.name!r} with SHA-256 {images.fingerprint}",
        )
    raise InputError(
        "The classifier is for another dataset",
        expected=f"one of {list(card.data_sets)}, {another}",
        received=f"dataset={images.name!r}",
    )
