"""Class labels of the samples of a conditional generator. Does not import TensorFlow."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np

from gan.errors import check, check_whole
from gan.utils.arguments import checked

Labels = Annotated[
    int | Sequence[int] | np.ndarray | None, "one class (a whole number), one class for each sample, or None"
]


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


def is_sequence(labels: object) -> bool:
    """Returns whether labels are one class for each sample: neither None nor a single class."""
    return labels is not None and _as_array(labels).ndim > 0


def _as_array(labels: object) -> np.ndarray:
    """Returns labels as an array. What is no array of numbers, such as rows of different lengths, becomes [None]."""
    try:
        return np.asarray(labels)
    except Exception:  # whatever the object's own conversion raises
        return np.array([None])
