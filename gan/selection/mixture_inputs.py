"""What a mixture is made of: saved generators of one dataset, and their weights or a classifier. No TensorFlow."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gan.config import DataConfig, ReadingOptions
from gan.errors import InputError, check
from gan.saving import models
from gan.saving.known_images import check_card, means, same_images
from gan.saving.metadata import RunDataset
from gan.saving.models import FoundClassifier
from gan.saving.run_folder import GENERATOR
from gan.saving.saved_generator import SavedGenerator, find_to_export
from gan.utils.simplex import check_weights

PROBE = "mnist-probe"
"""Classifier for the features of a fit, unless another one is given. Reports use another, `mnist-classifier`."""


@dataclass(frozen=True)
class MixtureInputs:
    """Saved generators, the data that their mixture stands for, and given weights or what fits them."""

    saved: tuple[SavedGenerator, ...]
    data: DataConfig
    known: RunDataset | None
    """That data, as the metadata of one of the generators describe it. None: no generator is for it."""
    weights: tuple[float, ...] | None
    """None: they are fitted."""
    classifier: FoundClassifier | None
    """Classifier for the features of the fit; None: the weights are given."""

    @classmethod
    def find(
        cls,
        checkpoints: Sequence[str | os.PathLike[str]],
        *,
        weights: Sequence[float] | None = None,
        dataset: str | None = None,
        reading: ReadingOptions | None = None,
        classifier: str | os.PathLike[str] = PROBE,
    ) -> "MixtureInputs":
        """Finds what a mixture needs, and checks that it fits together as far as the files tell.

        Args:
            checkpoints: two or more run folders, .keras files or pretrained names, each once.
            weights: probability of each generator; None: they are fitted.
            dataset: the data that the mixture stands for. None: the dataset of all generators.
            reading: how its images are read. None: as in the training.
            classifier: classifier for the features of the fit, a folder or pretrained name.

        Raises `InputError` for fewer than two generators, the same one twice, weights that do not sum to 1, generators
        of several datasets without `dataset`, other classes, and a classifier of another dataset.
        """
        check(len(checkpoints) >= 2, "generators", "two or more", [*map(str, checkpoints)])
        given = None if weights is None else tuple(check_weights("weights", weights, len(checkpoints)).tolist())
        saved = tuple(find_to_export(checkpoint) for checkpoint in checkpoints)
        _check_different(saved)
        name = dataset or _common_dataset(saved)
        _check_classes(saved)
        is_reread = reading is not None and bool(reading.given)
        of_it = next((one for one in saved if one.stands_for is not None and means(name, one.stands_for.name)), None)
        known = None if of_it is None or is_reread else of_it.stands_for
        data = None if of_it is None or is_reread else of_it.data
        if data is None:
            options = next((one.data for one in (of_it, *saved) if one is not None and one.data is not None), None)
            data = (reading or ReadingOptions()).over(options, name)
        found = None
        if given is None:
            found = models.find_classifier(classifier)
            check_card(known or name, found.card)
        return cls(saved, data, known, given, found)


def name_of(saved: SavedGenerator) -> str:
    """Returns the name of a saved generator: that of its run folder, or of its file without the suffix."""
    path = saved.file.path.resolve()
    return path.parent.name if path.name == GENERATOR else path.stem


def _place(saved: SavedGenerator) -> Path:
    """Returns the run folder or the file of a generator, by which messages name it."""
    path = saved.file.path
    return path.parent if path.name == GENERATOR else path


def _check_different(saved: Sequence[SavedGenerator]) -> None:
    """Raises `InputError` if two generators have the same file."""
    for number, one in enumerate(saved):
        same = next((other for other in saved[:number] if other.summary.sha256 == one.summary.sha256), None)
        if same is not None:
            received = f"{_place(same)} and {_place(one)}, both with SHA-256 {one.summary.sha256}"
            raise InputError("The same generator twice", expected="different generators", received=received)


def _common_dataset(saved: Sequence[SavedGenerator]) -> str:
    """Returns the name of the dataset that all generators draw, as far as it is recorded.

    Raises `InputError` if they were trained on several, or no generator has a record.
    """
    known = [(_place(one), one.stands_for) for one in saved if one.stands_for is not None]
    expected = "--dataset NAME or FOLDER: the data that the mixture stands for"
    if not known:
        raise InputError("No generator has a record of its dataset", expected=expected, received="none")
    first, *others = (data for _, data in known)
    for other in others:
        if not same_images(first, other):
            raise InputError(
                "These generators were trained on different images",
                expected=f"generators of one dataset, or {expected}",
                received=", ".join(f"{place}: {data.name}" for place, data in known),
            )
    return first.name


def _check_classes(saved: Sequence[SavedGenerator]) -> None:
    """Raises `InputError` if conditional generators call the same class number different names."""
    known = {one.class_names: _place(one) for one in saved if one.class_names and one.summary.num_classes != 0}
    if len(known) > 1:
        raise InputError(
            "These generators have different classes",
            expected="the same names in the same order",
            received="; ".join(f"{place}: {', '.join(names[:10])}" for names, place in known.items()),
        )
