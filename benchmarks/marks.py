"""Marks on paper that are digits, and pictures that are none: letters, symbols, scribbles, textures, photographs.

Fonts and photographs are divided into three groups, so that what is fitted on one is measured on another. Fonts come
from Matplotlib and from packages of fonts; photographs from scikit-image, scikit-learn and Matplotlib. The extra
`photographs` of the package installs them. Everything is drawn from the given NumPy generator.
"""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from benchmarks.photographs import KINDS, MARK_SIDE, draw_mark, draw_scene, enlarge, photograph, redraw
from gan.errors import InputError

Group = Literal["train", "bound", "test"]
"""What fonts and photographs are for: training, the choice of the bound, the measurement."""

FONTS: Mapping[Group, Sequence[tuple[str, str]]] = MappingProxyType(
    {
        "train": (
            ("matplotlib", "mpl-data/fonts/ttf/DejaVuS*.ttf"),
            ("matplotlib", "mpl-data/fonts/ttf/STIXGeneral*.ttf"),
            ("matplotlib", "mpl-data/fonts/ttf/cm[rst][sti]*.ttf"),
            ("font_roboto", "files/*.ttf"),
            ("font_source_sans_pro", "files/*.ttf"),
            ("font_manrope", "files/*.ttf"),
            ("font_intuitive", "files/*.ttf"),
        ),
        "bound": (("font_hanken_grotesk", "files/*.otf"), ("font_caladea", "files/*.ttf")),
        "test": (
            ("font_lato", "files/*.ttf"),
            ("font_source_serif_pro", "files/*.ttf"),
            ("font_amatic_sc", "files/*.ttf"),
            ("font_fredoka_one", "files/*.ttf"),
        ),
    }
)
"""Group -> packages with fonts, and the files in them. No family is in two groups."""
PHOTOGRAPHS: Mapping[Group, Sequence[tuple[str, str]]] = MappingProxyType(
    {
        "train": tuple(
            ("skimage", f"data/{name}.png")
            for name in (
                "brick",
                "camera",
                "cell",
                "coffee",
                "coins",
                "grass",
                "horse",
                "moon",
                "motorcycle_left",
                "page",
            )
        ),
        "bound": tuple(("skimage", f"data/{name}.png") for name in ("clock_motion", "ihc", "text")),
        "test": (
            *(("skimage", f"data/{name}.png") for name in ("astronaut", "chelsea", "gravel")),
            *(("skimage", f"data/{name}.jpg") for name in ("retina", "rocket")),
            ("sklearn", "datasets/images/china.jpg"),
            ("sklearn", "datasets/images/flower.jpg"),
            ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
        ),
    }
)
"""Group -> packages with photographs, and their files."""

DIGIT_SHAPES = "OoIil|SsZzBbgq"
"""Letters with the shape of a digit: 0, 1, 5, 2, 8, 6 or 9. No reader can tell them apart, so none is drawn."""
LETTERS = "".join(
    letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" if letter not in DIGIT_SHAPES
)
SYMBOLS = "?@#%+=*~<>^ΓΔΛΞΠΣΨΩαλμπψω"

STROKES: Mapping[int, Sequence[str]] = MappingProxyType(
    {
        0: ("50,0 15,20 8,55 25,92 50,100 78,88 92,50 80,15 50,0",),
        1: (
            "50,0 50,100",
            "30,22 55,0 55,100",
            "30,20 50,0 50,100 / 25,100 75,100",
        ),
        2: (
            "10,25 30,3 60,0 85,20 75,45 8,100 95,100",
            "10,20 50,0 85,22 60,60 15,95 30,85 60,98 95,92",
        ),
        3: (
            "12,10 50,0 85,20 70,42 40,48 75,55 90,78 55,100 10,90",
            "10,0 85,0 45,40 85,55 85,85 50,100 10,90",
        ),
        4: (
            "70,100 70,0 5,68 95,68",
            "25,0 12,55 85,52 / 72,10 65,100",
            "35,0 5,60 95,60 / 65,30 65,100",
        ),
        5: (
            "85,0 20,0 15,42 60,38 90,65 70,95 30,100 5,90",
            "25,3 18,42 60,40 88,68 65,97 10,95 / 25,2 85,0",
        ),
        6: ("70,0 35,20 12,60 25,95 60,100 85,80 70,55 35,55 14,72",),
        7: (
            "5,0 92,0 40,100",
            "5,3 90,0 55,50 40,100 / 25,50 80,48",
        ),
        8: ("75,12 45,0 20,20 50,45 85,75 55,100 15,82 45,50 80,25 75,12",),
        9: (
            "82,20 50,0 18,20 30,50 65,48 82,20 80,60 60,100",
            "80,15 45,0 15,22 35,50 80,35 78,10 75,100",
        ),
    }
)
"""Digit -> ways to write it: points x,y in percent of a box, and strokes separated by /."""


