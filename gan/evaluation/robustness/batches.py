"""Batches of labeled data in any supported form, and input noise."""

from collections.abc import Iterator
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from gan.errors import InputError, check_whole
from gan.utils.types import Tensor

Inputs: TypeAlias = Any  # nested tensors; keras.tree defines no type for them
"""The inputs of a model: an array [B, ...], or a tuple, list or dict of them."""


def batches(data: object, batch_size: int) -> Iterator[tuple[Inputs, np.ndarray]]:
    """Yields batches (inputs, labels int [B]) of all examples. The last batch can be smaller.

    Args:
        data: (x, y) of arrays, where x is one array [N, ...] or a tuple, list or dict of them, and y whole numbers [N]
            or [N, 1]; or a finite tf.data.Dataset of such batches.
        batch_size: batch size for arrays. A tf.data.Dataset keeps its own batches.

    Raises `InputError` for other data, and for empty data.
    """
    check_whole("batch_size", batch_size, 1)
    if isinstance(data, tf.data.Dataset):
        yield from _of_dataset(data)
        return
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise InputError("Bad `data`", expected="(x, y) or a tf.data.Dataset", received=type(data).__name__)
    x = keras.tree.map_structure(np.asarray, data[0])
    labels = whole_labels(data[1])
    arrays = keras.tree.flatten(x)
    if not arrays or any(array.ndim == 0 for array in arrays):  # a list of N numbers would mean N inputs
        raise InputError("Bad inputs", expected="an array [N, ...], or several", received=type(data[0]).__name__)
    lengths = {len(array) for array in arrays}
    if lengths != {len(labels)}:
        raise InputError("Inputs and labels differ in number", expected=str(len(labels)), received=str(sorted(lengths)))
    if not len(labels):
        raise InputError("Empty data", expected="at least one example", received="none")
    for first in range(0, len(labels), batch_size):
        part = slice(first, first + batch_size)
        yield keras.tree.map_structure(lambda array: array[part], x), labels[part]  # noqa: B023 - used immediately


def _of_dataset(data: tf.data.Dataset) -> Iterator[tuple[Inputs, np.ndarray]]:
    if data.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise InputError("Infinite data", expected="a finite tf.data.Dataset: use `take(N)`", received="infinite")
    spec = data.element_spec
    if not isinstance(spec, tuple) or len(spec) != 2 or getattr(spec[1], "shape", None) == ():
        raise InputError("Bad `data`", expected="a tf.data.Dataset of batches (x, y)", received=str(spec))
    seen = 0
    for x, y in data:
        labels = whole_labels(y)
        seen += len(labels)
        if len(labels):
            yield x, labels
    if not seen:
        raise InputError("Empty data", expected="at least one example", received="none")


def whole_labels(y: Tensor) -> np.ndarray:
    """Returns labels as an array int [N]. Raises `InputError` if they are not whole numbers [N] or [N, 1]."""
    labels = np.asarray(y)
    fits = labels.ndim == 1 or (labels.ndim == 2 and labels.shape[1] == 1)
    if not fits or not np.issubdtype(labels.dtype, np.integer):
        raise InputError(
            "Bad labels",
            expected="whole numbers [N], the index of the class (for one-hot rows: their argmax)",
            received=f"{labels.dtype} {list(labels.shape)}",
        )
    return labels.reshape(-1)


def has_float_inputs(data: object) -> bool:
    """Returns whether an input is floating-point and can receive noise. Raises `InputError` as `batches` does."""
    x, _ = next(batches(data, 1))
    return any(_is_float(leaf) for leaf in keras.tree.flatten(x))


def has_text_inputs(data: object) -> bool:
    """Returns whether an input is text and can receive typos. Raises `InputError` as `batches` does."""
    x, _ = next(batches(data, 1))
    return any(is_text(leaf) for leaf in keras.tree.flatten(x))


def is_text(leaf: Tensor) -> bool:
    """Returns whether an array or a tensor contains strings."""
    return tf.as_dtype(leaf.dtype) == tf.string


def _is_float(leaf: Tensor) -> bool:
    return tf.as_dtype(leaf.dtype).is_floating


class InputNoise:
    """Adds severity * std * N(0, 1) to the floating-point inputs. Each channel has its own std over all data.

    Channels are the last axis: columns of a table [N, F] and colors of an image [N, H, W, C]. A vector [N] has one
    channel. Whole numbers and text do not change. The noise of an example is a function of (seed, index of the input,
    position in the data), so it is the same for every severity and batch size.

    Raises `InputError` if no input is floating-point.
    """

    def __init__(self, data: object, severity: float, *, seed: int, batch_size: int) -> None:
        if not has_float_inputs(data):
            raise InputError(
                "No floating-point input for noise",
                expected="a floating-point input; whole numbers, such as tokens, cannot change by a small amount",
                received=f"input_noise={severity!r}",
            )
        self.severity = severity
        self.seed = seed
        self.deviations = _deviations(data, batch_size)
        self.position = 0

    def __call__(self, x: Inputs) -> Inputs:
        """Returns the next batch with noise."""
        leaves = keras.tree.flatten(x)
        count = len(leaves[0])
        noisy = [self._add(which, np.asarray(leaf)) if _is_float(leaf) else leaf for which, leaf in enumerate(leaves)]
        self.position += count
        return keras.tree.pack_sequence_as(x, noisy)

    def _add(self, which: int, values: np.ndarray) -> np.ndarray:
        noise = np.empty(values.shape, np.float32)
        for row in range(len(values)):
            rng = np.random.default_rng([self.seed, which, self.position + row])
            noise[row] = rng.standard_normal(values.shape[1:], dtype=np.float32)
        return (values + self.severity * self.deviations[which] * noise).astype(values.dtype)


def _deviations(data: object, batch_size: int) -> dict[int, np.ndarray]:
    """Computes {index of a floating-point input: standard deviations of its channels} in one pass, float64."""
    sums: dict[int, tuple[np.ndarray, int, np.ndarray | float, np.ndarray | float]] = {}
    for x, _ in batches(data, batch_size):
        for which, leaf in enumerate(keras.tree.flatten(x)):
            if _is_float(leaf):
                values = np.asarray(leaf, np.float64)
                values = values.reshape(-1, values.shape[-1] if values.ndim > 1 else 1)
                origin, count, total, squares = sums.get(which, (values[0], 0, 0.0, 0.0))
                away = values - origin  # relative to the first example: a large mean costs no precision
                sums[which] = origin, count + len(away), total + away.sum(axis=0), squares + (away**2).sum(axis=0)
    return {
        which: np.sqrt(np.maximum(squares / count - (total / count) ** 2, 0.0))
        for which, (_, count, total, squares) in sums.items()
    }
