"""Options of the audit, checked before TensorFlow is imported."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from gan.errors import InputError, check, check_whole
from gan.saving.known_images import check_card
from gan.saving.models import FoundClassifier
from gan.saving.saved_generator import SavedGenerator

Action = Literal["log", "webhook", "stop"]
"""What an alarm does besides the line in the log, which is always written."""

BAD_WEBHOOK = "Bad `--webhook` or GAN_WEBHOOK"

LOWEST_TOLERANCE = 1e-6
"""A report with a tolerance of 0 is watched with this one: bets and burn rates divide by it."""

TOLERANCE = 0.02
"""Tolerance of a model without a report, as that of `gan evaluate`."""


@dataclass(frozen=True, kw_only=True)
class AuditOptions:
    """What is audited, and what an alarm does.

    Raises `InputError` for values out of range, and for a webhook without its address or the reverse.
    """

    share: float
    """Share of the served samples that are read, in (0, 1]."""
    classifier: FoundClassifier
    """Reads them."""
    seed: int = 0
    """Seed of the choice of samples."""
    tolerance: float | None = None
    """Highest acceptable error rate, in (0, 1]; None: that of the report of the model, or `TOLERANCE` without one."""
    actions: Sequence[Action] = ("log",)
    webhook: str | None = None
    """Address that alarms are posted to. It may hold a secret: no message and no log repeats it."""

    def __post_init__(self) -> None:
        check(0 < self.share <= 1, "audit", "a share > 0 and <= 1", self.share)
        check_whole("audit-seed", self.seed, 0, 2**32 - 1)
        if self.tolerance is not None:
            check(0 < self.tolerance <= 1, "tolerance", "a share > 0 and <= 1", self.tolerance)
        if ("webhook" in self.actions) != (self.webhook is not None):
            if self.webhook is None:
                problem, received = "A webhook needs its address", "--on-exceeded webhook without --webhook"
            else:
                problem, received = "No alarm uses the webhook", "--webhook without --on-exceeded webhook"
            raise InputError(problem, expected="--on-exceeded webhook --webhook URL", received=received)
        if self.webhook is not None:
            check_webhook(self.webhook)


def watched_tolerance(given: float | None, measured: float | None) -> float:
    """Returns the tolerance that a version is watched with.

    Args:
        given: that of the options, or None.
        measured: that of the report of the version; None: it has none.
    """
    if given is not None:
        return given
    return TOLERANCE if measured is None else min(1.0, max(measured, LOWEST_TOLERANCE))


def check_webhook(address: str) -> None:
    """Raises `InputError` unless an address is one of HTTP or HTTPS. The message does not show it."""
    try:
        parts = urlsplit(address)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        fits = fits and address.isascii() and address.isprintable() and " " not in address
        has_user = "@" in parts.netloc
    except ValueError:
        fits, has_user = False, False
    if not fits:
        raise InputError(BAD_WEBHOOK, expected="http://HOST/... or https://HOST/...", received="another address")
    if has_user:
        raise InputError(BAD_WEBHOOK, expected="an address without user and password", received="one with them")


def check_classifier(classifier: FoundClassifier, saved: SavedGenerator) -> None:
    """Raises `InputError` unless a classifier suits a generator, as far as their metadata tell.

    A generator of unknown data is compared when it is loaded, by its classes and the shape of its samples.
    """
    card = classifier.card
    if saved.images is not None:
        check_card(saved.images, card)
    classes = card.dataset.num_classes
    asked = saved.summary.num_classes
    if classes is not None and asked and asked != classes:
        raise other_classes(classes, asked)


def other_classes(classifier: int, generator: int) -> InputError:
    """Returns the error for a classifier of another number of classes than the generator's."""
    return InputError(
        "The classifier has other classes than the generator",
        expected=f"a classifier of {generator} classes (gan train-classifier)",
        received=f"one of {classifier} classes",
    )
