"""What arrays of images and labels from a user must be. Nothing is guessed: no range, no order of axes."""

import numpy as np

from gan.data import storage
from gan.errors import InputError, check
from gan.utils.types import Tensor

MOST_CLASSES = 10_000

_AS_BYTES = (
    "uint8 from 0 to 255 (of floats from 0 to 1, np.rint(x * 255).astype('uint8'); from -1 to 1, "
    "gan.images.to_uint8(x))"
)


def check_pixels(images: np.ndarray, what: str = "images") -> np.ndarray:
    """Images as uint8 [N, H, W, C]: the array given, with an axis of one channel where it has none.

    images: uint8 [N, H, W], [N, H, W, 1] or [N, H, W, 3], N >= 1. Raises `InputError` for other shapes, and for what
    does not hold bytes from 0 to 255: other types, and bytes that are all 0 or 1.
    """
    check_layout(images.shape, what)
    if images.dtype != np.uint8 or not any(int(chunk.max()) > 1 for chunk in storage.in_chunks(images)):
        raise InputError(f"Bad range of `{what}`", expected=_AS_BYTES, received=_range(images))
    return images[..., None] if images.ndim == 3 else images


def check_layout(shape: tuple[int, ...], what: str) -> None:
    """Raises `InputError` unless this is the shape of images that `check_pixels` takes."""
    fits = len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3))
    if not fits or 0 in shape:
        expected = "[N, H, W], [N, H, W, 1] or [N, H, W, 3], none of them 0"
        raise InputError(f"Bad shape of `{what}`", expected=expected, received=str(list(shape)))


def _range(images: np.ndarray) -> str:
    if images.dtype.kind not in "fiub":
        return str(images.dtype)
    ends = [(chunk.min(), chunk.max()) for chunk in storage.in_chunks(images)]
    low, high = min(float(low) for low, _ in ends), max(float(high) for _, high in ends)
    return f"{images.dtype} from {low:.6g} to {high:.6g}"


def check_labels(labels: Tensor, count: int, what: str = "labels") -> np.ndarray:
    """Labels as int32 [count]. Raises `InputError` unless they are that many whole numbers from 0 to `MOST_CLASSES`.

    labels: any kind of whole numbers, [count] or [count, 1].
    """
    array = np.asarray(labels)
    array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if array.shape != (count,):
        raise InputError(f"Bad `{what}`", expected=f"one for each of {count} images", received=f"shape {array.shape}")
    if array.dtype.kind not in "iu":
        raise InputError(f"Bad `{what}`", expected="whole numbers from 0", received=str(array.dtype))
    low, high = int(array.min()), int(array.max())
    if low < 0 or high >= MOST_CLASSES:
        expected = f"whole numbers from 0 to at most {MOST_CLASSES - 1}"
        raise InputError(f"Bad `{what}`", expected=expected, received=f"numbers from {low} to {high}")
    return array.astype(np.int32)


def count_classes(train: np.ndarray, *others: np.ndarray) -> int:
    """K, where the labels of the training images are 0, ..., K - 1 and other splits have no further ones.

    Raises `InputError` for labels with a gap, one class only, or labels that no training image has.
    """
    present = np.bincount(train) > 0
    if not present.all():
        absent = ", ".join(map(str, np.flatnonzero(~present)[:5]))
        raise InputError("Labels with a gap", expected=f"all of 0 to {len(present) - 1}", received=f"none is {absent}")
    if len(present) == 1:
        raise InputError("One class only", expected="two classes or more, or no labels", received="all labels are 0")
    largest = max((int(labels.max()) for labels in others), default=0)
    expected = f"at most {len(present) - 1}, the largest of a training image"
    check(largest < len(present), "labels", expected, largest)
    return len(present)
