"""Checks images in [-1, 1] that a caller gives to an evaluation."""

from collections.abc import Sequence

import numpy as np

from gan.errors import InputError, check
from gan.utils.arguments import shorten
from gan.utils.types import Tensor


def as_images(images: Tensor, image_shape: Sequence[int], name: str = "images") -> np.ndarray:
    """Returns images as float32 [N, H, W, C] in [-1, 1].

    Args:
        images: numbers [N, H, W, C], N >= 1.
        image_shape: the expected (H, W, C).
        name: name of the argument, for the error message.

    Raises `InputError` for another shape, values outside [-1, 1], or NaN. It says which line converts the usual other
    forms: bytes, channels first, a missing batch or channel axis.
    """
    try:
        given = np.asarray(images)
    except Exception as error:  # whatever the object's own conversion raises, such as for rows of different lengths
        raise InputError(f"Bad `{name}`", expected="numbers", received=shorten(images)) from error
    check(given.dtype.kind in "fiu", name, "numbers", given.dtype)
    shape = tuple(image_shape)
    if given.shape[1:] != shape or not len(given):
        expected = f"shape [N, {', '.join(map(str, shape))}] with N >= 1{_hint_for_shape(given.shape, shape, name)}"
        check(False, name, expected, given.shape)
    wanted = given.astype(np.float32)
    check(bool(np.isfinite(wanted).all()), name, "finite numbers", "NaN or infinity")
    low, high = float(wanted.min()), float(wanted.max())
    if low < -1 or high > 1:
        bytes_line = f"gan.images.from_uint8({name}.astype('float32'))"
        hint = f": {bytes_line} converts values from 0 to 255" if low >= 0 and 1 < high <= 255 else ""
        check(False, name, f"values in [-1, 1]{hint}", f"values from {low:.4g} to {high:.4g}")
    return wanted


def _hint_for_shape(given: tuple[int, ...], shape: tuple[int, ...], name: str) -> str:
    """Returns the line that gives an array the expected shape, after a colon. "": no such line is known."""
    height, width, channels = shape
    lines = {
        shape: f"{name}[None]",
        (*given[:1], channels, height, width): f"np.moveaxis({name}, 1, -1)",
        (channels, height, width): f"np.moveaxis({name}, 0, -1)[None]",
    }
    if channels == 1:
        lines |= {(*given[:1], height, width): f"{name}[..., None]", (height, width): f"{name}[None, ..., None]"}
    return f": {lines[given]} has this shape" if given in lines and 0 not in given else ""
