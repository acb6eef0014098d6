"""Pictures: the one place that converts between [-1, 1] and 0..255, and that reads and writes image files."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from gan.errors import InputError
from gan.utils.types import Tensor

MOST_FRAMES = 100
MOST_PIXELS = 50_000_000
"""Of a picture that is read."""


def from_uint8(pixels: Tensor) -> Tensor:
    """0..255 -> [-1, 1]: x / 127.5 - 1. `pixels`: floats (array or tensor) that hold whole numbers; same shape back."""
    return pixels / 127.5 - 1.0


def to_uint8(images: Tensor) -> np.ndarray:
    """[-1, 1] -> 0..255, rounded; what lies outside is clipped. The inverse of `from_uint8` on every byte value.

    images: floats of any shape -> uint8 of that shape. Raises `ValueError` when a value is not finite.
    """
    images = np.asarray(images, dtype=np.float32)
    if images.size and not np.isfinite([images.min(), images.max()]).all():
        raise ValueError("Expected finite images in [-1, 1]. Received NaN or infinity.")
    scaled = np.empty_like(images)  # worked on in place: three times as fast as with a new array a line
    np.clip(images, -1.0, 1.0, out=scaled)
    scaled += 1.0
    scaled *= 127.5
    return np.rint(scaled, out=scaled).astype(np.uint8)


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

    Raises `InputError` for what is no image, is damaged, has more than `MOST_PIXELS`, or pixels of no stated range.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # we ask for less than it does
        return decode_picture(path)


def decode_picture(path: Path) -> Image.Image:
    """`open_picture` for threads, which share their filters of warnings: lets those of Pillow through."""
    if not path.is_file():
        raise InputError("No such picture", expected="an image file", received=str(path))
    try:
        with Image.open(path) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise InputError(
                    "This picture is too large",
                    expected=f"at most {MOST_PIXELS:,} pixels",
                    received=f"{path}: {opened.width} x {opened.height}",
                )
            return _in_8_bits(ImageOps.exif_transpose(opened), path).convert("RGBA")
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(
            "This picture is too large", expected=f"at most {MOST_PIXELS:,} pixels", received=str(path)
        ) from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, RuntimeError) as error:  # by format
        raise InputError("This is no picture, or is damaged", expected="an image file", received=f"{path}") from error


def _in_8_bits(picture: Image.Image, path: Path) -> Image.Image:
    """Scales 16 bits to 8, where `Image.convert` would clip."""
    if picture.mode not in ("I", "F") and not picture.mode.startswith("I;16"):
        return picture
    pixels = np.asarray(picture)
    if picture.mode == "F" or pixels.min() < 0 or pixels.max() > 65_535:
        received = f"{path}: {pixels.dtype} from {pixels.min():.6g} to {pixels.max():.6g}"
        raise InputError("The pixels of this picture have no known range", expected="8 or 16 bits", received=received)
    return Image.fromarray((pixels >> 8).astype(np.uint8))


def on_black(picture: Image.Image) -> Image.Image:
    """RGBA -> RGB of the same size: transparent parts are black."""
    return Image.alpha_composite(Image.new("RGBA", picture.size, "black"), picture).convert("RGB")


def cover(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The middle of a picture in (height, width): scaled with its aspect kept until it covers both, then cut.

    Antialiased (bicubic) when it becomes smaller, smooth when it becomes larger; bytes stay as they are when it fits.
    """
    return ImageOps.fit(picture, (size[1], size[0]), method=Image.Resampling.BICUBIC)


def is_coloured(pixels: np.ndarray) -> np.ndarray:
    """Whether any pixel of a picture is no grey: uint8 [..., H, W, C] -> bool [...]."""
    return (pixels != pixels[..., :1]).any(axis=(-3, -2, -1))


GREY_MODES = ("1", "L", "LA", "La", "I", "F")
"""Modes of Pillow that hold no colour, beside those of 16 bits."""


def has_colour_mode(path: Path) -> bool:
    """Whether the header of an image file promises colours. False for what cannot be read; decodes nothing."""
    try:
        with Image.open(path) as opened:
            if opened.mode != "P":
                return opened.mode not in GREY_MODES and not opened.mode.startswith("I;16")
            palette = np.array(opened.getpalette() or [0, 0, 0]).reshape(-1, 3)
            return bool(is_coloured(palette[None]))
    except (Image.DecompressionBombError, OSError, SyntaxError, ValueError, RuntimeError):
        return False


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
    flat = on_black(opened).convert("L" if channels == 1 else "RGB")
    if flat.size != (width, height):
        flat = flat.resize((width, height), Image.Resampling.BICUBIC)
    return from_uint8(np.asarray(flat, dtype=np.float32).reshape(image_shape))


def _read(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.copy()
