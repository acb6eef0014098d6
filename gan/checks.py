"""Checks of what a user gives, each raising `InputError`. No TensorFlow: options are checked before it is imported."""

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from gan.errors import InputError


def check(holds: bool, name: str, expected: str, received: Any) -> None:
    """Raises `InputError` about the option `name` unless `holds`."""
    if not holds:
        raise InputError(f"Bad `{name}`", expected=expected, received=f"{name}={received!r}")


def check_different(name: str, values: Sequence[Any]) -> None:
    """Raises `InputError` when one of `values` is there twice."""
    check(len(set(values)) == len(values), name, "each at most once", list(values))


LARGEST = 2**31 - 1


def check_whole(name: str, value: Any, least: int, most: int = LARGEST) -> None:
    """Raises `InputError` unless `value` is a whole number, of NumPy's kind too, from `least` to `most`."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    limits = f">= {least}" if most == LARGEST and number < least else f"from {least} to {most}"
    check(least <= number <= most, name, f"a whole number {limits}", value)


def check_seed(value: Any) -> None:
    """Raises `InputError` unless `value` can own random numbers: 0 <= value < 2**32."""
    check_whole("seed", value, 0, 2**32 - 1)


def check_positive(name: str, value: float) -> None:
    """Raises `InputError` unless `value` is finite and greater than zero."""
    check(0 < value < math.inf, name, "a finite number > 0", value)


def check_not_negative(name: str, value: float) -> None:
    """Raises `InputError` unless `value` is finite and at least zero."""
    check(0 <= value < math.inf, name, "a finite number >= 0", value)


def check_share(name: str, value: float) -> None:
    """Raises `InputError` unless 0 <= `value` <= 1."""
    check(0 <= value <= 1, name, "a share from 0 to 1", value)


def check_share_below_one(name: str, value: float) -> None:
    """Raises `InputError` unless 0 <= `value` < 1."""
    check(0 <= value < 1, name, "a share from 0 to below 1", value)


def check_sampling(*, num: Any, seed: Any, start: Any, truncation: float | None) -> None:
    """Raises `InputError` unless pictures start, ..., start + num - 1 of a seed can be drawn."""
    check_whole("num", num, 1)
    check_seed(seed)
    check_whole("start", start, 0, 2**53)
    if truncation is not None:
        check_positive("truncation", truncation)


def labels_for(
    indices: np.ndarray, num_classes: int, labels: int | Sequence[int] | np.ndarray | None
) -> np.ndarray | None:
    """The class of each picture: int32 [len(indices)], or None for a generator without classes.

    labels: one class for all, or one for each; None: index modulo classes. Raises `InputError` for a class that the
    generator does not know, a wrong number of them, or any for a generator without classes.
    """
    if not num_classes:
        check(labels is None, "labels", "no labels: this generator is unconditional", labels)
        return None
    asked = indices % num_classes if labels is None else np.asarray(labels)
    whole = np.issubdtype(asked.dtype, np.integer) and asked.size > 0
    known = whole and asked.min() >= 0 and asked.max() < num_classes
    check(bool(known), "labels", f"whole numbers from 0 to {num_classes - 1}", labels)
    fits = asked.shape in ((), indices.shape)
    check(fits, "labels", f"one label, or {len(indices)} of them", f"labels of shape {asked.shape}")
    return np.broadcast_to(asked, indices.shape).astype(np.int32)
