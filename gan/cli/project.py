"""gan project."""

from collections.abc import Sequence
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
from gan.sampling.labels import read_label
from gan.saving import files, models
from gan.saving.saved_generator import find_saved
from gan.utils import tensorflow as runtime

DIGITS = (28, 28, 1)
"""Shape of images that are read as handwritten digits."""
COLUMNS = 10
"""Pairs per row of the output image."""


@dataclass(frozen=True)
class Project:
    """Reconstruct images with a generator, by latent optimization.

    Finds for each image the latent vector whose sample has the smallest squared error. Writes one image: each original,
    with its reconstruction below.
    """

    checkpoint: Annotated[Positional[str], arg(metavar="CHECKPOINT")]
    """Run folder, .keras file or pretrained name (`gan doctor` lists them)."""
    images: Annotated[Positional[tuple[Path, ...]], arg(metavar="IMAGE...")]
    """Image files. For a generator of 28 x 28 gray images, they show one digit each, unless --raw is given.

    A digit can have any size and color, and may be photographed in uneven light, on ruled paper. Other generators
    reconstruct whole images.
    """
    label: str | None = None
    """Class of all images: its number or name. None: all classes are tried, and the best one is kept."""
    steps: int = 400
    """Gradient descent steps per restart."""
    restarts: int = 2
    """Random starting points per image and class; the best result is kept."""
    seed: int = 0
    """Seed of the starting points."""
    out: Path = Path("projection.png")
    """Output image (.png): originals and reconstructions."""
    invert: bool = False
    """For digits: read dark ink on a light background. By default, each image decides."""
    raw: bool = False
    """For 28 x 28 gray generators: use whole images, scaled, instead of the digits found in them."""
    json: bool = False
    """Print the result as one JSON object on stdout."""

    def run(self) -> int:
        """Projects the images, writes the output image and prints one line for each; returns the exit status."""
        check_whole("steps", self.steps, 1)
        check_whole("restarts", self.restarts, 1)
        check_seed(self.seed)
        if not self.images:
            raise InputError("No image", expected="at least one image file", received="none")
        if self.out.suffix.lower() != ".png" or self.out.is_dir():
            raise InputError("Bad `--out`", expected="a .png file", received=repr(str(self.out)))
        files.check_writable(self.out)
        file = models.find_generator(self.checkpoint)
        saved = find_saved(file)
        classes, names = saved.summary.num_classes, saved.class_names
        if classes is not None:  # an early error
            self._number(classes, names)
        originals = self._read(saved.stands_for.image_shape) if saved.stands_for else None
        runtime.load_tensorflow(lean=True)
        runtime.start()
        from gan.evaluation.metrics import why_no_ssim
        from gan.evaluation.projection import comparison, project
        from gan.models.networks.inputs import NetworkInputs
        from gan.models.networks.load import load_generator

        generator = load_generator(file)
        label = self._number(NetworkInputs.of(generator).num_classes, names)
        if originals is None:  # no metadata beside the file: the image shape is that of the network
            originals = self._read(generator.output_shape[1:])
        found = project(generator, originals, labels=label, steps=self.steps, restarts=self.restarts, seed=self.seed)
        scale = 4 if originals.shape[2] <= 32 else 1
        image = comparison(originals, found, columns=COLUMNS, scale=scale)
        self.out.parent.mkdir(parents=True, exist_ok=True)
        files.write(self.out, partial(images.save_png, image=image))
        lines: list[dict[str, Any]] = [{"mse": float(m), "ssim": float(s)} for m, s in zip(found.mse, found.ssim)]
        if found.labels is not None:
            lines = [{"label": int(label), **line} for label, line in zip(found.labels, lines)]
        self._print(lines, why_no_ssim(originals.shape[1:]))
        return DONE

    def _number(self, classes: int, names: Sequence[str]) -> int | None:
        if self.label is None:
            return None
        asked = read_label(str(self.label), classes, names)
        if len(asked) > 1:
            raise InputError("Bad `--label`", expected="one class", received=str(self.label))
        return asked.start

    def _read(self, image_shape: tuple[int, int, int]) -> np.ndarray:
        if image_shape == DIGITS and not self.raw:
            from gan.data.handwriting import read_digit

            return np.stack([read_digit(file, invert=True if self.invert else None) for file in self.images])
        if self.invert:
            raise InputError("Bad `--invert`", expected="images of digits", received="whole images")
        return np.stack([images.read_image(file, image_shape) for file in self.images])

    def _print(self, lines: list[dict[str, Any]], unknown: str | None) -> None:
        if self.json:
            named = [{"file": str(file), **line} for file, line in zip(self.images, lines)]
            options = {"steps": self.steps, "restarts": self.restarts, "seed": self.seed}
            print_result({"images": named, "out": str(self.out), **options}, as_json=True)
            return
        for file, line in zip(self.images, lines):
            print_result({str(file): line}, as_json=False)
        if unknown is not None:
            print_result({"ssim": f"not known: {unknown}"}, as_json=False)
        print_result({"out": str(self.out)}, as_json=False)
