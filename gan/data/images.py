"""Images: conversion between [-1, 1] and 0..255, and reading and writing of image files."""

import os
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from gan.errors import InputError, check_whole
from gan.utils.types import Tensor

MOST_FRAMES = 100
"""Maximum number of frames in an animated GIF."""
LARGEST_VALUE = 1.001
"""Largest absolute value of a pixel in [-1, 1] that is accepted. Resizing and rounding may exceed 1 slightly."""
MOST_PIXELS = 50_000_000
"""Maximum number of pixels in an image that is read."""
HEIF_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
"""Suffixes of image files that the package pillow-heif reads."""
BACKGROUND = "black"
"""Color of the transparent parts of an image, unless another color is asked for."""


HALF = 127.5
"""Half of the range of a byte."""


def from_uint8(pixels: Tensor) -> Tensor:
    """Converts pixels from 0..255 to [-1, 1]: x / 127.5 - 1.

    `pixels` are floats (array or tensor) that hold whole numbers. The result has the same shape.
    """
    return scale_bytes(pixels, HALF)


def scale_bytes(pixels: Tensor, half: Tensor) -> Tensor:
    """Returns pixels / half - 1, which is `from_uint8` for `HALF`.

    In a graph, TensorFlow and XLA multiply by the reciprocal of a constant, which rounds another way. If `half` is a
    tensor that the graph does not know, every path computes the same bits.
    """
    return pixels / half - 1.0


def to_uint8(images: Tensor) -> np.ndarray:
    """Converts pixels from [-1, 1] to 0..255, rounded. It is the inverse of `from_uint8` for every byte value.

    `images` are floats of any shape. The result is uint8 of the same shape. Values outside [-1, 1] are clipped. Raises
    `InputError` for anything but finite numbers.
    """
    try:
        images = np.asarray(images, dtype=np.float32)
    except (TypeError, ValueError) as error:
        received = f"{type(images).__name__}: {error}"
        raise InputError("Bad `images`", expected="an array of floats in [-1, 1]", received=received) from error
    if images.size and not np.isfinite([images.min(), images.max()]).all():
        raise InputError("Bad `images`", expected="finite images in [-1, 1]", received="NaN or infinity")
    scaled = np.empty_like(images)  # in-place operations are three times as fast as a new array per operation
    np.clip(images, -1.0, 1.0, out=scaled)
    scaled += 1.0
    scaled *= 127.5
    return np.rint(scaled, out=scaled).astype(np.uint8)


def grid(images: np.ndarray, columns: int, *, padding: int = 2, scale: int = 1) -> np.ndarray:
    """Arranges images in a grid: uint8 [N,H,W,C] -> uint8 [rows*(H+p)+p, columns*(W+p)+p, C], times `scale`.

    Images are placed from left to right, then from top to bottom. Gaps and unused cells are dark gray. p is `padding`,
    in pixels. Raises `InputError` for arrays of another kind, and for numbers that are not whole.
    """
    is_bytes = isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.ndim == 4
    if not is_bytes:
        received = f"{images.dtype} {list(images.shape)}" if isinstance(images, np.ndarray) else type(images).__name__
        raise InputError("Bad `images`", expected="uint8 [N, H, W, C] (gan.images.to_uint8)", received=received)
    check_whole("columns", columns, 1)
    check_whole("padding", padding, 0)
    check_whole("scale", scale, 1)
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


def open_image(path: str | Path) -> Image.Image:
    """Reads an image file of any format as RGBA, 8 bits per channel, rotated by its EXIF orientation.

    Raises the errors of `decode_file`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `MOST_PIXELS` is stricter
        return decode_image(path)


def decode_image(path: str | Path) -> Image.Image:
    """Does the same as `open_image` without hiding Pillow's warnings: threads share their warning filters."""
    return decode_file(path).image


class ImageFile(NamedTuple):
    """A decoded image file.

    Attributes:
        image: RGBA, 8 bits per channel, rotated by its EXIF orientation.
        peak: largest value of a file with more than 8 bits per pixel of one channel, before its conversion. None: 8
            bits, or the range was given.
        frames: number of frames or pages in the file, of which `image` is the first.
        is_gray: whether the header declares an image without color.
    """

    image: Image.Image
    peak: int | None
    frames: int
    is_gray: bool


