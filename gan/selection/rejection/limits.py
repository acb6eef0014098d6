"""Limits of a rejection: shares, attempts, and what is read before TensorFlow is imported."""

from gan.errors import check, check_whole, is_number

KEEP = 0.9
"""Default share of the first attempts that is accepted by the discriminator's ratio."""

MOST_ATTEMPTS = 100
"""Default of the maximum number of attempts per sample."""

MOST_MISSED = 0.01
"""Largest expected share of samples of which no attempt is accepted."""


def check_keep(keep: float) -> None:
    """Raises `InputError` unless the share of attempts to accept is above 0 and at most 1."""
    check(is_number(keep) and 0 < keep <= 1, "keep", "a number above 0 and at most 1", keep)


def check_attempts(name: str, attempts: int) -> None:
    """Raises `InputError`, about the argument `name`, for another maximum number of attempts than 1 to a million."""
    check_whole(name, attempts, 1, 10**6)
