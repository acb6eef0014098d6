"""The sheet of generated texts after each interval of a training: a picture, and the same as text."""

from collections.abc import Sequence
from pathlib import Path

import keras
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gan.distributed.replicas import scalar
from gan.saving import files
from gan.text.generation.text_gan import TextGan
from gan.text.runs.text_run import TextRecord
from gan.training import callbacks

COLUMNS = 5
"""Texts of each category."""
MOST_ROWS = 20
"""Most categories on a sheet."""
SHOWN = 24
"""Characters of a text that are shown."""
FONT, LINE, CELL, MARGIN = 14, 22, 190, 8
"""Size of the font, height of a row, width of a column, and margin, in pixels."""


def draw_sheet(rows: Sequence[tuple[str, Sequence[str]]]) -> np.ndarray:
    """Returns a picture of texts, one row for each (title, texts): uint8 [height, width, 1], dark on white."""
    columns = max((len(texts) for _, texts in rows), default=0)
    size = (2 * MARGIN + CELL * columns + CELL // 2, 2 * MARGIN + LINE * len(rows))
    picture = Image.new("L", size, 255)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", FONT)
    for number, (title, texts) in enumerate(rows):
        top = MARGIN + LINE * number
        draw.text((MARGIN, top), title[: SHOWN // 2], fill=120, font=font)
        for column, text in enumerate(texts):
            draw.text((MARGIN + CELL // 2 + CELL * column, top), text[:SHOWN], fill=0, font=font)
    return np.asarray(picture)[..., None]


def sheet_texts(gan: TextGan, seed: int) -> list[tuple[str, list[str]]]:
    """Returns (name of a category, its first texts of a seed) of the first categories."""
    labels = np.repeat(np.arange(min(len(gan.class_names), MOST_ROWS)), COLUMNS)
    texts = gan.generate(len(labels), seed=seed, labels=labels.tolist())
    return [(gan.class_names[i // COLUMNS], texts[i : i + COLUMNS]) for i in range(0, len(texts), COLUMNS)]


class TextSheet(callbacks.SampleGrid):
    """Saves a sheet of texts per epoch, as .png and .txt, and writes text.json when training begins.

    Args:
        record: content of text.json.
        seed: seed of the texts.
    """

    def __init__(self, record: TextRecord, *, seed: int = 0) -> None:
        super().__init__(seed=seed, draw=self._draw_texts)
        self._record = record

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        super().on_train_begin(logs)
        self._record.save(self.folder.parent)

    def cut_back(self, images: int) -> None:
        """Removes the sheets of more than `images` texts seen, and partially written files."""
        super().cut_back(images)
        kept = {file.stem for file in self.files}
        for file in self.folder.glob("*.txt"):
            if file.stem not in kept:
                file.unlink()

    def _draw_texts(self, generator: keras.Model, seed: int) -> np.ndarray:
        rows = sheet_texts(TextGan(generator, self._record.corpus), seed)
        lines = "".join(f"{title}\t{', '.join(texts)}\n" for title, texts in rows)
        path = self.folder / f"{int(scalar(self.model.images_seen)):09d}.txt"
        files.write(path, lambda beside: beside.write_text(lines, encoding="utf-8"))
        return draw_sheet(rows)
