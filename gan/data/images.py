"""Images: conversion between [-1, 1] and 0..255, and reading and writing of image files."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from gan.errors import InputError
from gan.utils.types import Tensor

MOST_FRAMES = 100
"""Maximum number of frames in an animated GIF."""
MOST_PIXELS = 50_000_000
"""Maximum number of pixels in an image that is read."""


def from_uint8(pixels: Tensor) -> Tensor:
    """Converts pixels from 0..255 to [-1, 1]: x / 127.5 - 1.

    `pixels` are floats (array or tensor) that hold whole numbers. The result has the same shape.
    """
    return pixels / 127.5 - 1.0


def to_uint8(images: Tensor) -> np.ndarray:
    """Converts pixels from [-1, 1] to 0..255, rounded. It is the inverse of `from_uint8` for every byte value.

    `images` are floats of any shape. The result is uint8 of the same shape. Values outside [-1, 1] are clipped. Raises
    `ValueError` when a value is not finite.
    """
    images = np.asarray(images, dtype=np.float32)
    if images.size and not np.isfinite([images.min(), images.max()]).all():
        raise ValueError("Expected finite images in [-1, 1]. Received NaN or infinity.")
    scaled = np.empty_like(images)  # in-place operations are three times as fast as a new array per operation
    np.clip(images, -1.0, 1.0, out=scaled)
    scaled += 1.0
    scaled *= 127.5
    return np.rint(scaled, out=scaled).astype(np.uint8)


def grid(images: np.ndarray, columns: int, *, padding: int = 2, scale: int = 1) -> np.ndarray:
    """Arranges images in a grid: uint8 [N,H,W,C] -> uint8 [rows*(H+p)+p, columns*(W+p)+p, C], times `scale`.

    Images are placed from left to right, then from top to bottom. Gaps and unused cells are dark gray. p is `padding`,
    in pixels.
    """
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    canvas = np.full(
        (rows * (height + padding) + padding, columns * (width + padding) + padding, channels), 64, np.uint8
    )
    for index, image in enumerate(images):
        top = padding + index // columns * (height + padding)
        left = padding + index % columns * (width + padding)
        canvas[top : top + height, left : left + width] = image
    return canvas.repeat(scale, axis=0).repeat(scale, axis=1)


def to_pil(image: np.ndarray) -> Image.Image:
    """Converts uint8 [H,W,1] or [H,W,3] to a PIL image, grayscale or RGB."""
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def save_png(path: Path, image: np.ndarray) -> None:
    """Writes an image, uint8 [H,W,C], as PNG."""
    to_pil(image).save(path, format="PNG")


def save_gif(path: Path, frames: Sequence[Path], *, milliseconds: int = 200) -> None:
    """Joins image files of one size into an animated GIF that loops and shows the last frame for two seconds.

    Of more than `MOST_FRAMES` files, only `MOST_FRAMES` are used: the first, the last, and evenly spaced ones between.
    `milliseconds` is the duration of all other frames.
    """
    chosen = np.linspace(0, len(frames) - 1, min(len(frames), MOST_FRAMES)).round().astype(int)
    opened = (_read(frames[index]) for index in chosen)
    durations = [milliseconds] * (len(chosen) - 1) + [2_000]
    next(opened).save(path, format="GIF", save_all=True, append_images=opened, duration=durations, loop=0)


def open_image(path: Path) -> Image.Image:
    """Reads an image file of any format as RGBA, 8 bits per channel, rotated by its EXIF orientation.

    Raises `InputError` for a file that is not an image, is damaged, has more than `MOST_PIXELS` pixels, or has pixels
    of an unknown range.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `MOST_PIXELS` is stricter
        return decode_image(path)


def decode_image(path: Path) -> Image.Image:
    """Does the same as `open_image` without hiding Pillow's warnings: threads share their warning filters."""
    if not path.is_file():
        raise InputError("No such image file", expected="an image file", received=str(path))
    try:
        with Image.open(path) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise InputError(
                    "This image is too large",
                    expected=f"at most {MOST_PIXELS:,} pixels",
                    received=f"{path}: {opened.width} x {opened.height}",
                )
            return _in_8_bits(ImageOps.exif_transpose(opened), path).convert("RGBA")
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(
            "This image is too large", expected=f"at most {MOST_PIXELS:,} pixels", received=str(path)
        ) from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, RuntimeError) as error:  # depends on the format
        raise InputError(
            "This file is not an image, or is damaged", expected="an image file", received=f"{path}"
        ) from error


def _in_8_bits(opened: Image.Image, path: Path) -> Image.Image:
    """Scales 16 bits to 8. `Image.convert` would clip instead."""
    if opened.mode not in ("I", "F") and not opened.mode.startswith("I;16"):
        return opened
    pixels = np.asarray(opened)
    if opened.mode == "F" or pixels.min() < 0 or pixels.max() > 65_535:
        received = f"{path}: {pixels.dtype} from {pixels.min():.6g} to {pixels.max():.6g}"
        raise InputError("The pixels of this image have an unknown range", expected="8 or 16 bits", received=received)
    return Image.fromarray((pixels >> 8).astype(np.uint8))


def on_black(picture: Image.Image) -> Image.Image:
    """Converts RGBA to RGB of the same size. Transparent parts become black."""
    return Image.alpha_composite(Image.new("RGBA", picture.size, "black"), picture).convert("RGB")


def cover(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Scales an image with its aspect ratio until it covers `size` (height, width), and crops the center.

    Scaling is bicubic, with antialiasing when the image becomes smaller. An image of the right size does not change.
    """
    return ImageOps.fit(picture, (size[1], size[0]), method=Image.Resampling.BICUBIC)


def is_color(pixels: np.ndarray) -> np.ndarray:
    """Returns whether any pixel of an image is not gray: uint8 [..., H, W, C] -> bool [...]."""
    return (pixels != pixels[..., :1]).any(axis=(-3, -2, -1))


GRAY_MODES = ("1", "L", "LA", "La", "I", "F")
"""Pillow modes without color, except those of 16 bits."""


def has_color_mode(path: Path) -> bool:
    """Returns whether the header of an image file declares color, without decoding. False for an unreadable file."""
    try:
        with Image.open(path) as opened:
            if opened.mode != "P":
                return opened.mode not in GRAY_MODES and not opened.mode.startswith("I;16")
            palette = np.array(opened.getpalette() or [0, 0, 0]).reshape(-1, 3)
            return bool(is_color(palette[None]))
    except (Image.DecompressionBombError, OSError, SyntaxError, ValueError, RuntimeError):
        return False


def read_image(path: str | Path, image_shape: tuple[int, int, int]) -> np.ndarray:
    """Reads an image file in the size and channels of `image_shape` [H, W, C]: float32 in [-1, 1].

    The whole image is scaled to H x W, and stretched if its aspect ratio differs. It becomes grayscale for one channel
    and RGB for three. Transparent parts become black.

    Raises the errors of `open_image`, and `InputError` for another number of channels.
    """
    height, width, channels = image_shape
    if channels not in (1, 3):
        received = f"image_shape={image_shape}"
        raise InputError("Bad number of channels", expected="1 or 3 channels", received=received)
    opened = open_image(Path(path))
    flat = on_black(opened).convert("L" if channels == 1 else "RGB")
    if flat.size != (width, height):
        flat = flat.resize((width, height), Image.Resampling.BICUBIC)
    return from_uint8(np.asarray(flat, dtype=np.float32).reshape(image_shape))


def _read(path: Path) -> Image.Image:
    with Image.open(path) as opened:
        return opened.copy()
