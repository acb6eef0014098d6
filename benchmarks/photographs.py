"""Synthetic photographs of marks on paper: light, noise, ruled lines, pens, rotation, blur and JPEG.

A mark is the coverage by ink: float32 [H, W] in [0, 1]. `photograph` puts it on paper. Each effect of `EFFECTS` alone
is a kind of photograph; `mixed` draws several. Everything is drawn from the given NumPy generator.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from PIL import Image
from scipy import ndimage

MARK_SIDE = 140
"""Side of a digit of MNIST after it is enlarged from 28 pixels."""


@dataclass(frozen=True)
class Scene:
    """How a mark is photographed. The defaults are an evenly lit, sharp picture without noise."""

    height: int = 240
    width: int = 240
    size: float = 0.6
    """Longer side of the mark, as a share of the shorter side of the picture."""
    place: tuple[float, float] = (0.5, 0.5)
    """Position of the mark, from 0 (at the top or left border) to 1."""
    degrees: float = 0.0
    paper: tuple[float, float, float] = (0.85, 0.85, 0.83)
    """Red, green and blue of the paper, in [0, 1]."""
    ink: tuple[float, float, float] = (0.15, 0.15, 0.17)
    slope: float = 0.0
    """Light that is lost from one side of the picture to the other, as a share."""
    direction: float = 0.0
    """Direction of the slope and of the edge of the shadow, in radians."""
    shadow: float = 0.0
    """Light that is lost in the shadow, as a share."""
    shadow_edge: float = 2.0
    """Softness of the edge of the shadow, in pixels."""
    lines: float = 0.0
    """Distance of ruled lines, as a share of the height. 0: no lines."""
    squared: bool = False
    line_ink: float = 0.25
    """Light that a ruled line absorbs, as a share, in red; green loses less and blue least."""
    line_width: float = 1.5
    noise: float = 0.0
    """Standard deviation of the noise of the sensor, of 255."""
    grain: float = 0.0
    """Standard deviation of the paper's grain, of 255: noise that is smooth over two pixels."""
    blur: float = 0.0
    """Standard deviation of the blur, in pixels."""
    quality: int = 0
    """Quality of JPEG; 0: not compressed."""


