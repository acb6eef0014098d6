"""Saves a grid of samples after every interval, always of the same latents, and an animation of the grids."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from gan import sampling
from gan.data import images
from gan.distributed.replicas import scalar
from gan.models.networks.inputs import NetworkInputs
from gan.saving import files
from gan.utils.arguments import checked

Draw = Callable[[keras.Model, int], np.ndarray]
"""(generator, seed) -> image of the samples, uint8 [height, width, C]."""


def draw_samples(generator: keras.Model, seed: int) -> np.ndarray:
    """Returns a grid of the first samples of a seed: uint8 [height, width, C].

    A generator with 2 to 20 classes gets one row of 10 samples per class. Any other generator gets 100 samples.
    """
    classes = NetworkInputs.of(generator).num_classes
    rows = classes if 1 < classes <= 20 else 10
    drawn = images.to_uint8(sampling.generate(generator, 10 * rows, seed=seed))
    by_row = np.arange(10 * rows).reshape(10, rows).T.ravel() if rows == classes else np.arange(10 * rows)
    return images.grid(drawn[by_row], columns=10, scale=2 if drawn.shape[2] <= 32 else 1)


class SampleGrid(keras.callbacks.Callback):
    """Saves a grid of samples of the averaged generator (EMA) per epoch, and `samples.gif` when training ends.

    The file names are the number of images seen.

    Args:
        folder: folder for the grids. None: `gan.train` sets it to `samples/` of the run folder.
        seed: seed of the samples.
        draw: function that returns the image to save. None: `draw_samples`.
    """

    @checked
    def __init__(self, folder: Path | None = None, *, seed: int = 0, draw: Draw | None = None) -> None:
        super().__init__()
        self.folder = folder or Path()
        self.seed = seed
        self.draw = draw or draw_samples
        self.files: list[Path] = []

    def cut_back(self, images: int) -> None:
        """Removes the grids of more than `images` images seen, and partially written files."""
        files.remove_partial(self.folder)
        grids = {file: int(file.stem) for file in sorted(self.folder.glob("*.png")) if file.stem.isdecimal()}
        self.files = [file for file, seen in grids.items() if seen <= images]
        for file in grids.keys() - set(self.files):
            file.unlink()

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        self.folder.mkdir(exist_ok=True)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        seen = int(scalar(self.model.images_seen))
        file = self.folder / f"{seen:09d}.png"
        grid = self.draw(self.model.generator_ema, self.seed)
        files.write(file, lambda beside: images.save_png(beside, grid))
        self.files.append(file)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        if self.files:
            files.write(self.folder / "samples.gif", lambda beside: images.save_gif(beside, self.files))
