"""Converts an image of a handwritten digit to the format of MNIST."""

from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from gan.data import images
from gan.errors import InputError

BOX = 20
"""Side of the box that a digit of MNIST fills, in pixels. Its center of mass is at pixel (14, 14) of 0 to 27, up to
rounding."""


def read_digit(path: str | Path, *, invert: bool | None = None, side: int = 28) -> np.ndarray:
    """Reads an image of one digit, of any size and color: float32 [side, side, 1] in [-1, 1], light on dark.

    The digit is cropped, scaled to a box of 20 of 28 pixels, and centered by its center of mass, as in MNIST. The
    background must be uniform, since shadows count as ink. Transparent parts count as background. Specks are removed.

    Args:
        path: an image file.
        invert: True for a dark digit on a light background, False for a light digit on a dark one. None: decided from
            the border of the image.
        side: height and width of the result, in pixels.

    Raises `InputError` for a file that is not an image, is too large, or is blank.
    """
    brightness = _brightness(Path(path))
    if invert is None:
        border = np.concatenate([brightness[0], brightness[-1], brightness[:, 0], brightness[:, -1]])
        invert = float(np.median(border)) > (float(brightness.min()) + float(brightness.max())) / 2
    ink = 1.0 - brightness if invert else brightness
    low, high = float(ink.min()), float(ink.max())
    if high - low < 0.05:
        raise InputError("No digit in this image", expected="an image of a digit", received=f"{path}, which is blank")
    ink = np.clip((ink - low) / (high - low), 0.0, 1.0)
    ink = _without_specks(ink)
    rows, columns = (np.flatnonzero((ink > 0.3).any(axis=axis)) for axis in (1, 0))
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    longest, box = max(cut.shape), BOX * side / 28
    size = tuple(max(1, round(length * box / longest)) for length in cut.shape[::-1])
    small = np.asarray(Image.fromarray((cut * 255).astype(np.uint8)).resize(size, Image.Resampling.BOX), np.float32)
    if small.max() == 0:
        raise InputError("No digit in this image", expected="an image of a digit", received=f"{path}: only specks")
    # thin strokes fade when they are scaled down, but MNIST's strokes are bright
    return images.from_uint8(_centered(small * (255.0 / small.max()), side))[..., None]


def _brightness(path: Path) -> np.ndarray:
    """Reads the brightness of each pixel: float32 [H, W] in [0, 1]."""
    pixels = np.asarray(images.open_image(path), dtype=np.float32) / 255
    brightness, opacity = pixels[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32), pixels[..., 3]
    if opacity.mean() < 0.5:  # only the digit is opaque: the background is the opposite of its brightness
        background = 0.0 if float(np.average(brightness, weights=opacity + 1e-9)) > 0.5 else 1.0
    else:  # a page with transparent parts, such as round corners
        background = float(np.median(brightness[opacity >= 0.5]))
    brightness = brightness * opacity + background * (1 - opacity)
    return brightness


def _without_specks(ink: np.ndarray) -> np.ndarray:
    """Removes the spots with less than a tenth of the ink of the largest spot."""
    spots, count = ndimage.label(ink > 0.3, structure=np.ones((3, 3)))
    weights = ndimage.sum_labels(ink, spots, np.arange(1, count + 1))
    small = np.flatnonzero(weights < 0.1 * weights.max()) + 1
    return np.where(np.isin(spots, small), 0.0, ink)


def _centered(digit: np.ndarray, side: int) -> np.ndarray:
    """Places a digit 0..255 in an empty square of `side` pixels, with its center of mass at pixel side / 2."""
    canvas = np.zeros((side, side), np.float32)
    weight = digit.sum()
    start = []
    for axis, length in enumerate(digit.shape):
        middle = float(np.arange(length) @ digit.sum(axis=1 - axis) / weight)
        start.append(int(np.clip(round(side / 2 - middle), 0, side - length)))
    canvas[start[0] : start[0] + digit.shape[0], start[1] : start[1] + digit.shape[1]] = digit
    return canvas
