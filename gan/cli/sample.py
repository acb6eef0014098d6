"""gan sample."""

import math
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
from tyro.conf import Positional, arg

from gan import checkpoints, images, runtime
from gan.checks import check_sampling, check_whole, labels_for
from gan.cli.output import print_result
from gan.errors import InputError

MOST = 1_000_000
"""Pictures that one call draws: they are held in memory."""


@dataclass(frozen=True)
class Sample:
    """Draw pictures from a saved generator. Picture (seed, index) is always the same one."""

    checkpoint: Annotated[Positional[str], arg(metavar="CHECKPOINT")]
    """A run folder, a .keras file, or a shipped name (gan doctor lists them)."""
    num: int = 64
    """How many pictures."""
    seed: int = 0
    """Owner of the pictures' latents."""
    start: int = 0
    """Index of the first picture."""
    label: str | None = None
    """Class of the pictures (7), or classes to go round in (0-9); None: all classes in turn."""
    truncation: float | None = None
    """Keep latents within [-truncation, truncation]: more typical pictures, less variety."""
    interpolate: tuple[int, int] | None = None
    """Two indices: draw a walk from one picture to the other instead, of `steps` pictures (num and start go unused)."""
    steps: int = 10
    """Pictures on that walk, both ends included."""
    out: str = "samples.png"
    """A grid (name.png), a file of arrays (name.npz: images uint8, labels, indices), or a folder of PNG files (name/,
    or any name without a suffix)."""
    json: bool = False
    """Print exactly one JSON object on stdout."""

    def run(self) -> int:
        """Draws and writes the pictures."""
        check_sampling(num=self.num, seed=self.seed, start=self.start, truncation=self.truncation)
        check_whole("num", self.num, 1, MOST)
        check_whole("steps", self.steps, 2, MOST)
        first, second = self.interpolate or (0, 0)
        check_whole("interpolate", min(first, second), 0)
        out, as_folder = _destination(self.out)
        classes = checkpoints.describe(self.checkpoint)["num_classes"]
        indices = np.arange(self.start, self.start + self.num)
        labels = self._labels(indices, classes)
        runtime.start()
        from gan import sampling

        generator = checkpoints.load_generator(self.checkpoint)
        if self.interpolate is not None:
            indices = np.full(self.steps, -1)
            walk_label = None if self.label is None else int(self.label)
            drawn = sampling.interpolate(
                generator, first, second, self.steps, seed=self.seed, labels=walk_label, truncation=self.truncation
            )
            labels, columns = None, self.steps
        else:
            drawn = sampling.generate(
                generator, self.num, seed=self.seed, start=self.start, labels=labels, truncation=self.truncation
            )
            columns = classes if 1 < classes <= 20 and self.num >= classes else math.ceil(math.sqrt(self.num))
        _write(out, as_folder, images.to_uint8(drawn), labels, indices, columns)
        print_result({"pictures": len(drawn), "out": str(out), "seed": self.seed}, as_json=self.json)
        return 0

    def _labels(self, indices: np.ndarray, classes: int) -> np.ndarray | None:
        if self.label is None:
            return labels_for(indices, classes, None)
        match = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", self.label)
        if not match:
            raise InputError("Bad `--label`", expected="a class such as 7 or a range such as 0-9", received=self.label)
        if match[2] and self.interpolate is not None:
            raise InputError("Bad `--label`", expected="one class for the whole walk", received=self.label)
        low, high = int(match[1]), int(match[2] or match[1])
        if not low <= high < classes:
            expected = f"classes from 0 to {classes - 1}" if classes else "none: this generator is unconditional"
            raise InputError("Bad `--label`", expected=expected, received=self.label)
        return labels_for(indices, classes, low + indices % (high - low + 1))


def _destination(out: str) -> tuple[Path, bool]:
    """Where pictures go, and whether that is a folder of files."""
    path = Path(out)
    as_folder = out.endswith("/") or path.is_dir() or not path.suffix
    if not out or (not as_folder and path.suffix not in (".png", ".npz")):
        raise InputError("Bad `--out`", expected="a .png file, an .npz file or a folder", received=repr(out))
    if as_folder and path.exists() and not path.is_dir():
        raise InputError("Bad `--out`", expected="a folder", received=f"{path}, which is a file")
    checkpoints.check_writable(path / "picture.png" if as_folder else path)
    return path, as_folder


def _write(
    out: Path, as_folder: bool, drawn: np.ndarray, labels: np.ndarray | None, indices: np.ndarray, columns: int
) -> None:
    (out if as_folder else out.parent).mkdir(parents=True, exist_ok=True)
    if as_folder:
        for number, picture in enumerate(drawn):
            name = f"{indices[number] if indices[number] >= 0 else number:08d}.png"
            checkpoints.write(out / name, partial(images.save_png, image=picture))
    elif out.suffix == ".png":
        grid = images.grid(drawn, columns, scale=2 if drawn.shape[2] <= 32 else 1)
        checkpoints.write(out, partial(images.save_png, image=grid))
    else:
        arrays = {"images": drawn, "indices": indices} | ({} if labels is None else {"labels": labels})
        checkpoints.write(out, lambda beside: np.savez_compressed(beside, allow_pickle=False, **arrays))
