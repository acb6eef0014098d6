"""Draws the same pictures after every interval, and an animation of them in the end."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from gan import sampling
from gan.data import images
from gan.distributed.replicas import scalar
from gan.models import networks
from gan.saving import files


class SampleGrid(keras.callbacks.Callback):
    """Saves a grid of pictures of the averaged generator per epoch, and `samples.gif` when training ends.

    The pictures are the first 100 of `seed`. Those of a generator of up to 20 classes stand in rows by class, ten in
    each. Files are named by the number of images seen.
    """

    def __init__(self, folder: Path, *, seed: int) -> None:
        super().__init__()
        self.folder = folder
        self.seed = seed
        self.files: list[Path] = []

    def cut_back(self, images: int) -> None:
        """Removes the grids of more than `images` images seen, and half-written ones; the others stay."""
        files.remove_partial(self.folder)
        grids = {file: int(file.stem) for file in sorted(self.folder.glob("*.png")) if file.stem.isdecimal()}
        self.files = [file for file, seen in grids.items() if seen <= images]
        for file in grids.keys() - set(self.files):
            file.unlink()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        seen = int(scalar(self.model.images_seen))
        file = self.folder / f"{seen:09d}.png"
        picture = self._draw()
        files.write(file, lambda beside: images.save_png(beside, picture))
        self.files.append(file)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.files:
            files.write(self.folder / "samples.gif", lambda beside: images.save_gif(beside, self.files))

    def _draw(self) -> np.ndarray:
        generator = self.model.generator_ema
        classes = networks.num_classes(generator)
        rows = classes if 1 < classes <= 20 else 10
        drawn = images.to_uint8(sampling.generate(generator, 10 * rows, seed=self.seed))
        by_row = np.arange(10 * rows).reshape(10, rows).T.ravel() if rows == classes else np.arange(10 * rows)
        return images.grid(drawn[by_row], columns=10, scale=2 if drawn.shape[2] <= 32 else 1)
