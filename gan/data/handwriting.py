"""Finds a handwritten digit in an image, and converts it to the format of MNIST."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from gan.data import images, ink
from gan.errors import InputError

BOX = 20
"""Side of the box that a digit of MNIST fills, in pixels. Its center of mass is at pixel (14, 14) of 0 to 27, up to
rounding."""
WHOLE_SIDE, PART_SIDE = 384, 160
"""Longest side of the image in which a digit is searched, and of the part of the image from which it is read."""
NOTHING = "No digit in this image: "
"""Start of the error for an image without a mark; the reason follows."""
MOST_SIDE = 1_000
"""Images of at least twice this side are reduced first, by a whole factor."""
THINNEST = 1.6
"""Least width of a stroke in the result, in pixels of 28. Thinner strokes are widened, as MNIST has none."""


@dataclass(frozen=True)
class FoundDigit:
    """A digit, and where it was found."""

    pixels: np.ndarray
    """The digit as in MNIST: float32 [side, side, 1] in [-1, 1], light on dark."""
    box: tuple[int, ...]
    """Its box in the image: left, top, right, bottom, in pixels. Right and bottom are exclusive."""
    problem: str | None
    """Reason why the image may not show exactly one digit, such as "several marks". None: none was seen."""


def read_digit(path: str | Path, *, invert: bool | None = None, side: int = 28) -> np.ndarray:
    """Reads an image of one digit, of any size and color: float32 [side, side, 1] in [-1, 1], light on dark.

    The digit is found on its background, cropped, scaled to a box of 20 of 28 pixels, and centered by its center of
    mass, as in MNIST. Uneven light, noise, ruled lines and specks are removed. Transparent parts count as background.

    Args:
        path: an image file.
        invert: True for a dark digit on a light background, False for a light digit on a dark one. None: decided from
            the image.
        side: height and width of the result, in pixels.

    Raises `InputError` for a file that is not an image, is too large, or is blank.
    """
    return find_digit(images.open_image(Path(path)), name=str(path), invert=invert, side=side).pixels


def find_digit(
    picture: Image.Image, *, name: str = "the image", invert: bool | None = None, side: int = 28
) -> FoundDigit:
    """Reads an image as `read_digit` does, and returns also where the digit is.

    `picture` has 8 bits per channel; `name` stands for it in errors. Raises `InputError` for a blank image.
    """
    picture = picture.convert("RGBA")
    factor = max(1, max(picture.size) // MOST_SIDE)
    brightness = _brightness(picture.reduce(factor) if factor > 1 else picture)
    whole, scale = _reduced(brightness, WHOLE_SIDE)
    kinds = (True, False) if invert is None else (invert,)
    found = [marks for kind in kinds if (marks := _find_marks(whole, kind, 0.35 * min(whole.shape))) is not None]
    if not found:
        raise _nothing("it is blank" if np.ptp(brightness) < 0.05 else "only specks or noise", name)
    chosen = found[0] if len(found) == 1 else _figure(whole, *found)
    top, bottom, left, right = (round(edge * scale) for edge in chosen.box)
    widest = 0.65 * max(bottom - top, right - left)
    margin = max(4, round(0.4 * max(bottom - top, right - left)))
    top, left = max(0, top - margin), max(0, left - margin)
    bottom, right = bottom + margin, right + margin
    part, scale = _reduced(brightness[top:bottom, left:right], PART_SIDE)
    closer = _find_marks(part, chosen.is_dark, widest / scale)
    if closer is None:
        raise _nothing("only specks or noise", name)
    rows, columns = slice(*closer.box[:2]), slice(*closer.box[2:])
    cut = closer.ink[rows, columns]
    corners = ((left, 2), (top, 0), (left, 3), (top, 1))
    box = tuple(factor * (start + round(closer.box[edge] * scale)) for start, edge in corners)
    return FoundDigit(images.from_uint8(_as_mnist(cut, side))[..., None], box, chosen.problem)


def reason_of(error: InputError) -> str:
    """Returns the reason why `find_digits` found no digit, in a few words."""
    return error.problem.removeprefix(NOTHING)


def _nothing(reason: str, name: str) -> InputError:
    return InputError(f"{NOTHING}{reason}", expected="an image of a digit", received=name)


def find_digits(files: Sequence[str | Path], *, invert: bool | None = None) -> list[FoundDigit | InputError]:
    """Finds the digit in each file, or the error that says why there is none. Needs no classifier."""
    results: list[FoundDigit | InputError] = []
    for file in files:
        try:
            results.append(find_digit(images.open_image(Path(file)), name=str(file), invert=invert))
        except InputError as error:
            results.append(error)
    return results


@dataclass(frozen=True)
class _Marks:
    """The largest mark of an image, with its neighbors."""

    is_dark: bool
    ink: np.ndarray
    """Ink of these marks alone: float32 [H, W] in [0, 1]."""
    box: tuple[int, int, int, int]
    """Top, bottom, left, right."""
    outline: float
    """Sum of the gradient of the brightness along the outline."""
    area: int
    problem: str | None


def _find_marks(brightness: np.ndarray, is_dark: bool, width: float) -> _Marks | None:
    """Finds the largest mark, with strokes of at most `width` pixels. None: there is none."""
    noise = ink.estimate_noise(brightness)
    blur = min(2.0, 40 * noise) if noise > 0.004 else 0.0
    smooth = ndimage.gaussian_filter(brightness, blur) if blur else brightness
    found = ink.remove_background(smooth, round(width), is_dark=is_dark)
    found = ink.remove_lines(found)
    floor = max(0.03, 7 * noise / max(1.0, 3.5 * blur))
    candidates = found[found > floor]
    if candidates.size < 3:
        return None
    strong = candidates[candidates >= ink.otsu_threshold(candidates)]
    level = float(np.median(strong))
    mask = found > max(floor, 0.3 * level)
    reach = round(0.008 * max(mask.shape))
    joined = ndimage.binary_dilation(mask, iterations=reach) if reach else mask
    spots, count = ink.label_marks(joined)
    spots = spots * mask
    numbers = np.arange(1, count + 1)
    outline = (spots > 0) & ~ndimage.binary_erosion(mask, border_value=1)
    edges = ndimage.gaussian_gradient_magnitude(brightness, max(1.0, blur))
    weights = ndimage.sum_labels(np.where(outline, edges, 0.0), spots, numbers)
    boxes = ndimage.find_objects(spots, count)
    height, breadth = mask.shape
    touches = np.array(
        [
            b is None or b[0].start <= 1 or b[1].start <= 1 or b[0].stop >= height - 1 or b[1].stop >= breadth - 1
            for b in boxes
        ]
    )
    ranked = weights * np.where(touches, 0.2, 1.0)
    kept = [int(ranked.argmax())]
    box = _edges(boxes[kept[0]])
    others = []
    for index in np.argsort(-ranked)[1:]:
        if weights[index] < 0.1 * weights[kept[0]] or boxes[index] is None:
            continue
        edges = _edges(boxes[index])
        if touches[index] and not touches[kept[0]] and _longest(edges) > _longest(box):
            continue  # a shadow or the edge of the paper
        if _gap(box, edges) <= 0.3 * _longest(box):
            kept.append(int(index))
            box = _union(box, edges)
        elif weights[index] > 0.25 * weights[kept[0]]:
            others.append(int(index))
    alone = np.isin(spots, np.array(kept) + 1)
    low = min(max(floor, 0.12 * level), 0.3 * level)
    soft = np.clip((found - low) / max(level - low, 1e-6), 0.0, 1.0)
    near = ndimage.binary_dilation(alone, iterations=2)
    soft = np.where(near & ((spots == 0) | alone), soft, 0.0).astype(np.float32)
    return _Marks(
        is_dark,
        soft,
        box,
        outline=float(ranked[kept].sum()),
        area=int(np.count_nonzero(alone)),
        problem="several separate marks" if others else None,
    )


def _figure(brightness: np.ndarray, one: _Marks, other: _Marks) -> _Marks:
    """Chooses between dark and light marks: strokes have a long outline for their area; ground within them does not.

    Marks whose background has the brightness of the border are preferred, the more the evener the border is.
    """
    border = np.concatenate([brightness[0], brightness[-1], brightness[:, 0], brightness[:, -1]])
    low, high = float(brightness.min()), float(brightness.max())
    unevenness = float(np.quantile(border, 0.9) - np.quantile(border, 0.1)) / max(high - low, 1e-6)
    favor = 100.0 if unevenness < 0.02 else 2.0 if unevenness < 0.15 else 1.0
    is_dark = float(np.median(border)) > (low + high) / 2
    scores = [m.outline**2 / m.area * (favor if m.is_dark == is_dark else 1.0) for m in (one, other)]
    return one if scores[0] >= scores[1] else other


def _edges(box: tuple[slice, slice]) -> tuple[int, int, int, int]:
    return box[0].start, box[0].stop, box[1].start, box[1].stop


def _longest(box: tuple[int, int, int, int]) -> int:
    return max(box[1] - box[0], box[3] - box[2])


def _gap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> float:
    """Returns the distance between two boxes; 0 if they touch or overlap."""
    return float(np.hypot(max(0, b[0] - a[1], a[0] - b[1]), max(0, b[2] - a[3], a[2] - b[3])))


def _union(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    return min(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), max(a[3], b[3])


def _reduced(brightness: np.ndarray, longest: int) -> tuple[np.ndarray, float]:
    """Scales an image down to at most `longest` pixels, by the mean of the pixels: (image, pixels per new pixel)."""
    scale = max(brightness.shape) / longest
    if scale <= 1:
        return brightness, 1.0
    size = tuple(max(1, round(length / scale)) for length in brightness.shape[::-1])
    return np.asarray(Image.fromarray(brightness).resize(size, Image.Resampling.BOX)), scale


def _brightness(picture: Image.Image) -> np.ndarray:
    """Returns the brightness of each pixel of an RGBA image: float32 [H, W] in [0, 1]."""
    pixels = np.asarray(picture, dtype=np.float32) / 255
    brightness, opacity = pixels[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32), pixels[..., 3]
    if opacity.mean() < 0.5:  # only the digit is opaque: the background is the opposite of its brightness
        background = 0.0 if float(np.average(brightness, weights=opacity + 1e-9)) > 0.5 else 1.0
    else:  # a page with transparent parts, such as round corners
        background = float(np.median(brightness[opacity >= 0.5]))
    return brightness * opacity + background * (1 - opacity)


def _as_mnist(cut: np.ndarray, side: int) -> np.ndarray:
    """Scales ink [H, W] in [0, 1] to the box of MNIST, and centers it: float32 [side, side] in 0..255."""
    height, width = cut.shape
    scale = BOX * side / 28 / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    grown = round((THINNEST * side / 28 / scale - _stroke_width(cut)) / 2)
    if grown > 0:
        cut = ndimage.grey_dilation(np.pad(cut, grown), footprint=_disk(grown))
    small = np.asarray(Image.fromarray((cut * 255).astype(np.uint8)).resize(size, Image.Resampling.BOX), np.float32)
    # thin strokes fade when they are scaled down, but MNIST's strokes are bright
    return _centered(small * (255.0 / small.max()), side)


def _disk(radius: int) -> np.ndarray:
    offsets = np.arange(-radius, radius + 1)
    return offsets[:, None] ** 2 + offsets[None] ** 2 <= radius**2 + 0.5


def _stroke_width(cut: np.ndarray) -> float:
    """Estimates the mean width of strokes: ink area over half the length of its outline."""
    mask = np.pad(cut > 0.4, 1)
    outline = int(np.count_nonzero(mask & ~ndimage.binary_erosion(mask)))
    return 2 * float(np.count_nonzero(mask)) / max(outline, 1)


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
