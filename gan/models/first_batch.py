"""The first batch of training data: checks of its form, pixels and labels, and the line that mends a wrong batch."""

import inspect
import itertools
import math
import os
import warnings

import keras
import numpy as np
import tensorflow as tf

from gan.data.images import LARGEST_VALUE
from gan.errors import InputError
from gan.models.keras_checks import refuse_weights
from gan.utils.types import Tensor


class BatchCheck:
    """Checks batches of real images for a GAN.

    A batch is `images` or `(images, labels)`. Labels are [B] or [B, 1]. The networks of an
    unconditional GAN ignore labels, and so do these checks.

    Args:
        image_shape: shape of one sample of G: (H, W, C) of an image, or another shape, such as (2,) of a point.
        num_classes: number of classes of the networks; 0: unconditional.
    """

    def __init__(self, image_shape: tuple[int, ...], num_classes: int) -> None:
        self.image_shape, self.num_classes = image_shape, num_classes
        self._of_images = len(image_shape) == 3
        self._expected = f"{'images' if self._of_images else 'samples'} {_axes(('B', *image_shape))}"
        self._warned = False

    def form(self, batch: Tensor, library: str = "tf") -> tuple[Tensor, Tensor]:
        """Returns (images, labels) after a check of shapes and types. Labels are None for an unconditional GAN.

        Args:
            batch: arrays, tensors, symbolic tensors, or their specifications.
            library: `np` or `tf`, for the line that mends the batch.

        Raises `InputError` for a batch that the networks cannot use.
        """
        split = isinstance(batch, tuple) and 0 < len(batch) <= 3
        images, labels, weights = (*batch, None, None)[:3] if split else (batch, None, None)
        refuse_weights(sample_weight=weights)
        labels = labels if self.num_classes else None
        if not _is_array(images) or not (labels is None or _is_array(labels)):
            line = _line_for_form(batch, library, labeled=self.num_classes > 0)
            expected = f"{self._expected}, or a tuple (images, labels)" + (f": {line}" if line else "")
            raise InputError("Unknown form of training data", expected=expected, received=_describe_form(batch))
        self._check_shape(images, batch, library)
        self._check_type(images, library)
        if self.num_classes:
            if labels is None:
                expected = "(images, labels): this GAN is conditional"
                raise InputError("Labels are missing", expected=expected, received="images only")
            self._check_label_form(images, labels, library)
        return images, labels

    def values(self, batch: Tensor) -> None:
        """Raises `InputError` unless the arrays of a batch pass `form`, and their values fit the networks.

        Warns once if all pixels are in [0, 1].
        """
        images, labels = self.form(batch, "np")
        if images.size == 0:
            raise no_images(describe(images))
        self._check_pixels(images)
        if labels is not None:
            self.label_values(labels)

    def unpack(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Returns (images of floats, labels [B] or None) of a batch of tensors, and raises `InputError` as `form` does.

        In a graph the checks run when a step is traced. They cost nothing per step.
        """
        images, labels = self.form(batch)
        if not tf.as_dtype(images.dtype).is_floating:  # whole coordinates of points
            images = tf.cast(images, keras.config.floatx())
        if labels is not None and len(labels.shape) == 2:
            labels = tf.squeeze(labels, -1)
        return images, labels

    def _check_shape(self, images: Tensor, batch: Tensor, library: str) -> None:
        shape = _shape(images)
        if shape is None or _fits(shape, (None, *self.image_shape)):
            return
        second = _shape(batch[1]) if isinstance(batch, tuple) and len(batch) > 1 and _is_array(batch[1]) else None
        swapped = second is not None and _fits(second, (None, *self.image_shape))
        line = "`(images, labels)`, in this order" if swapped else _line_for_shape(shape, self.image_shape, library)
        raise InputError(
            "The images do not have the shape of the networks",
            expected=self._expected + (f": {line}" if line else ""),
            received=describe(images),
        )

    def _check_type(self, images: Tensor, library: str) -> None:
        kind = _dtype(images)
        if kind.is_floating or (not self._of_images and (kind.is_integer or kind.is_bool)):
            return
        raise InputError(
            "The images do not have a type of the networks",
            expected=f"{self._expected} of floats in [-1, 1]{_line_for_type(images, library)}",
            received=describe(images),
        )

    def _check_pixels(self, images: np.ndarray) -> None:
        low, high = float(images.min()), float(images.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            received = f"{np.count_nonzero(~np.isfinite(images.astype(np.float32)))} NaN or infinite values"
            raise InputError("The images must be finite", expected="no NaN, no infinity", received=received)
        received = f"{describe(images)} from {low:.6g} to {high:.6g}"
        if not self._of_images:
            return
        if low < -LARGEST_VALUE or high > LARGEST_VALUE:
            line = _line_for_range(low, high)
            raise InputError("The images are out of range", expected=f"pixels in [-1, 1]: {line}", received=received)
        if 0 <= low < high and not self._warned:
            self._warned = True
            message = "The images have no pixel below 0. Expected the range [-1, 1]: `x * 2.0 - 1.0`. Received"
            warnings.warn(f"{message}: {received}.", stacklevel=2)

    def _check_label_form(self, images: Tensor, labels: Tensor, library: str) -> None:
        shape, kind = _shape(labels), _dtype(labels)
        if shape is not None and len(shape) != 1 and not _fits(shape, (None, 1)):
            one_hot = _fits(shape, (None, self.num_classes))
            raise self._wrong_labels(f"`{library}.argmax(y, -1)`" if one_hot else "", describe(labels))
        if not (kind.is_integer or kind.is_floating or kind.is_bool):
            text = kind == tf.string
            raise self._wrong_labels("`np.unique(y, return_inverse=True)[1]`" if text else "", describe(labels))
        count, label_count = (_shape(images) or (None,))[:1], (shape or (None,))[:1]
        if not _fits(count, label_count):
            received = f"{count[0]} images, {label_count[0]} labels"
            raise InputError("Images and labels do not match", expected="one label per image", received=received)

    def label_values(self, labels: np.ndarray) -> None:
        """Raises `InputError` unless all labels are whole numbers from 0 to `num_classes` - 1."""
        numbers = labels.astype(np.float64)
        low, high = numbers.min(), numbers.max()
        whole = bool(np.isfinite(numbers).all() and (numbers == np.rint(numbers)).all())
        if whole and low >= 0 and high < self.num_classes:
            return
        line = "`y - 1`" if whole and low == 1 and high == self.num_classes else ""
        some = ", ".join(f"{value:g}" for value in np.unique(numbers[~self._is_label(numbers)])[:5])
        raise self._wrong_labels(line, f"{describe(labels)} with {some}")

    def _is_label(self, numbers: np.ndarray) -> np.ndarray:
        return (numbers == np.rint(numbers)) & (numbers >= 0) & (numbers < self.num_classes)

    def _wrong_labels(self, line: str, received: str) -> InputError:
        expected = f"whole numbers [B] from 0 to {self.num_classes - 1}" + (f": {line}" if line else "")
        return InputError("The labels do not fit the networks", expected=expected, received=received)


def no_images(received: str) -> InputError:
    """Returns the error for data without an image."""
    return InputError("There are no images", expected="at least one image", received=received)


def describe(array: Tensor) -> str:
    """Returns the type and shape of an array, tensor or specification, such as "uint8 [32, 28, 28, 1]"."""
    shape = _shape(array)
    return f"{_dtype(array).name} {'of unknown shape' if shape is None else _axes(shape)}"


def _describe_form(batch: Tensor) -> str:
    if isinstance(batch, dict):
        return f"a dict with the keys {sorted(map(str, batch))}"
    if isinstance(batch, (tuple, list)):
        several = ", ".join(describe(part) if _is_array(part) else type(part).__name__ for part in batch[:3])
        return f"a {type(batch).__name__} of {len(batch)}: {several}{', ...' if len(batch) > 3 else ''}"
    if batch is None or isinstance(batch, type):
        return "nothing" if batch is None else f"the class {batch.__name__}"
    kind = type(batch).__name__
    return f"{kind} {str(batch)[:40]!r}" if isinstance(batch, (str, bytes, int, float, os.PathLike)) else kind


def _line_for_form(batch: Tensor, library: str, *, labeled: bool) -> str:
    """Returns the line that converts data of an unknown form, or ""."""
    images = batch[0] if isinstance(batch, tuple) and batch else batch
    if isinstance(images, dict):
        names = [name for name in ("image", "images", "x") if name in images] or ["image"]
        labels = [name for name in ("label", "labels", "y") if name in images] or ["label"]
        parts = f"(batch[{names[0]!r}], batch[{labels[0]!r}])" if labeled else f"batch[{names[0]!r}]"
        return f"`data.map(lambda batch: {parts})`" if library == "tf" else f"`{parts}`"
    if isinstance(images, (list, tuple)):
        pair = len(images) == 2 and all(map(_is_array, images)) and len(_shape(images[1]) or ()) == 1
        return "`fit(x, y)`, or batches `(x, y)`" if pair else "`np.asarray(x, 'float32')`"
    if isinstance(batch, tuple) and len(batch) > 1:
        return "`np.asarray(y)`" if isinstance(batch[1], (list, tuple, range)) else ""
    if callable(getattr(batch, "batches", None)):
        return "`x.batches(64)`"
    if hasattr(batch, "train"):
        return "`x.train.batches(64)`"
    return "`x()`" if inspect.isfunction(batch) else ""


def _line_for_shape(shape: tuple[int | None, ...], wanted: tuple[int, ...], library: str) -> str:
    """Returns the line that converts images `x` of a shape to [B, *wanted], or ""."""
    rank, size = len(wanted), math.prod(axis or 0 for axis in shape[1:])
    if shape == wanted:
        return "`x[None]`, or a data set with `.batch(B)`"
    if rank == 3 and wanted[-1] == 1 and _fits(shape, (None, *wanted[:-1])):
        return "`x[..., None]`"
    if len(shape) == 1 + rank and None not in shape[1:]:
        for order in itertools.permutations(range(rank)):
            if tuple(shape[1 + axis] for axis in order) == wanted:
                return f"`{library}.transpose(x, {(0, *(1 + axis for axis in order))})`"
        if shape[:rank] == wanted:
            return f"`{library}.transpose(x, {(rank, *range(rank))})`"
    if len(shape) > 1 and size == math.prod(wanted):
        return f"`{library}.reshape(x, {(-1, *wanted)})`"
    if rank == 3 and len(shape) == 4:
        lines = []
        if shape[1:3] != wanted[:2]:
            lines.append(f"`tf.image.resize(x, {wanted[:2]})`")
        if (shape[3], wanted[2]) in ((1, 3), (3, 1)):
            lines.append(f"`tf.image.{'grayscale_to_rgb' if wanted[2] == 3 else 'rgb_to_grayscale'}(x)`")
        return ", ".join(lines) + (", or networks of this shape" if lines else "networks of this shape")
    return ""


def _line_for_type(images: Tensor, library: str) -> str:
    """Returns the line that converts images `x` of integers or of truth values, with a colon before it, or ""."""
    kind = _dtype(images)
    if not (kind.is_integer or kind.is_bool):
        return ""
    x = "x" if library == "np" else "tf.cast(x, tf.float32)"
    largest = np.max(images) if isinstance(images, np.ndarray) and images.size else 255
    if kind.is_bool or largest <= 1:
        return f": `{x} * 2.0 - 1.0`"
    return f": `gan.images.from_uint8({x})`" if largest <= 255 else f": `{x} / 32767.5 - 1.0`"


def _line_for_range(low: float, high: float) -> str:
    """Returns the line that scales floats `x` to [-1, 1]."""
    if low < 0:
        return (
            f"`2.0 * (x - {low:.6g}) / {high - low:.6g} - 1.0`, with the lowest and highest value of the whole data set"
        )
    return "`gan.images.from_uint8(x)`" if high <= 255.5 else "`x / 32767.5 - 1.0` for 16 bits"


_NOT_DENSE = (tf.RaggedTensor, tf.RaggedTensorSpec, tf.SparseTensor, tf.SparseTensorSpec)


def _is_array(value: Tensor) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype") and not isinstance(value, _NOT_DENSE)


def _dtype(array: Tensor) -> tf.DType:
    try:
        return tf.as_dtype(array.dtype)
    except TypeError:  # of another library, such as torch.float32
        return tf.as_dtype(str(array.dtype).rpartition(".")[2])


def _shape(array: Tensor) -> tuple[int | None, ...] | None:
    """Returns the shape, with None for an unknown axis; None: unknown rank."""
    shape = array.shape
    return None if getattr(shape, "rank", 0) is None else tuple(shape)


def _fits(shape: tuple[int | None, ...], wanted: tuple[int | None, ...]) -> bool:
    """Returns whether two shapes can be the same. None stands for any size."""
    return len(shape) == len(wanted) and all(a is None or b is None or a == b for a, b in zip(shape, wanted))


def _axes(shape: tuple[int | str | None, ...]) -> str:
    return f"[{', '.join('?' if axis is None else str(axis) for axis in shape)}]"
