"""Class labels of the samples of a conditional generator. Does not import TensorFlow."""

import difflib
import re
from collections.abc import Sequence
from typing import Annotated

import numpy as np

from gan.errors import InputError, check, check_whole
from gan.utils.arguments import checked

Labels = Annotated[
    int | Sequence[int] | np.ndarray | None, "one class (a whole number), one class for each sample, or None"
]
MOST_LISTED = 20
"""Maximum number of class names in a message."""


@checked
def labels_for(indices: np.ndarray, num_classes: int, labels: Labels) -> np.ndarray | None:
    """Returns the class of each sample: int32 [len(indices)], or None for an unconditional generator.

    Args:
        indices: indices of the samples.
        num_classes: number of classes of the generator; 0 for an unconditional generator.
        labels: one class for all samples, or one class for each; None: index modulo `num_classes`.

    Raises `InputError` for classes out of range, for a wrong number of labels, and for labels given to an unconditional
    generator.
    """
    check(indices.ndim == 1, "indices", "shape [N]", f"shape {[*indices.shape]}")
    check_whole("num_classes", num_classes, 0)
    if not num_classes:
        check(labels is None, "labels", "no labels: this generator is unconditional", labels)
        return None
    requested = indices % num_classes if labels is None else _as_array(labels)
    is_integer = np.issubdtype(requested.dtype, np.integer) and requested.size > 0
    in_range = is_integer and requested.min() >= 0 and requested.max() < num_classes
    check(bool(in_range), "labels", f"whole numbers from 0 to {num_classes - 1}", labels)
    fits = requested.shape in ((), indices.shape)
    check(fits, "labels", f"one label or {len(indices)} labels", f"labels of shape {requested.shape}")
    return np.broadcast_to(requested, indices.shape).astype(np.int32)


def labels_in_turn(indices: np.ndarray, num_classes: int, asked: range | None) -> np.ndarray | None:
    """Returns the class of each sample as `gan sample --label` assigns it: the classes in `asked`, in turn.

    Args:
        indices: indices of the samples, int64 [N].
        num_classes: number of classes of the generator; 0 for an unconditional generator.
        asked: from `read_label`; None: all classes in turn.

    Returns int32 [N], or None for an unconditional generator.
    """
    return labels_for(indices, num_classes, None if asked is None else asked.start + indices % len(asked))


def is_sequence(labels: object) -> bool:
    """Returns whether labels are one class for each sample: neither None nor a single class."""
    return labels is not None and _as_array(labels).ndim > 0


def _as_array(labels: object) -> np.ndarray:
    """Returns labels as an array. Anything else, such as rows of different lengths, becomes [None]."""
    try:
        return np.asarray(labels)
    except Exception:  # whatever the object's own conversion raises
        return np.array([None])


def read_label(text: str, num_classes: int, names: Sequence[str] = ()) -> range:
    """Returns the classes that a text asks for: a name, a number (7) or a range of numbers (0-4, with 4).

    A name comes first: with the classes 1, 2 and 3, the text "1" is the class named 1, whose number is 0.

    Args:
        text: value of `--label`.
        num_classes: number of classes of the generator; 0 for an unconditional generator.
        names: names of the classes, in the order of their numbers; empty if they are unknown.

    Raises `InputError` for any other text, and for every text if the generator is unconditional.
    """
    if num_classes and text in names:
        number = list(names).index(text)
        return range(number, number + 1)
    found = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", text)
    low, high = (int(found[1]), int(found[2] or found[1])) if found else (0, -1)
    if not low <= high < num_classes:
        raise InputError("Bad `--label`", expected=_expected_label(text, num_classes, names), received=text)
    return range(low, high + 1)


def _expected_label(text: str, num_classes: int, names: Sequence[str]) -> str:
    if not num_classes:
        return "no label: this generator is unconditional"
    expected = f"a class such as 0, or a range, in classes from 0 to {num_classes - 1}"
    if not names or _are_numbers(names):
        return expected
    near = difflib.get_close_matches(text, names, n=3)
    return f"{expected}, or a name {f'such as {near[0]}' if near else f'of {describe_classes(names)}'}"


def describe_classes(names: Sequence[str]) -> str:
    """Returns which label is which class, such as `0 = cats, 1 = dogs`, with at most `MOST_LISTED` names."""
    if _are_numbers(names):
        return f"0 to {len(names) - 1}, numbered as they are named"
    listed = ", ".join(f"{number} = {_printable(name)}" for number, name in enumerate(names[:MOST_LISTED]))
    rest = len(names) - MOST_LISTED
    return f"{listed} and {rest} more" if rest > 0 else listed


def _are_numbers(names: Sequence[str]) -> bool:
    """Returns whether each name is the number of its class."""
    return list(names) == [str(number) for number in range(len(names))]


def _printable(name: str) -> str:
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in name)