def find_files(group: Group, kind: Mapping[Group, Sequence[tuple[str, str]]]) -> list[Path]:
    """Returns the files of a group, sorted within each package. Raises `InputError` for a package that is missing."""
    return list(_find_files(tuple(kind[group])))


@cache
def _find_files(patterns: tuple[tuple[str, str], ...]) -> tuple[Path, ...]:
    found: list[Path] = []
    for package, pattern in patterns:
        spec = importlib.util.find_spec(package)
        files = sorted(Path(spec.origin).parent.glob(pattern)) if spec and spec.origin else []
        if not files:
            raise InputError(
                "Fonts or photographs are missing",
                expected="pip install 'gan-reference[photographs]'",
                received=f"no {pattern} in the package {package}",
            )
        found += files
    return tuple(found)


@cache
def _font(file: Path) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(file), 110)


@cache
def _picture(file: Path) -> np.ndarray:
    picture = Image.open(file).convert("RGB")
    picture.thumbnail((900, 900))
    return np.asarray(picture)


def draw_text(text: str, file: Path) -> np.ndarray:
    """Draws text in a font, as a mark with a margin of 10 pixels."""
    font = _font(file)
    left, top, right, bottom = font.getbbox(text)
    image = Image.new("L", (round(right - left) + 20, round(bottom - top) + 20))
    ImageDraw.Draw(image).text((10 - left, 10 - top), text, fill=255, font=font)
    return np.asarray(image, np.float32) / 255