def decode_file(path: str | Path, pixel_range: tuple[float, float] | None = None) -> ImageFile:
    """Reads an image file of any format, and what is lost when it becomes a single image of 8 bits.

    Args:
        path: the file. HEIC needs the package pillow-heif.
        pixel_range: values of the file that become 0 and 255. None: 8 or 16 bits.

    Raises `InputError`, with the reason, for a file that cannot be read: it is missing, empty, protected, no image,
    damaged, has more than `MOST_PIXELS` pixels, or has pixels of an unknown range.
    """
    file = _existing(path)
    try:
        with _opened(file) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise _too_large(f"{file}: {opened.width} x {opened.height}")
            upright = ImageOps.exif_transpose(opened)
            peak = None if pixel_range or not _is_deep(upright) else int(np.asarray(upright).max())
            image = _in_8_bits(upright, file, pixel_range).convert("RGBA")
            return ImageFile(image, peak, _count_frames(opened), _is_gray(opened))
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(str(file)) from error
    except PermissionError as error:
        raise InputError(
            "This file cannot be read", expected="a readable image file", received=f"{file}: {error.strerror}"
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # each format has its own
        raise _damaged(file) from error


def _existing(path: str | Path) -> Path:
    """Returns the path of a file with content; raises `InputError` otherwise."""
    if not isinstance(path, (str, os.PathLike)):
        raise InputError("No such image file", expected="the path of an image file", received=type(path).__name__)
    file = Path(path)
    try:
        if file.is_symlink() and not file.exists():
            received = f"{file}, a link to {file.readlink()}"
            raise InputError("This link leads nowhere", expected="an image file", received=received)
        if file.is_dir():
            raise InputError("This is a folder", expected="an image file", received=str(file))
        if file.exists() and not file.is_file():
            raise InputError("This is not a regular file", expected="an image file", received=str(file))
        if not file.exists():
            raise InputError("No such image file", expected="an image file", received=str(file))
        if not file.stat().st_size:
            raise InputError("This file is empty", expected="an image file", received=str(file))
    except (OSError, ValueError) as error:  # a protected folder, a name that is too long, a null character
        if isinstance(error, InputError):
            raise
        raise InputError("This file cannot be read", expected="an image file", received=f"{file}: {error}") from error
    return file


def _opened(file: Path) -> Image.Image:
    """Opens an image file. HEIC is recognized whatever its suffix."""
    if _brand(file) in _HEIF_BRANDS:
        register_heif()
    return Image.open(file)


def _too_large(received: str) -> InputError:
    return InputError("This image is too large", expected=f"at most {MOST_PIXELS:,} pixels", received=received)


_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


def _brand(file: Path) -> bytes:
    """Returns the brand in the header of a file of the HEIF family; b"" for other files."""
    with file.open("rb") as content:
        header = content.read(12)
    return header[8:] if header[4:8] == b"ftyp" else b""


def _damaged(file: Path) -> InputError:
    """Returns the error about a file that Pillow cannot read: it is damaged, or no image, or needs another package."""
    if _brand(file) in _HEIF_BRANDS and not register_heif():
        problem = "HEIC needs the package pillow-heif (pip install pillow-heif)"
        return InputError(problem, expected="this package, or an image in another format", received=str(file))
    with file.open("rb") as content:
        header = content.read(16).ljust(16, b"\0")
    accepts = [accept for _, accept in Image.OPEN.values() if accept]
    if any(accept(header) is True for accept in accepts):
        return InputError("This image is damaged", expected="a complete image file", received=str(file))
    return InputError("This file is not an image", expected="an image file", received=str(file))


@cache
def register_heif() -> bool:
    """Makes Pillow read HEIC and HEIF, if the package pillow-heif is installed. Returns whether it is."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


def _count_frames(opened: Image.Image) -> int:
    """Returns the number of frames. The second image in a photo of a phone (MPO) is not a frame."""
    if opened.format in ("MPO", "HEIF"):
        return 1
    try:
        return int(getattr(opened, "n_frames", 1))
    except Exception:  # a damaged frame, which is not used
        return 1


def _is_deep(opened: Image.Image) -> bool:
    """Returns whether an image has more than 8 bits per pixel of its only channel."""
    return opened.mode in ("I", "F") or opened.mode.startswith("I;16")


def _in_8_bits(opened: Image.Image, path: Path, pixel_range: tuple[float, float] | None) -> Image.Image:
    """Scales more than 8 bits, or the values of `pixel_range`, to 8 bits. `Image.convert` would clip instead."""
    if pixel_range and not _is_deep(opened):
        pixels = np.array(opened.convert("RGBA"))
        pixels[..., :3] = scale(pixels[..., :3], pixel_range)
        return Image.fromarray(pixels)
    if not _is_deep(opened):
        return opened
    pixels = np.asarray(opened)
    if pixel_range:
        return Image.fromarray(scale(pixels, pixel_range))
    if opened.mode == "F" or pixels.min() < 0 or pixels.max() > 65_535:
        received = f"{path}: {pixels.dtype} from {pixels.min():.6g} to {pixels.max():.6g}"
        problem = "The pixels of this image have an unknown range (--pixel-range LOW HIGH gives it)"
        raise InputError(problem, expected="8 or 16 bits", received=received)
    return Image.fromarray((pixels >> 8).astype(np.uint8))


def scale(pixels: np.ndarray, pixel_range: tuple[float, float]) -> np.ndarray:
    """Maps the numbers from low to high linearly to 0..255, rounded: [...] of any real type -> uint8 [...].

    Values outside the range are clipped. Raises `InputError` for NaN.
    """
    low, high = pixel_range
    share = (np.asarray(pixels, np.float64) - low) / (high - low)
    if np.isnan(share).any():
        raise InputError("The pixels must be numbers", expected="no NaN", received=f"{np.isnan(share).sum():,} NaN")
    return np.rint(np.clip(share, 0.0, 1.0) * 255).astype(np.uint8)


def on_color(picture: Image.Image, color: str = BACKGROUND) -> Image.Image:
    """Converts RGBA to RGB of the same size. Transparent parts become `color`, a name or #rrggbb."""
    return Image.alpha_composite(Image.new("RGBA", picture.size, color), picture).convert("RGB")


def on_black(picture: Image.Image) -> Image.Image:
    """Converts RGBA to RGB of the same size. Transparent parts become black."""
    return on_color(picture)


def to_gray(pixels: np.ndarray) -> np.ndarray:
    """Converts RGB to luma, as `Image.convert("L")` of Pillow: uint8 [..., 3] -> uint8 [..., 1]. ITU-R BT.601.

    L = 0.299 R + 0.587 G + 0.114 B, rounded. Gray pixels keep their value.
    """
    luma = pixels.astype(np.uint32) @ np.array([19_595, 38_470, 7_471], np.uint32) + 0x8000
    return (luma >> 16).astype(np.uint8)[..., None]


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


def _is_gray(opened: Image.Image) -> bool:
    if opened.mode != "P":
        return opened.mode in GRAY_MODES or opened.mode.startswith("I;16")
    palette = np.array(opened.getpalette() or [0, 0, 0]).reshape(-1, 3)
    return not is_color(palette[None])


def has_color_mode(path: Path) -> bool:
    """Returns whether the header of an image file declares color, without decoding. False for an unreadable file."""
    try:
        with _opened(path) as opened:
            return not _is_gray(opened)
    except Exception:  # each format has its own
        return False


def read_image(path: str | Path, image_shape: tuple[int, int, int]) -> np.ndarray:
    """Reads an image file in the size and channels of `image_shape` [H, W, C]: float32 in [-1, 1].

    The whole image is scaled to H x W, and stretched if its aspect ratio differs. It becomes grayscale for one channel
    and RGB for three. Transparent parts become black.

    Raises the errors of `open_image`, and `InputError` for another number of channels.
    """
    sides = tuple(image_shape) if isinstance(image_shape, Sequence) else ()
    if len(sides) != 3:
        raise InputError("Bad `image_shape`", expected="(height, width, channels)", received=repr(image_shape))
    for side in sides[:2]:
        check_whole("image_shape", side, 1)
    height, width, channels = sides
    if channels not in (1, 3):
        received = f"image_shape={image_shape}"
        raise InputError("Bad number of channels", expected="1 or 3 channels", received=received)
    opened = open_image(path)
    flat = on_black(opened).convert("L" if channels == 1 else "RGB")
    if flat.size != (width, height):
        flat = flat.resize((width, height), Image.Resampling.BICUBIC)
    return from_uint8(np.asarray(flat, dtype=np.float32).reshape(image_shape))


def _read(path: Path) -> Image.Image:
    with Image.open(path) as opened:
        return opened.copy()
