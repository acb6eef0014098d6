"""Classifiers that can form an ensemble: what they must have in common. Does not import TensorFlow."""

import os
from collections.abc import Callable, Sequence

from gan.errors import InputError
from gan.saving.ensemble_member import EnsembleMember
from gan.saving.known_images import check_card, images_of, suits
from gan.saving.metadata import ClassifierCard
from gan.saving.models import FoundClassifier, find_classifier

MemberLike = str | os.PathLike[str] | FoundClassifier
"""A folder of a classifier, a pretrained name, or what `find_classifier` returns."""


def find_members(classifiers: Sequence[MemberLike], dataset: str | None = None) -> tuple[list[FoundClassifier], str]:
    """Finds the members of an ensemble. Returns (members, the name of the dataset for which all are valid).

    The dataset is `dataset` or, if that is None, the first one in the first card that all cards have.

    Raises `InputError` for fewer than two classifiers, one that does not exist, the same one twice, and classifiers of
    different image shapes, classes or datasets, or of which only some have a class of rejected images.
    """
    if len(classifiers) < 2:
        raise InputError(
            "Too few members of an ensemble", expected="two classifiers or more", received=str(len(classifiers))
        )
    found = [find_classifier(classifier) for classifier in classifiers]
    first = found[0]
    for number, member in enumerate(found):
        same = next((other for other in found[:number] if other.card.sha256 == member.card.sha256), None)
        if same is not None:
            received = f"{_name(same)} and {_name(member)}, both with SHA-256 {member.card.sha256}"
            raise InputError("The same classifier twice", expected="different classifiers", received=received)
        for what, value in _IN_COMMON.items():
            if value(member.card) != value(first.card):
                received = f"{value(first.card)} of {_name(first)}, {value(member.card)} of {_name(member)}"
                raise InputError("The classifiers do not match", expected=f"the same {what}", received=received)
    if dataset is not None:
        for member in found:
            check_card(dataset, member.card)  # by its name; after loading, its images decide
        return found, dataset
    common = common_datasets([member.card for member in found])
    if not common:
        received = ", ".join(f"{list(member.card.data_sets)} of {_name(member)}" for member in found)
        raise InputError("The classifiers are for different datasets", expected="one dataset of all", received=received)
    return found, common[0]


_IN_COMMON: dict[str, Callable[[ClassifierCard], object]] = {
    "shape of images": lambda card: list(card.dataset.image_shape),
    "class of rejected images, or none": lambda card: (
        "such a class" if card.calibration is not None and card.calibration.rejects else "none"
    ),
    "number of classes": lambda card: card.dataset.num_classes,
}
"""What must be the same -> its value in a card."""


def _name(member: FoundClassifier) -> str:
    """Returns the folder of a classifier, by which messages name it."""
    return str(member.file.path.parent)


def independent(first: ClassifierCard, second: ClassifierCard) -> bool:
    """Returns whether two classifiers have no network in common: they differ, and so do their members.

    Members of an ensemble count if they have a weight, and so do the members of a member. What one classifier selects
    says nothing about the errors that another one finds only if they are independent.
    """
    return _networks(first).isdisjoint(_networks(second))


def _networks(card: ClassifierCard | EnsembleMember) -> set[str]:
    """Returns the SHA-256 of a classifier and of all networks in it."""
    parts = [_networks(member) for member in card.members if member.weight > 0]
    return {card.sha256}.union(*parts)


def common_datasets(cards: Sequence[ClassifierCard]) -> tuple[str, ...]:
    """Returns the names of the datasets for which all classifiers are valid, in the order of the first card.

    Names of other cards for the same images, such as another path, count too.
    """
    first = cards[0]
    return tuple(name for name in first.data_sets if all(suits(card, images_of(first, name)) for card in cards))