def bend(mark: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Shears, stretches and bends a mark at random, by up to about `amount` of its size."""
    side = max(mark.shape)
    mark = np.pad(mark, round(0.25 * side))
    rows, columns = np.mgrid[: mark.shape[0], : mark.shape[1]].astype(np.float32)
    field = ndimage.zoom(rng.normal(0, amount * side, (2, 4, 4)), (1, mark.shape[0] / 4, mark.shape[1] / 4), order=1)
    middle = (np.array(mark.shape) - 1) / 2
    shear, stretch = rng.normal(0, 2.5 * amount), np.exp(rng.normal(0, 2 * amount))
    y = middle[0] + (rows - middle[0]) * stretch + field[0]
    x = middle[1] + (columns - middle[1]) / stretch + shear * (rows - middle[0]) + field[1]
    return ndimage.map_coordinates(mark, [y, x], order=1).astype(np.float32)


def draw_strokes(strokes: Sequence[np.ndarray], width: float, *, round_corners: bool) -> np.ndarray:
    """Draws lines through points [N, 2] (x, y) in a box of side 1, with a pen of `width` pixels."""
    pad = round(width) + 4
    image = Image.new("L", (MARK_SIDE + 2 * pad, MARK_SIDE + 2 * pad))
    canvas = ImageDraw.Draw(image)
    for stroke in strokes:
        points = _smooth(stroke) if round_corners and len(stroke) > 2 else stroke
        pixels = [(float(x) * MARK_SIDE + pad, float(y) * MARK_SIDE + pad) for x, y in points]
        canvas.line(pixels, fill=255, width=max(1, round(width)), joint="curve")
        if round_corners:
            for x, y in (pixels[0], pixels[-1]):
                canvas.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)
    return np.asarray(image, np.float32) / 255


def _smooth(points: np.ndarray) -> np.ndarray:
    """Returns 60 points of a Catmull-Rom curve through points [N, 2]."""
    ends = np.concatenate([points[:1], points, points[-1:]])
    place = np.linspace(0, len(points) - 1 - 1e-6, 60)
    first, part = place.astype(int), (place % 1)[:, None]
    a, b, c, d = (ends[first + offset] for offset in range(4))
    return 0.5 * (2 * b + (c - a) * part + (2 * a - 5 * b + 4 * c - d) * part**2 + (3 * b - a - 3 * c + d) * part**3)


def draw_hand(mark: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws a printed mark by hand: its skeleton, bent, with a pen of random width."""
    return redraw(bend(mark, rng.uniform(0.02, 0.07), rng) > 0.5, rng.choice([rng.uniform(2, 6), rng.uniform(6, 20)]))


def draw_digit(label: int, group: Group, rng: np.random.Generator) -> np.ndarray:
    """Draws a digit that is not from MNIST: printed, written after a printed one, or as strokes."""
    kind = rng.integers(3)
    if kind == 0:
        return bend(draw_text(str(label), _choose(find_files(group, FONTS), rng)), rng.uniform(0, 0.02), rng)
    if kind == 1:
        return draw_hand(draw_text(str(label), _choose(find_files(group, FONTS), rng)), rng)
    ways = STROKES[label]
    way = ways[int(rng.integers(len(ways)))].split("/")
    strokes = [np.array([point.split(",") for point in stroke.split()], np.float64) / 100 for stroke in way]
    strokes = [stroke + rng.normal(0, 0.03, stroke.shape) for stroke in strokes]
    aspect = np.array([rng.uniform(0.45, 0.95), 1.0])
    width = rng.choice([rng.uniform(2, 8), rng.uniform(8, 22)])
    mark = draw_strokes([stroke * aspect for stroke in strokes], width, round_corners=rng.uniform() < 0.6)
    return bend(mark, rng.uniform(0, 0.025), rng)


def _choose(files: Sequence[Path], rng: np.random.Generator) -> Path:
    """Chooses a family at random, then one of its fonts, so that large families do not outweigh others."""
    families = sorted({file.name[:6] for file in files})
    family = families[rng.integers(len(families))]
    members = [file for file in files if file.name[:6] == family]
    return members[rng.integers(len(members))]


@dataclass(frozen=True)
class Materials:
    """What the pictures of one group are made of."""

    group: Group
    digits: np.ndarray
    """Digits of MNIST, uint8 [N, 28, 28], for marks of several digits."""

    def letter(self, letters: str, rng: np.random.Generator) -> np.ndarray:
        letter = letters[rng.integers(len(letters))]
        return draw_text(letter, _choose(find_files(self.group, FONTS), rng))


Maker = Callable[[Materials, np.random.Generator], np.ndarray]


def _printed_letter(materials: Materials, rng: np.random.Generator) -> np.ndarray:
    return bend(materials.letter(LETTERS, rng), rng.uniform(0, 0.03), rng)


def _written_letter(materials: Materials, rng: np.random.Generator) -> np.ndarray:
    return draw_hand(materials.letter(LETTERS, rng), rng)


def _symbol(materials: Materials, rng: np.random.Generator) -> np.ndarray:
    file = _choose(find_files(materials.group, FONTS), rng)
    mark = draw_text(SYMBOLS[rng.integers(11)], file)  # Greek is not in every font
    if "DejaVu" in file.name:
        mark = draw_text(SYMBOLS[rng.integers(len(SYMBOLS))], file)
    return draw_hand(mark, rng) if rng.uniform() < 0.5 else mark


def _word(materials: Materials, rng: np.random.Generator) -> np.ndarray:
    count = int(rng.integers(2, 6))
    text = "".join(LETTERS[rng.integers(len(LETTERS))] for _ in range(count))
    mark = draw_text(text, _choose(find_files(materials.group, FONTS), rng))
    return draw_hand(mark, rng) if rng.uniform() < 0.3 else mark


def _several_digits(materials: Materials, rng: np.random.Generator) -> np.ndarray:
    parts = [enlarge(materials.digits[rng.integers(len(materials.digits))]) for _ in range(rng.integers(2, 4))]
    cut = [
        part[:, np.flatnonzero(part.max(axis=0) > 0.1)[0] : np.flatnonzero(part.max(axis=0) > 0.1)[-1] + 1]
        for part in parts
    ]
    gap = np.zeros((len(parts[0]), int(rng.integers(0, 40))), np.float32)
    joined = [piece for part in cut for piece in (gap, part)][1:]
    return np.concatenate(joined, axis=1)


def _scribble(materials: Materials, rng: np.random.Generator) -> np.ndarray:
    points = np.clip(np.cumsum(rng.normal(0, 0.28, (rng.integers(14, 30), 2)), axis=0) * 0.6 + 0.5, 0, 1)
    return draw_strokes([points], rng.uniform(2, 12), round_corners=True)


def _shape(materials: Materials, rng: np.random.Generator) -> np.ndarray:
    corners = int(rng.integers(3, 7))
    star = rng.uniform() < 0.4
    count = 2 * corners if star else corners
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False) + rng.uniform(0, 7)
    radius = np.where((np.arange(count) % 2 == 1) & star, rng.uniform(0.15, 0.3), 0.5) * rng.uniform(0.8, 1.0, count)
    points = 0.5 + np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius[:, None]
    kind = rng.integers(4)
    if kind == 0 and (star or corners < 5):
        return draw_strokes([np.concatenate([points, points[:1]])], rng.uniform(3, 14), round_corners=False)
    if kind == 1:  # crossing lines
        ends = [rng.uniform(0, 1, (2, 2)) for _ in range(rng.integers(3, 6))]
        return draw_strokes(ends, rng.uniform(3, 14), round_corners=False)
    image = Image.new("L", (MARK_SIDE, MARK_SIDE))
    if kind == 2:
        box = sorted(rng.uniform(0, 40, 2)) + sorted(rng.uniform(95, 139, 2))
        ImageDraw.Draw(image).ellipse(box, fill=255)
    else:
        ImageDraw.Draw(image).polygon([tuple(point) for point in points * MARK_SIDE], fill=255)
    return np.asarray(image, np.float32) / 255


