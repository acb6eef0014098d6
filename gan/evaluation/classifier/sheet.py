"""One image of what a classifier saw: each file, the box of its digit, the input of the classifier, the answer."""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from PIL import Image, ImageDraw

from gan.data import images
from gan.errors import InputError
from gan.evaluation.classifier.answers import Answer, Reading

SIDE, LINE, GAP = 168, 16, 8
"""Side of an image, height of a line of text, and distance between readings, in pixels."""
COLUMNS = 3
"""Readings in a row."""
BOX_COLOR = (220, 30, 30)


def draw_readings(readings: Sequence[Reading]) -> np.ndarray:
    """Draws each file with a box around its digit, the input of the classifier beside it, and the answer below.

    Returns uint8 [height, width, 3]. Files that cannot be read are gray.
    """
    columns = min(COLUMNS, len(readings))
    rows = -(-len(readings) // columns)
    width, height = 2 * SIDE + GAP, SIDE + 2 * LINE + GAP
    sheet = Image.new("RGB", (columns * width + GAP, rows * height + GAP), "white")
    for index, reading in enumerate(readings):
        left, top = GAP + index % columns * width, GAP + index // columns * height
        sheet.paste(_original(reading), (left, top))
        if reading.found is not None:
            seen = images.to_pil(images.to_uint8(reading.found.pixels)).convert("RGB")
            sheet.paste(seen.resize((SIDE, SIDE), Image.Resampling.NEAREST), (left + SIDE, top))
        for line, text in enumerate((reading.file.name, _caption(reading.answer))):
            cell = Image.new("RGB", (2 * SIDE, LINE), "white")
            printable = text.encode("latin-1", "replace").decode("latin-1")  # what Pillow's font has
            ImageDraw.Draw(cell).text((2, 1), printable, fill="black")
            sheet.paste(cell, (left, top + SIDE + line * LINE))
    return np.asarray(sheet)


def _original(reading: Reading) -> Image.Image:
    """Scales the file to at most `SIDE`, with a box around the digit."""
    canvas = Image.new("RGB", (SIDE, SIDE), (200, 200, 200))
    with suppress(InputError):
        picture = images.open_image(reading.file)
        flat = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
        scale = SIDE / max(flat.size)
        small = flat.resize([max(1, round(side * scale)) for side in flat.size], Image.Resampling.BOX)
        if reading.found is not None:
            box = [edge * scale for edge in reading.found.box]
            ImageDraw.Draw(small).rectangle([box[0] - 2, box[1] - 2, box[2] + 1, box[3] + 1], outline=BOX_COLOR)
        canvas.paste(small, (0, 0))
    return canvas


def _caption(answer: Answer) -> str:
    if answer.label is not None:
        return f"{answer.label}, probability {answer.probability:.3f}"
    return f"no digit: {answer.reason}"
