"""The class that each sample is asked for. No TensorFlow."""

from collections.abc import Sequence

import numpy as np

from gan.errors import check


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