MARKS: Mapping[str, Maker] = MappingProxyType(
    {
        "printed letter": _printed_letter,
        "written letter": _written_letter,
        "symbol": _symbol,
        "word": _word,
        "several digits": _several_digits,
        "scribble": _scribble,
        "shape": _shape,
    }
)
"""Kind of mark other than a digit -> function that draws it."""
NON_DIGITS = (*MARKS, "blank paper", "texture", "photograph")
"""Kinds of pictures without a digit."""


def draw_non_digit(kind: str, materials: Materials, rng: np.random.Generator) -> np.ndarray:
    """Draws a picture of one of `NON_DIGITS`: uint8 [H, W, 3]. Half of the marks are photographed without effects."""
    if kind == "photograph":
        files = find_files(materials.group, PHOTOGRAPHS)
        return _crop(_picture(files[rng.integers(len(files))]), rng)
    if kind == "texture":
        return _texture(rng)
    effect = KINDS[rng.integers(len(KINDS))] if kind == "blank paper" or rng.uniform() < 0.5 else "plain"
    mark = None if kind == "blank paper" else MARKS[kind](materials, rng)
    if mark is not None and mark.max() < 0.3:  # a font without this letter
        return draw_non_digit(kind, materials, rng)
    return photograph(mark, draw_scene(effect, rng), rng)


def draw_photographed_digit(digit: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Photographs a digit of MNIST, uint8 [28, 28]: uint8 [H, W, 3]. `kind` is one of `photographs.KINDS`."""
    return photograph(draw_mark(digit, kind, rng), draw_scene(kind, rng), rng)


def _crop(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cuts a random part, of a fifth of the picture to all of it."""
    share = rng.uniform(0.2, 1.0)
    height, width = (max(28, round(share * side)) for side in picture.shape[:2])
    top, left = rng.integers(picture.shape[0] - height + 1), rng.integers(picture.shape[1] - width + 1)
    return picture[top : top + height, left : left + width]


def _texture(rng: np.random.Generator) -> np.ndarray:
    """Draws smooth noise, stripes, tiles or fibers."""
    height, width = (int(rng.integers(120, 320)) for _ in range(2))
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    noise = rng.normal(size=(height, width))
    kind = rng.integers(4)
    if kind == 0:
        values = sum(ndimage.gaussian_filter(noise, size) * size for size in rng.uniform(1, 25, 2))
    elif kind == 1:
        angle, period = rng.uniform(0, np.pi), rng.uniform(8, 60)
        values = np.sin((np.cos(angle) * columns + np.sin(angle) * rows) * 2 * np.pi / period)
        values = np.sign(values) if rng.uniform() < 0.5 else values
    elif kind == 2:
        size = rng.uniform(8, 60)
        values = ((rows // size + columns // size) % 2).astype(np.float32)
    else:
        sizes = rng.uniform(0.5, 2), rng.uniform(5, 40)
        values = ndimage.gaussian_filter(noise, sizes if rng.uniform() < 0.5 else sizes[::-1])
    values = (values - values.mean()) / (values.std() + 1e-6)
    gray = 255 * rng.uniform(0.2, 0.9) + rng.uniform(5, 60) * values + rng.normal(0, rng.uniform(0, 8), values.shape)
    return np.repeat(np.rint(np.clip(gray, 0, 255)).astype(np.uint8)[..., None], 3, axis=2)
