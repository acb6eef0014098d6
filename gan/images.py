"""Pictures: the one place that converts between [-1, 1] and 0..255, and that reads and writes image files."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from gan.errors import InputError

MOST_FRAMES = 100
MOST_PIXELS = 50_000_000
"""Of a picture that is read."""


def from_uint8(pixels: Any) -> Any:
    """0..255 -> [-1, 1]: x / 127.5 - 1. `pixels`: floats (array or tensor) that hold whole numbers; same shape back."""
    return pixels / 127.5 - 1.0


def to_uint8(images: Any) -> np.ndarray:
    """[-1, 1] -> 0..255, rounded; what lies outside is clipped. The inverse of `from_uint8` on every byte value.

    images: floats of any shape -> uint8 of that shape. Raises `ValueError` when a value is not finite.
    """
    images = np.asarray(images, dtype=np.float32)
    if not np.isfinite(images).all():
        raise ValueError("Expected finite images in [-1, 1]. Received NaN or infinity.")
    return np.clip(np.rint((images + 1.0) * 127.5), 0, 255).astype(np.uint8)


def grid(images: np.ndarray, columns: int, *, padding: int = 2, scale: int = 1) -> np.ndarray:
    """One picture of many: uint8 [N,H,W,C] -> uint8 [rows*(H+p)+p, columns*(W+p)+p, C], times `scale`.

    Pictures run left to right, then down; a last row that is not full is left dark, gaps are grey.
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
    """uint8 [H,W,1] or [H,W,3] -> a PIL picture, greyscale or RGB."""
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def save_png(path: Path, image: np.ndarray) -> None:
    """Writes uint8 [H,W,C] as PNG."""
    to_pil(image).save(path, format="PNG")


def save_gif(path: Path, frames: Sequence[Path], *, milliseconds: int = 200) -> None:
    """Joins image files of one size into an animated GIF that loops, and rests two seconds on the last.

    Of more than `MOST_FRAMES` files, that many are shown, evenly spaced, the first and the last among them.
    """
    chosen = np.linspace(0, len(frames) - 1, min(len(frames), MOST_FRAMES)).round().astype(int)
    pictures = (_read(frames[index]) for index in chosen)
    durations = [milliseconds] * (len(chosen) - 1) + [2_000]
    next(pictures).save(path, format="GIF", save_all=True, append_images=pictures, duration=durations, loop=0)


def open_picture(path: Path) -> Image.Image:
    """Reads an image file of any kind as RGBA, 8 bits a channel, turned as the camera was held.

    Raises `InputError` for what is no image, is damaged, or has more than `MOST_PIXELS`.
    """
    if not path.is_file():
        raise InputError("No such picture", expected="an image file", received=str(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # we ask for less than it does
            opened = Image.open(path)
        with opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise InputError(
                    "This picture is too large",
                    expected=f"at most {MOST_PIXELS:,} pixels",
                    received=f"{path}: {opened.width} x {opened.height}",
                )
            turned = ImageOps.exif_transpose(opened)
            if turned.mode.startswith("I;16"):  # which convert() would clip, not scale
                turned = Image.fromarray((np.asarray(turned) >> 8).astype(np.uint8))
            return turned.convert("RGBA")
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(
            "This picture is too large", expected=f"at most {MOST_PIXELS:,} pixels", received=str(path)
        ) from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, RuntimeError) as error:  # by format
        raise InputError("This is no picture, or is damaged", expected="an image file", received=f"{path}") from error


def read_picture(path: str | Path, image_shape: tuple[int, int, int]) -> np.ndarray:
    """Reads an image file as it is, in the size and channels of `image_shape`: float32 [H, W, C] in [-1, 1].

    The whole picture is scaled to H x W (sides of another ratio are stretched), to brightness for one channel and RGB
    for three. Transparent parts are black.

    Raises `InputError` as `open_picture` does, or for another number of channels.
    """
    height, width, channels = image_shape
    if channels not in (1, 3):
        raise InputError("No file holds such images", expected="1 or 3 channels", received=f"image_shape={image_shape}")
    opened = open_picture(Path(path))
    flat = Image.alpha_composite(Image.new("RGBA", opened.size, "black"), opened).convert(
        "L" if channels == 1 else "RGB"
    )
    if flat.size != (width, height):
        flat = flat.resize((width, height), Image.Resampling.BICUBIC)
    return from_uint8(np.asarray(flat, dtype=np.float32).reshape(image_shape))


def _read(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.copy()
