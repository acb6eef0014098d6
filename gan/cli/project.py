"""gan project."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from tyro.conf import Positional, arg

from gan.cli.exit_status import DONE
from gan.cli.output import print_result
from gan.data import images
from gan.errors import InputError, check_seed, check_whole
from gan.sampling.labels import labels_for
from gan.saving import files, models
from gan.utils import tensorflow as runtime

DIGITS = (28, 28, 1)
"""Shape of what is read as handwriting."""
COLUMNS = 10
"""Pairs beside each other in the picture."""


@dataclass(frozen=True)
class Project:
    """Reconstruct pictures: find the latents whose pictures by a saved generator come nearest to them.

    Writes one picture: each original as it was read, its reconstruction below.
    """

    checkpoint: Annotated[Positional[str], arg(metavar="CHECKPOINT")]
    """A run folder, a .keras file, or a pretrained name (gan doctor lists them)."""
    pictures: Annotated[Positional[tuple[Path, ...]], arg(metavar="IMAGE...")]
    """Image files. For a generator of 28 x 28 x 1, each of one digit, of any size and colour, on an even background;
    for another one, or with --raw, whole pictures."""
    label: int | None = None
    """Class of all of them; None: every class that the generator knows is tried, and the best kept."""
    steps: int = 400
    """Moves of a descent."""
    restarts: int = 2
    """Descents for each picture and class."""
    seed: int = 0
    """Seed of the points where they start."""
    out: Path = Path("projection.png")
    """Where the picture of originals and reconstructions goes."""
    invert: bool = False
    """The digits are dark on light; otherwise the border of each picture tells."""
    raw: bool = False
    """Take each picture as it is, scaled to the generator's size, and do not look for a digit in it."""
    json: bool = False
    """Print exactly one JSON object on stdout."""

    def run(self) -> int:
        """Reads all pictures, projects them, writes the picture and prints a line for each."""
        check_whole("steps", self.steps, 1)
        check_whole("restarts", self.restarts, 1)
        check_seed(self.seed)
        if not self.pictures:
            raise InputError("No picture", expected="one image file or more", received="none")
        if self.out.suffix != ".png" or self.out.is_dir():
            raise InputError("Bad `--out`", expected="a .png file", received=repr(str(self.out)))
        files.check_writable(self.out)
        file = models.find_generator(self.checkpoint)
        classes = models.describe(file).num_classes
        if self.label is not None:
            labels_for(np.arange(len(self.pictures)), classes, self.label)
        record = models.load_config(file)
        originals = self._read(record.dataset.image_shape) if record else None
        runtime.load_tensorflow(lean=True)
        runtime.start()
        from gan.evaluation.metrics import why_no_ssim
        from gan.evaluation.projection import comparison, project
        from gan.models.networks.load import load_generator

        generator = load_generator(file)
        if originals is None:  # a file without a record: only the network knows the shape of its images
            originals = self._read(generator.output_shape[1:])
        found = project(
            generator, originals, labels=self.label, steps=self.steps, restarts=self.restarts, seed=self.seed
        )
        scale = 4 if originals.shape[2] <= 32 else 1
        picture = comparison(originals, found, columns=COLUMNS, scale=scale)
        self.out.parent.mkdir(parents=True, exist_ok=True)
        files.write(self.out, partial(images.save_png, image=picture))
        lines: list[dict[str, Any]] = [{"mse": float(m), "ssim": float(s)} for m, s in zip(found.mse, found.ssim)]
        if found.labels is not None:
            lines = [{"label": int(label), **line} for label, line in zip(found.labels, lines)]
        self._print(lines, why_no_ssim(originals.shape[1:]))
        return DONE

    def _read(self, image_shape: tuple[int, int, int]) -> np.ndarray:
        if image_shape == DIGITS and not self.raw:
            from gan.data.handwriting import read_digit

            return np.stack([read_digit(picture, invert=True if self.invert else None) for picture in self.pictures])
        if self.invert:
            raise InputError(
                "Bad `--invert`", expected="it for digits only", received="pictures that are read as they are"
            )
        return np.stack([images.read_picture(picture, image_shape) for picture in self.pictures])

    def _print(self, lines: list[dict[str, Any]], unknown: str | None) -> None:
        if self.json:
            named = [{"file": str(file), **line} for file, line in zip(self.pictures, lines)]
            options = {"steps": self.steps, "restarts": self.restarts, "seed": self.seed}
            print_result({"pictures": named, "out": str(self.out), **options}, as_json=True)
            return
        for file, line in zip(self.pictures, lines):
            print_result({str(file): line}, as_json=False)
        if unknown is not None:
            print_result({"ssim": f"not known: {unknown}"}, as_json=False)
        print_result({"out": str(self.out)}, as_json=False)
