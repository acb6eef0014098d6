"""Draws icons: vectors in, pixels out. Does not import TensorFlow."""

import io
import re
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from gan.data.sources.emoji_package import Icon, IconSet
from gan.utils.extras import import_extra

_OUTSIDE = re.compile(r"""href\s*=\s*["']?\s*(?!["'#\s])|<!|<\?""", re.IGNORECASE)
"""What an icon never needs: a reference to something outside of it, declarations, instructions."""

_REFERENCE = re.compile(r"#([^\s\"')]+)")
MOST_ELEMENTS = 10_000
"""Most elements of an icon, repeated ones counted each time. Nested repetitions multiply, up to hours of drawing."""


class DrawingError(Exception):
    """An icon that does not draw."""


def import_renderer() -> object:
    """Returns the package that draws. Raises `InputError` with the command that installs it if it is missing."""
    return import_extra("resvg_py", extra="emoji")


def draw(icon: Icon, icons: IconSet, size: int) -> np.ndarray:
    """Draws an icon on white, in the middle of a square: uint8 [size, size, 3].

    A picture that is not square keeps its shape, with white beside it. No font and no file is read.

    Args:
        icon: the icon.
        icons: the set of the icon, for what the icon does not say itself.
        size: side of the square in pixels.

    Raises `DrawingError` if the icon is damaged, draws nothing or refers to something outside of it.
    """
    resvg = import_extra("resvg_py", extra="emoji")
    if _OUTSIDE.search(icon.body):
        raise DrawingError("it refers to something outside of it")
    if count_elements(icon.body) > MOST_ELEMENTS:
        raise DrawingError(f"it has more than {MOST_ELEMENTS:,} elements, repeated ones counted each time")
    try:
        png = bytes(resvg.svg_to_bytes(svg_string=as_svg(icon, icons, size), skip_system_fonts=True, background="#fff"))
    except ValueError as error:
        raise DrawingError(" ".join(str(error).split())) from error
    with Image.open(io.BytesIO(png)) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    if pixels.shape != (size, size, 3):
        raise DrawingError(f"it has {pixels.shape[0]} x {pixels.shape[1]} pixels instead of {size} x {size}")
    if (pixels == 255).all():
        raise DrawingError("it draws nothing")
    return pixels


def count_elements(body: str) -> int:
    """Returns the number of elements that are drawn for the body of an icon. Each reference repeats its target.

    Raises `DrawingError` for a body that is no XML, is nested too deeply, or has a part that repeats itself.
    """
    try:
        root = ElementTree.fromstring(f'<svg xmlns:xlink="http://www.w3.org/1999/xlink">{body}</svg>')
    except ElementTree.ParseError as error:
        raise DrawingError(str(error)) from error
    named = {element.get("id"): element for element in root.iter() if element.get("id")}
    counts: dict[ElementTree.Element, int | None] = {}

    def count(element: ElementTree.Element) -> int:
        if element not in counts:
            counts[element] = None
            texts = " ".join(element.attrib.values()) + (element.text or "")
            targets = [named[name] for name in _REFERENCE.findall(texts) if name in named]
            counts[element] = 1 + sum(map(count, [*element, *targets]))
        found = counts[element]
        if found is None:
            raise DrawingError("a part of it repeats itself")
        return found

    try:
        return count(root)
    except RecursionError as error:
        raise DrawingError("it is nested too deeply") from error


def as_svg(icon: Icon, icons: IconSet, size: int) -> str:
    """Returns an icon as the text of an SVG: a square of `size` pixels with the icon in its middle.

    Raises `DrawingError` for an icon without a width or height.
    """
    left = icons.left if icon.left is None else icon.left
    top = icons.top if icon.top is None else icon.top
    width = icons.width if icon.width is None else icon.width
    height = icons.height if icon.height is None else icon.height
    if min(width, height) <= 0:
        raise DrawingError(f"it has the size {width:g} x {height:g}")
    side = max(width, height)
    box = f"{left + (width - side) / 2} {top + (height - side) / 2} {side} {side}"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{size}" height="{size}" viewBox="{box}">{icon.body}</svg>'
    )