def photograph(mark: np.ndarray | None, scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Photographs a mark, or blank paper for None: uint8 [height, width, 3]."""
    height, width = scene.height, scene.width
    coverage = np.zeros((height, width), np.float32)
    if mark is not None:
        placed = _fit(mark, round(scene.size * min(height, width)), scene.degrees)
        top = round(scene.place[0] * max(0, height - placed.shape[0]))
        left = round(scene.place[1] * max(0, width - placed.shape[1]))
        placed = placed[:height, :width]
        coverage[top : top + placed.shape[0], left : left + placed.shape[1]] = placed
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    along = (np.cos(scene.direction) * (columns / width - 0.5) + np.sin(scene.direction) * (rows / height - 0.5)) + 0.5
    light = 1 - scene.slope * np.clip(along, 0, 1)
    if scene.shadow:
        distance = (along - rng.uniform(0.25, 0.75)) * min(height, width)
        light = light * (1 - scene.shadow / (1 + np.exp(-np.clip(distance / max(scene.shadow_edge, 0.3), -30, 30))))
    lines = np.zeros((height, width), np.float32)
    if scene.lines:
        spacing, start, tilt = scene.lines * height, rng.uniform(), np.tan(np.radians(rng.uniform(-4, 4)))
        axes = [rows + tilt * columns] + ([columns - tilt * rows] if scene.squared else [])
        for axis in axes:
            off = np.abs((axis / spacing + start + 0.5) % 1 - 0.5) * spacing
            lines = np.maximum(lines, np.clip(scene.line_width / 2 + 0.5 - off, 0, 1))
    share = np.array([1.0, 0.7, 0.4], np.float32) * scene.line_ink
    paper = np.asarray(scene.paper, np.float32) * (1 - lines[..., None] * share)
    color = paper * (1 - coverage[..., None]) + np.asarray(scene.ink, np.float32) * coverage[..., None]
    picture = color * light[..., None] * 255
    if scene.grain:
        picture += 2.5 * scene.grain * ndimage.gaussian_filter(rng.normal(size=(height, width)), 0.8)[..., None]
    if scene.blur:
        picture = ndimage.gaussian_filter(picture, (scene.blur, scene.blur, 0))
    if scene.noise:
        picture = (
            picture + rng.normal(0, scene.noise, (height, width, 1)) + rng.normal(0, scene.noise / 3, picture.shape)
        )
    pixels = np.rint(np.clip(picture, 0, 255)).astype(np.uint8)
    return _compressed(pixels, scene.quality) if scene.quality else pixels


def _fit(mark: np.ndarray, longest: int, degrees: float) -> np.ndarray:
    """Rotates a mark, cuts it to its ink, and scales it to a longer side."""
    image = Image.fromarray((mark * 255).astype(np.uint8))
    if degrees:
        image = image.rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    box = image.point(lambda value: 255 * (value > 40)).getbbox() or (0, 0, 1, 1)
    image = image.crop(box)
    scale = max(longest, 4) / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    kind = Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.BOX
    return np.asarray(image.resize(size, kind), np.float32) / 255


def _compressed(pixels: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


Effect = Callable[[Scene, np.random.Generator], Scene]


def _dark_paper(scene: Scene, rng: np.random.Generator) -> Scene:
    dark = rng.uniform(0.05, 0.3)
    light = rng.uniform(dark + 0.4, 1.0)
    return replace(scene, paper=_tinted(dark, rng), ink=_tinted(light, rng))


def _faint(scene: Scene, rng: np.random.Generator) -> Scene:
    paper = float(np.mean(scene.paper))
    sign = -1 if paper > 0.5 else 1
    return replace(scene, ink=_tinted(paper * (1 + sign * rng.uniform(0.15, 0.3)), rng))


EFFECTS: Mapping[str, Effect] = MappingProxyType(
    {
        "shaded": lambda s, rng: replace(s, slope=rng.uniform(0.2, 0.6)),
        "hard shadow": lambda s, rng: replace(s, shadow=rng.uniform(0.2, 0.5), shadow_edge=rng.uniform(0.3, 8)),
        "noisy": lambda s, rng: replace(s, noise=rng.uniform(4, 14)),
        "grainy": lambda s, rng: replace(s, grain=rng.uniform(3, 9)),
        "lined": lambda s, rng: replace(
            s, lines=rng.uniform(0.08, 0.3), line_ink=rng.uniform(0.15, 0.6), line_width=rng.uniform(1, 2.5)
        ),
        "squared": lambda s, rng: replace(
            s, lines=rng.uniform(0.07, 0.2), line_ink=rng.uniform(0.1, 0.45), line_width=rng.uniform(1, 2), squared=True
        ),
        "blurred": lambda s, rng: replace(s, blur=rng.uniform(1, 0.012 * min(s.height, s.width) + 1)),
        "jpeg": lambda s, rng: replace(s, quality=int(rng.integers(10, 60))),
        "rotated": lambda s, rng: replace(s, degrees=rng.uniform(-12, 12)),
        "light on dark": _dark_paper,
        "faint": _faint,
        "small": lambda s, rng: replace(s, size=rng.uniform(0.12, 0.25)),
        "near the border": lambda s, rng: replace(s, place=(float(rng.choice([0.02, 0.98])), rng.uniform())),
    }
)
"""Name of an effect -> function that adds it to a scene."""
PENS = ("thin pen", "thick pen")
"""Kinds of photographs that differ in the mark instead of the scene."""
KINDS = ("plain", *EFFECTS, *PENS, "mixed")


def draw_scene(kind: str, rng: np.random.Generator) -> Scene:
    """Draws a scene of one kind. The paper, the ink, and the place of the mark are drawn for every kind."""
    height, width = (int(rng.integers(140, 340)) for _ in range(2))
    paper = rng.uniform(0.6, 1.0)
    scene = Scene(
        height=height,
        width=width,
        size=rng.uniform(0.35, 0.8),
        place=(rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9)),
        degrees=rng.uniform(-4, 4),
        paper=_tinted(paper, rng),
        ink=_tinted(paper * rng.uniform(0.05, 0.5), rng),
        direction=rng.uniform(0, 2 * np.pi),
    )
    names: Sequence[str] = (kind,) if kind in EFFECTS else ()
    if kind == "mixed":
        names = [name for name in EFFECTS if rng.uniform() < 0.25]
    for name in sorted(names, key=list(EFFECTS).index, reverse=True):  # the polarity before the contrast
        scene = EFFECTS[name](scene, rng)
    return scene


def draw_mark(digit: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Enlarges a digit of MNIST, uint8 [28, 28], to a mark with smooth edges, in the pen of the kind of photograph."""
    mark = enlarge(digit)
    if kind == "thin pen" or (kind == "mixed" and rng.uniform() < 0.3):
        return redraw(mark, rng.uniform(1.5, 5))
    if kind == "thick pen":
        return redraw(mark, rng.uniform(16, 24))
    return mark


def enlarge(digit: np.ndarray) -> np.ndarray:
    """Enlarges a digit, uint8 [H, W], five times, and makes its edges sharp again."""
    scale = MARK_SIDE / 28
    large = ndimage.gaussian_filter(ndimage.zoom(np.pad(digit, 2).astype(np.float32), scale, order=1), 2.0) / 255
    return np.clip((large - 0.4) / 0.2 + 0.5, 0, 1).astype(np.float32)


def redraw(mark: np.ndarray, width: float) -> np.ndarray:
    """Draws the skeleton of a mark again, with a pen of `width` pixels."""
    from skimage.morphology import skeletonize

    mark = np.pad(mark, round(width))
    distance = ndimage.distance_transform_edt(~skeletonize(mark > 0.5))
    return np.clip(width / 2 + 0.5 - distance, 0, 1).astype(np.float32)


def _tinted(gray: float, rng: np.random.Generator) -> tuple[float, float, float]:
    """Returns a color of about a given brightness."""
    red, green, blue = np.clip(gray + rng.normal(0, 0.03, 3), 0.0, 1.0)
    return float(red), float(green), float(blue)
