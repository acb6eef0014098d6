"""Validation of arrays of images and labels from the user. Ranges and axis orders are never guessed."""

import math

import numpy as np

from gan.data import storage
from gan.errors import InputError, check
from gan.utils.types import Tensor

MOST_CLASSES = 10_000

_AS_BYTES = (
    "uint8 from 0 to 255 (convert floats from 0 to 1 with np.rint(x * 255).astype('uint8'), floats from -1 to 1 with "
    "gan.images.to_uint8(x))"
)

_NAMES_TO_NUMBERS = " (names, labels = np.unique(labels, return_inverse=True) numbers names)"


def as_array(values: Tensor, what: str) -> np.ndarray:
    """Returns an array of images or labels of any kind: an array itself, a list, a tensor.

    Raises `InputError` for values that do not form an array, such as images of different shapes.
    """
    if isinstance(values, np.ndarray):
        return values
    try:
        return np.asarray(values)
    except Exception as error:  # the values may be of any library
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        expected = "an array, or a list of arrays of one shape"
        raise InputError(f"Bad `{what}`", expected=expected, received=f"{type(values).__name__}: {reason}") from error


def as_pair(arrays: object, what: str) -> tuple[Tensor, Tensor]:
    """Returns (images, labels). Raises `InputError` for anything but a pair."""
    if isinstance(arrays, (tuple, list)) and len(arrays) == 2:
        return arrays[0], arrays[1]
    received = f"{type(arrays).__name__}{f' of {len(arrays)}' if isinstance(arrays, (tuple, list)) else ''}"
    raise InputError(f"Bad `{what}`", expected="a pair (images, labels or None)", received=received)


def check_pixels(images: np.ndarray, what: str = "images") -> np.ndarray:
    """Returns images as uint8 [N, H, W, C]: the given array, with a channel axis added if it has none.

    Args:
        images: uint8 [N, H, W], [N, H, W, 1] or [N, H, W, 3], N >= 1.
        what: name of the array for error messages.

    Raises `InputError` for other shapes, for other types, and for bytes that are all 0 or 1, since their range is not
    0 to 255.
    """
    check_layout(images.shape, what)
    if images.dtype != np.uint8 or not any(int(chunk.max()) > 1 for chunk in storage.in_chunks(images)):
        raise InputError(f"Bad range of `{what}`", expected=_AS_BYTES, received=_range(images))
    return images[..., None] if images.ndim == 3 else images


def check_layout(shape: tuple[int, ...], what: str) -> None:
    """Raises `InputError` unless `check_pixels` accepts images of this shape."""
    fits = len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3))
    if not fits or 0 in shape:
        expected = "[N, H, W], [N, H, W, 1] or [N, H, W, 3] without a 0"
        raise InputError(f"Bad shape of `{what}`", expected=expected + _fix(shape), received=str(list(shape)))


def _fix(shape: tuple[int, ...]) -> str:
    """Returns the line that mends a common mistake in the shape of images; "" for other shapes."""
    if len(shape) == 4 and shape[1] in (1, 3):
        return " (np.moveaxis(images, 1, 3) moves the channels to the end)"
    side = math.isqrt(shape[1]) if len(shape) == 2 else 0
    return f" (images.reshape(-1, {side}, {side}) for square images)" if side > 1 and side**2 == shape[1] else ""


def _range(images: np.ndarray) -> str:
    if images.dtype.kind not in "fiub":
        return str(images.dtype)
    ends = [(chunk.min(), chunk.max()) for chunk in storage.in_chunks(images)]
    low, high = min(float(low) for low, _ in ends), max(float(high) for _, high in ends)
    return f"{images.dtype} from {low:.6g} to {high:.6g}"


def check_labels(labels: Tensor, count: int, what: str = "labels") -> np.ndarray:
    """Returns labels as int32 [count].

    Args:
        labels: whole numbers of any integer type, [count] or [count, 1].
        count: number of images.
        what: name of the labels for error messages.

    Raises `InputError` for another shape or type, and for labels outside 0, ..., `MOST_CLASSES` - 1.
    """
    array = as_array(labels, what)
    array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if array.shape != (count,):
        expected = f"one label for each of {count} images"
        one_hot = array.ndim == 2 and len(array) == count and array.dtype.kind in "iufb"
        hint = " (np.argmax(labels, axis=1) converts one-hot labels)" if one_hot else ""
        raise InputError(f"Bad `{what}`", expected=expected + hint, received=f"shape {array.shape}")
    if array.dtype.kind not in "iu":
        received = f"{array.dtype}{_NAMES_TO_NUMBERS if array.dtype.kind in 'UTSO' else ''}"
        raise InputError(f"Bad `{what}`", expected="whole numbers >= 0", received=received)
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= MOST_CLASSES:
        expected = f"whole numbers from 0 to at most {MOST_CLASSES - 1}"
        raise InputError(f"Bad `{what}`", expected=expected, received=f"numbers from {low} to {high}")
    return array.astype(np.int32)


def count_classes(train: np.ndarray, *others: np.ndarray) -> int:
    """Returns the number of classes K. The training labels must be 0, ..., K - 1, each at least once.

    Raises `InputError` when a label from 0 to K - 1 is missing, when there is a single class, or when another split has
    a label that no training image has.
    """
    present = np.bincount(train) > 0
    if not present.all():
        absent = ", ".join(map(str, np.flatnonzero(~present)[:5]))
        expected = f"every label from 0 to {len(present) - 1}"
        raise InputError("Labels must be 0..K-1", expected=expected, received=f"no label {absent}")
    if len(present) == 1:
        raise InputError("Only one class", expected="at least two classes, or no labels", received="all labels are 0")
    largest = max((int(labels.max()) for labels in others), default=0)
    expected = f"at most {len(present) - 1}, the largest label of a training image"
    check(largest < len(present), "labels", expected, largest)
    return len(present)
