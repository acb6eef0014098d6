"""Confirms, while a classifier trains, that its error rate is within a tolerance: on held-out images.

`ToleranceEarlyStopping` decides when. Held-out images are finite, and each of them is used in one confirmation only.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import keras
import numpy as np

from gan.config import CLASSIFIERS, ClassifierConfig
from gan.data.dataset import Dataset
from gan.data.split import Split
from gan.errors import InputError
from gan.evaluation.classifier.extractor import as_input
from gan.evaluation.metrics import wrong_outcomes
from gan.saving import models
from gan.saving.metadata import ClassifierCard
from gan.tolerance import Confirmation, ErrorRate, check_confirmation, fewest_outcomes, next_confidence, samples_needed
from gan.training.callbacks import ToleranceEarlyStopping
from gan.training.callbacks.confirmations import EXPECTED_SHARE, LEAST_NUM, Attempt
from gan.training.summary import guarantee, images_for, percent, result_line
from gan.utils.arguments import checked

BATCH_SIZE = 500
"""Images that are classified at a time."""


class HeldOutConfirmation:
    """The `confirm` of `ToleranceEarlyStopping` for a classifier: counts its wrong answers for held-out images.

    The images are in a random order. Each confirmation takes the next ones: as many as it asks for, but at most half of
    those that are left. The last confirmation takes all that are left. So the images depend only on the attempt, and a
    training that is resumed uses the same ones. Another training needs another split.

    >>> confirm = HeldOutConfirmation(dataset.test)
    >>> stop = ToleranceEarlyStopping(
    ...     "val_error_rate_upper", "min", target=0.02, confirm=confirm, budget=confirm.budget, patience=epochs + 1
    ... )

    Args:
        split: images with labels. The classifier must not have been trained on them.
        seed: seed of their order.
    """

    @checked
    def __init__(self, split: Split, *, seed: int = 0) -> None:
        if split.labels is None:
            raise InputError("A confirmation needs labels", expected="a split with labels", received="none")
        self.split = split
        self._order = np.random.default_rng(seed).permutation(len(split))

    @property
    def budget(self) -> int:
        """Images of all confirmations but the last one, for `ToleranceEarlyStopping`. The last one has as many."""
        return len(self.split) // 2

    def images_of(self, attempt: Attempt) -> np.ndarray:
        """Returns the indices of the images of an attempt. Empty if none are left."""
        left = self._order[attempt.used :]
        return left if attempt.is_last else left[: min(attempt.num, len(left) // 2)]

    def __call__(self, model: keras.Model, attempt: Attempt) -> tuple[int, int] | None:
        """Returns (wrong answers, images) of a classifier. None: no images are left."""
        images = self.images_of(attempt)
        parts = [images[first : first + BATCH_SIZE] for first in range(0, len(images), BATCH_SIZE)]
        wrong = sum(_count_wrong(model, self.split.take(part)) for part in parts)
        return (wrong, len(images)) if len(images) else None


def _count_wrong(model: keras.Model, part: Split) -> int:
    return int(np.sum(wrong_outcomes(model.predict_on_batch(as_input(part.images)), part.labels)))


def held_out_stopping(
    config: ClassifierConfig, dataset: Dataset, log: Callable[[str], object]
) -> ToleranceEarlyStopping | None:
    """Returns the callback that stops the training of a classifier within its tolerance. None: it has no tolerance.

    Epochs are nominated on the validation split, and confirmed on the test split. `log` prints a line, also if only the
    end of the training can confirm the tolerance. Raises `InputError` if not even that can.
    """
    tolerance = config.tolerance
    if tolerance is None:
        return None
    confirm = HeldOutConfirmation(dataset.test, seed=config.seed)
    check_confirmable(tolerance, len(dataset.test))
    reason = why_no_nomination(tolerance, validation=len(dataset.validation), budget=confirm.budget)
    if reason is not None:
        log(f"{reason}: the end of the training decides.")
    return ToleranceEarlyStopping(
        "val_error_rate_upper",
        "min",
        target=tolerance,
        patience=config.epochs + 1,
        confirm=confirm,
        budget=confirm.budget,
        log=log,
    )


def check_confirmable(tolerance: float, images: int) -> None:
    """Raises `InputError` if no errors at all in this number of images would not confirm a tolerance."""
    confidence = next_confidence([], is_last=True)
    words = f"{images:,} test images"
    check_confirmation("tolerance", tolerance, images, confidence, outcomes=words, larger="{:,} test images")


def why_no_nomination(tolerance: float, *, validation: int, budget: int) -> str | None:
    """Returns why no epoch can be confirmed before the end, or None.

    Args:
        tolerance: error rate to confirm.
        validation: number of validation images, which nominate an epoch.
        budget: test images of all confirmations but the last one.
    """
    needed = fewest_outcomes(tolerance)
    if needed is None or needed > validation:
        return f"{validation:,} validation images cannot show an error rate of at most {percent(tolerance)}"
    if max(needed, LEAST_NUM) > budget:
        return f"{budget:,} test images, half of them, are too few to confirm an epoch before the end"
    return None


def classifier_summary(
    card: ClassifierCard, stopping: ToleranceEarlyStopping, history: Mapping[str, Sequence[float]]
) -> list[str]:
    """Returns three lines about the confirmations of a classifier: result, cost, and what would help.

    Args:
        card: its card, with a tolerance.
        stopping: the callback that confirmed it.
        history: logs of all epochs by name, as in `keras.callbacks.History`.
    """
    assert card.config is not None
    assert card.config.tolerance is not None
    last, tolerance = stopping.confirmations[-1], card.config.tolerance
    num, seconds = (sum(getattr(one, name) for one in stopping.confirmations) for name in ("num", "seconds"))
    trained, planned = len(history["val_error_rate"]), card.config.epochs
    if last.verdict == "within":
        end = f"The training took {trained} of {planned} epochs and saved {100 * (1 - trained / planned):.0f} %."
    else:
        ways = _what_helps(card, card.config, last, history["val_error_rate"])
        unknown = "Not known what would help. More epochs (--epochs) or a wider network (--width) might."
        end = f"What would help: {'; '.join(ways)}." if ways else unknown
    return [
        result_line(last, tolerance, f"answers of epoch {last.interval} to fresh test images"),
        f"Confirmations: {len(stopping.confirmations)}, on {num:,} of {card.dataset.test:,} test images, in "
        f"{seconds:.1f} s.{guarantee(last, 'training')}",
        end,
    ]


def _what_helps(
    card: ClassifierCard, config: ClassifierConfig, last: Confirmation, curve: Sequence[float]
) -> list[str]:
    """Returns what would bring a classifier within its tolerance. `curve` is its error rate after each epoch."""
    assert config.tolerance is not None
    ways, per_epoch = [], card.dataset.train
    points = [(per_epoch * (epoch + 1), rate) for epoch, rate in enumerate(curve)]
    longer = images_for(points, last.rate.value, EXPECTED_SHARE * config.tolerance)
    epochs = 0 if longer is None else math.ceil(longer / per_epoch)
    if epochs > config.epochs:
        ways.append(f"more epochs, about {epochs} if the curve goes on (--epochs {epochs})")
    ways += _better_presets(card, config.tolerance)
    needed = samples_needed(last.rate, config.tolerance, confidence=last.confidence)
    if last.verdict == "undecided" and needed is not None:
        ways.append(f"a dataset with at least {needed:,} test images, of which the last confirmation gets half or more")
    return ways


def _better_presets(card: ClassifierCard, tolerance: float) -> list[str]:
    """Returns the presets whose pretrained classifier of the same data is within a tolerance."""
    found = []
    for name in CLASSIFIERS:
        with suppress(InputError):  # it is not there
            known = models.find_classifier(name).card
            test = known.dataset.test
            rate = ErrorRate(round(test * (1 - known.accuracy.get("test", 0.0))), test)
            if known.dataset.name == card.dataset.name and name != card.name and rate.interval[1] <= tolerance:
                found.append(f"the preset {name}, which has an error rate of {percent(rate.value)}")
    return found
