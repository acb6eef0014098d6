"""How often an image is halved, to which sizes, and the crop that brings a doubled stage back to them."""

import math

from keras import layers

from gan.errors import InputError
from gan.utils.types import Tensor

ImageShape = tuple[int, int, int]
Size = tuple[int, int]

SMALLEST_SIDE = 4
"""Height or width, in pixels, at which the convolutional networks stop halving."""

SIDES = (8, 256)
"""Least and greatest height or width, in pixels, of the images of a convolutional network."""


def check_sides(image_shape: ImageShape) -> None:
    """Raises `InputError`, naming the nearest size that works, unless height and width lie in `SIDES`."""
    least, greatest = SIDES
    height, width = (min(max(side, least), greatest) for side in image_shape[:2])
    if (height, width) != tuple(image_shape[:2]):
        raise InputError(
            "No halving of such images",
            expected=f"a height and width from {least} to {greatest}, of which {height}x{width} is the nearest",
            received=f"image_shape={tuple(image_shape)}",
        )


def upsamplings(image_shape: ImageShape) -> int:
    """How often the smaller side halves, rounding down, and stays at 4 or above: 28 -> 14 -> 7 is two, 32 -> 4 three.

    Raises `InputError` unless both sides lie in 8..256.
    """
    check_sides(image_shape)
    return int(math.log2(min(image_shape[:2]) // SMALLEST_SIDE))


def downsamplings(image_shape: ImageShape) -> int:
    """How many stride-2 convolutions bring the smaller side to 4 or below: 28 -> 14 -> 7 -> 4 is three.

    Raises `InputError` unless both sides lie in 8..256.
    """
    check_sides(image_shape)
    return math.ceil(math.log2(min(image_shape[:2]) / SMALLEST_SIDE))


def stage_sizes(image_shape: ImageShape) -> list[Size]:
    """(height, width) of the image and of each of its `upsamplings`, halved rounding up, as stride 2 with padding does.

    >>> stage_sizes((33, 17, 1))
    [(33, 17), (17, 9), (9, 5)]
    """
    sizes = [(image_shape[0], image_shape[1])]
    for _ in range(upsamplings(image_shape)):
        height, width = sizes[-1]
        sizes.append((-(-height // 2), -(-width // 2)))
    return sizes


def crop(x: Tensor, size: Size) -> Tensor:
    """Drops the last row or column of a doubled stage [B, H, W, C] that is larger than `size`, which has odd sides."""
    excess = [(0, x.shape[1] - size[0]), (0, x.shape[2] - size[1])]
    return layers.Cropping2D(excess)(x) if excess != [(0, 0), (0, 0)] else x
