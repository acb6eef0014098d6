"""Sizes of the stages of convolutional networks: number of halvings, the size after each, and cropping."""

import math

from keras import layers

from gan.errors import InputError
from gan.utils.types import Tensor

ImageShape = tuple[int, int, int]
Size = tuple[int, int]

SMALLEST_SIDE = 4
"""Height or width, in pixels, at which convolutional networks stop halving."""

SIDES = (8, 256)
"""Smallest and largest height or width, in pixels, of the images of a convolutional network."""


def check_sides(image_shape: ImageShape) -> None:
    """Raises `InputError` unless height and width lie in `SIDES`. The message names the nearest valid size."""
    least, greatest = SIDES
    height, width = (min(max(side, least), greatest) for side in image_shape[:2])
    if (height, width) != tuple(image_shape[:2]):
        raise InputError(
            f"Image sides must be {least}..{greatest}",
            expected=f"a height and width from {least} to {greatest}; {height}x{width} is the nearest",
            received=f"image_shape={tuple(image_shape)}",
        )


def upsamplings(image_shape: ImageShape) -> int:
    """Returns how often the smaller side can be halved, rounding down, without falling below 4.

    For example 2 for 28 -> 14 -> 7, and 3 for 32 -> 16 -> 8 -> 4. Raises `InputError` unless both sides lie in 8..256.
    """
    check_sides(image_shape)
    return int(math.log2(min(image_shape[:2]) // SMALLEST_SIDE))


def downsamplings(image_shape: ImageShape) -> int:
    """Returns the number of stride-2 convolutions that reduce the smaller side to 4 or below.

    For example 3 for 28 -> 14 -> 7 -> 4. Raises `InputError` unless both sides lie in 8..256.
    """
    check_sides(image_shape)
    return math.ceil(math.log2(min(image_shape[:2]) / SMALLEST_SIDE))


def stage_sizes(image_shape: ImageShape) -> list[Size]:
    """Returns (height, width) of the image, and after each of its `upsamplings(image_shape)` halvings.

    Each halving rounds up, as a convolution with stride 2 and padding does. Raises `InputError` unless both sides lie
    in 8..256.

    >>> stage_sizes((33, 17, 1))
    [(33, 17), (17, 9), (9, 5)]
    """
    sizes = [(image_shape[0], image_shape[1])]
    for _ in range(upsamplings(image_shape)):
        height, width = sizes[-1]
        sizes.append((-(-height // 2), -(-width // 2)))
    return sizes


def crop(x: Tensor, size: Size) -> Tensor:
    """Crops rows at the bottom and columns at the right of x [B, H, W, C] to `size`, (height, width).

    A stage of odd size is one row or column smaller than the doubled stage before it.
    """
    excess = [(0, x.shape[1] - size[0]), (0, x.shape[2] - size[1])]
    return layers.Cropping2D(excess)(x) if excess != [(0, 0), (0, 0)] else x
