"""Reads digits from image files: a label with its probability, or the reason why the image is refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from gan.errors import InputError
from gan.evaluation.classifier.calibration import probabilities
from gan.evaluation.classifier.extractor import Extractor
from gan.saving.metadata import Calibration, ClassifierCard

if TYPE_CHECKING:
    from gan.data.handwriting import FoundDigit


@dataclass(frozen=True)
class Answer:
    """What an image shows."""

    label: int | None
    """The class. None: the image is refused."""
    probability: float | None
    """Probability of the best class, in [0, 1]. None: nothing was found that could be classified."""
    best: int | None = None
    """The most probable class, also of a refused image. None: nothing was found."""
    reason: str | None = None
    """Why the image is refused. None: it is not."""


def answer(
    classifier: keras.Model, card: ClassifierCard, images: np.ndarray, *, bound: float | None = None
) -> list[Answer]:
    """Classifies images [N, H, W, C] in [-1, 1], and refuses those whose best class is not probable enough.

    The card's calibration gives the temperature, and the bound unless `bound` is given. Without a calibration,
    probabilities are the softmax of the logits. Without a bound, no image is refused.
    """
    calibration = card.calibration or Calibration()
    bound = calibration.bound if bound is None else bound
    all_classes = probabilities(Extractor(classifier).arrays(images)["logits"], calibration)
    classes = all_classes[:, :-1] if calibration.rejects else all_classes
    labels, best = classes.argmax(axis=1), classes.max(axis=1)
    rejected = all_classes[:, -1] if calibration.rejects else np.zeros(len(images))
    return [
        _answer(int(label), float(probability), float(none), bound)
        for label, probability, none in zip(labels, best, rejected)
    ]


def _answer(label: int, probability: float, none: float, bound: float | None) -> Answer:
    if bound is None or probability >= bound:
        return Answer(label, probability, label)
    if none > probability:
        return Answer(None, probability, label, f"no digit, with probability {none:.2f}")
    return Answer(
        None, probability, label, f"looks like {label} with probability {probability:.2f}, less than {bound:.2f}"
    )


@dataclass(frozen=True)
class Reading:
    """An image file, the digit that was found in it, and the answer."""

    file: Path
    found: "FoundDigit | None"
    """None: the file cannot be read, or is blank."""
    answer: Answer


def read_digits(
    files: Sequence[str | Path],
    classifier: keras.Model,
    card: ClassifierCard,
    *,
    invert: bool | None = None,
    bound: float | None = None,
) -> list[Reading]:
    """Reads the digits of image files, one each, in the given order.

    A file that cannot be read, or that shows nothing, gives an answer without a label, and with the reason.

    Args:
        files: image files.
        classifier, card: from `load_classifier`, for images [28, 28, 1].
        invert: as for `read_digit`.
        bound: lowest probability that is answered, in [0, 1]. None: the bound of the card, if it has one.
    """
    from gan.data.handwriting import find_digits

    found = find_digits(files, invert=invert)
    return answer_found(files, found, classifier, card, bound=bound)


def answer_found(
    files: Sequence[str | Path],
    found: "Sequence[FoundDigit | InputError]",
    classifier: keras.Model,
    card: ClassifierCard,
    *,
    bound: float | None = None,
) -> list[Reading]:
    """Classifies what `find_digits` found, as `read_digits` does."""
    from gan.data.handwriting import reason_of  # imports SciPy, which training does not need

    digits = [digit for digit in found if not isinstance(digit, InputError)]
    answers = iter(answer(classifier, card, np.stack([d.pixels for d in digits]), bound=bound) if digits else ())
    rejects = bound is not None or (card.calibration is not None and card.calibration.bound is not None)
    readings = []
    for file, digit in zip(files, found):
        if isinstance(digit, InputError):
            readings.append(Reading(Path(file), None, Answer(None, None, reason=reason_of(digit))))
            continue
        given = next(answers)
        if rejects and digit.problem is not None and given.label is not None:
            given = Answer(None, given.probability, given.best, digit.problem)
        readings.append(Reading(Path(file), digit, given))
    return readings
