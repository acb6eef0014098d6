"""Loads a folder of images, with a sub-folder for each class or without classes."""

import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gan.data import images, storage
from gan.data.dataset import Dataset
from gan.data.request import Request, reject_colors
from gan.data.split import Split
from gan.errors import InputError

SUFFIXES = frozenset(
    {
        *(".apng", ".avif", ".bmp", ".dib", ".gif", ".ico", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm"),
        *(".pcx", ".pgm", ".png", ".pnm", ".ppm", ".qoi", ".sgi", ".tga", ".tif", ".tiff", ".webp"),
    }
)
"""Suffixes of image files. Only the first frame of an animation is used."""

_SPLITS = ("train", "validation", "test")
_LOOKALIKES = {*_SPLITS, "training", "val", "valid", "dev", "testing"}
_FILES_AT_ONCE, _THREADS = 32, 8
_NAMED = 50  # maximum number of file names in a message


class Part(NamedTuple):
    """Image files of a split in their order, the class of each file (None: no classes), and the class names."""

    files: list[Path]
    labels: list[int] | None
    classes: tuple[str, ...]


def load_folder(request: Request) -> Dataset:
    """Loads the images of a folder. Reads files with a suffix in `SUFFIXES` and skips hidden and other files.

    If all images are at the top of the folder, they have no labels. Otherwise each sub-folder that contains images, at
    any depth, is a class. Classes are numbered by their sorted names.

    If the folder consists of the sub-folders `train` and `test`, `validation` or both, these are its splits. All splits
    must have the same classes, or no classes. A missing split is held out from the training images.

    Images are rotated by their EXIF orientation, transparent parts become black, and the center is cropped to the
    aspect ratio of `image_size`. Without `channels`, images are grayscale if the headers of all files say so, and RGB
    otherwise.

    Up to the fraction `corrupt_share` of the files may be damaged. They are skipped, and a warning names them.

    Raises `InputError` for an empty folder, for images both at the top and in sub-folders, and for a single class. It
    is also raised for splits of different classes, for images of different sizes without `image_size`, for color images
    with `channels=1`, and for too many damaged files.
    """
    root = Path(request.name).expanduser().absolute()
    if not root.is_dir():
        raise InputError("No such folder of images", expected="a folder, or an .npz file", received=request.name)
    parts = _parts(root)
    classes = {part.classes for part in parts.values()}
    if len(classes) > 1:
        received = "; ".join(f"{split}: {', '.join(part.classes) or 'none'}" for split, part in parts.items())
        expected = "the same classes in each split"
        raise InputError("The splits have different classes", expected=expected, received=received[:300])
    files = [file for part in parts.values() for file in part.files]
    channels = request.channels or (3 if any(map(images.has_color_mode, files)) else 1)
    reader = _Reader(root, request.image_size, channels)
    splits: dict[str, Split] = {}
    for split, part in parts.items():
        kept: list[int] = []
        pixels = request.store(reader.chunks(part.files, kept))
        splits[split] = Split(pixels, None if part.labels is None else np.array(part.labels, np.int32)[kept])
    reader.check(len(files), request.corrupt_share)
    return Dataset.of(str(root), splits, classes.pop())


def _parts(root: Path) -> dict[str, Part]:
    """Returns the splits of a folder: train, and validation and test if it has them."""
    top, below = _list_images(root)
    if not top and len(below) > 1 and "train" in below and set(below) <= set(_SPLITS):
        return {split: _part(root / split, *_list_images(root / split)) for split in _SPLITS if split in below}
    if len(below) > 1 and set(below) <= _LOOKALIKES:
        raise InputError(
            "Unknown names of splits",
            expected="sub-folders train, validation and test",
            received=f"{root} with {', '.join(below)}",
        )
    return {"train": _part(root, top, below)}


def _part(folder: Path, top: list[Path], below: dict[str, list[Path]]) -> Part:
    if not top and not below:
        expected = "files such as .png, .jpg, .webp, .tif or .bmp"
        raise InputError("No images in this folder", expected=expected, received=str(folder))
    if top and below:
        raise InputError(
            "Images both at the top of the folder and in sub-folders",
            expected="all images at the top (no classes), or all in sub-folders (one for each class)",
            received=f"{folder} with {top[0].name} and {next(iter(below))}/",
        )
    if len(below) == 1:
        raise InputError(
            "Only one class",
            expected="at least two sub-folders, or all images at the top of the folder (no classes)",
            received=f"{folder} with {next(iter(below))}/",
        )
    if top:
        return Part(top, None, ())
    labels = [label for label, files in enumerate(below.values()) for _ in files]
    return Part([file for files in below.values() for file in files], labels, tuple(below))


def _list_images(folder: Path) -> tuple[list[Path], dict[str, list[Path]]]:
    """Returns the sorted image files at the top of a folder, and those below each sub-folder with images."""
    top: list[Path] = []
    below: dict[str, list[Path]] = {}
    seen: set[Path] = set()
    for path, folders, names in os.walk(folder, onerror=_raise_unreadable, followlinks=True):
        current = Path(path)
        if (real := current.resolve()) in seen:  # a link to a folder that was visited before
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found = [current / name for name in sorted(names) if _is_image_file(name)]
        if current == folder:
            top = found
        elif found:
            below.setdefault(current.relative_to(folder).parts[0], []).extend(found)
    return top, dict(sorted(below.items()))


def _raise_unreadable(error: OSError) -> None:
    expected = "a readable folder"
    raise InputError("This folder cannot be read", expected=expected, received=f"{error.filename}: {error.strerror}")


def _is_image_file(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES


class _Image(NamedTuple):
    pixels: np.ndarray | None
    has_color: bool


def _read(path: Path, size: tuple[int, int] | None, channels: int) -> _Image:
    """Reads a file as uint8 [H, W, C]. The pixels are None when the file is damaged."""
    try:
        image = images.on_black(images.decode_image(path))
    except InputError:
        return _Image(None, False)
    has_color = channels == 1 and bool(images.is_color(np.asarray(image)))
    image = image.convert("L") if channels == 1 else image
    pixels = np.asarray(image if size is None else images.cover(image, size))
    return _Image(pixels.reshape(*pixels.shape[:2], channels), has_color)


@dataclass
class _Reader:
    """Reads the files below `root` in order. Collects the names of damaged files, and of color images if channels=1."""

    root: Path
    size: tuple[int, int] | None
    channels: int
    damaged: list[str] = field(default_factory=list)
    colored: list[str] = field(default_factory=list)
    _first: tuple[str, tuple[int, ...]] | None = None

    def chunks(self, files: list[Path], kept: list[int]) -> Iterator[np.ndarray]:
        """Yields undamaged images in chunks, uint8 [n, H, W, C]. Appends the numbers of their files to `kept`."""
        workers, stop = min(_THREADS, os.cpu_count() or 1), 0
        with ThreadPoolExecutor(workers) as threads:
            while stop < len(files):
                start, stop = stop, stop + self._chunk_size(workers)
                chunk = []
                for number, image in enumerate(self._read(threads, files[start:stop]), start):
                    name = str(files[number].relative_to(self.root))
                    if image.pixels is None:
                        self.damaged.append(name)
                        continue
                    self.colored += [name] * image.has_color
                    self._check_size(name, image.pixels.shape)
                    chunk.append(image.pixels)
                    kept.append(number)
                if chunk:
                    yield np.stack(chunk)

    def _chunk_size(self, workers: int) -> int:
        """Returns the number of files in the next chunk, at least one for each thread."""
        if self._first is None:
            return workers
        return max(workers, min(_FILES_AT_ONCE, storage.rows_per_chunk(self._first[1])))

    def _read(self, threads: ThreadPoolExecutor, files: list[Path]) -> list[_Image]:
        with warnings.catch_warnings():  # not in the threads, which share their filters
            warnings.filterwarnings("ignore", module="PIL")  # warnings about files that Pillow can read
            return list(threads.map(partial(_read, size=self.size, channels=self.channels), files))

    def _check_size(self, name: str, shape: tuple[int, ...]) -> None:
        self._first = self._first or (name, shape)
        if shape != self._first[1]:
            (height, width, _), (other_height, other_width, _) = self._first[1], shape
            raise InputError(
                "Images of different sizes",
                expected="images of one size (height x width), or --image-size (image_size=) to resize them",
                received=f"{self._first[0]}: {height}x{width}, {name}: {other_height}x{other_width}",
            )

    def check(self, total: int, corrupt_share: float) -> None:
        """Raises `InputError` for color images and for too many damaged files. Warns about fewer damaged files."""
        reject_colors(self.colored, total)
        if not self.damaged:
            return
        names = ", ".join(self.damaged[:_NAMED])
        names += ", ..." if len(self.damaged) > _NAMED else ""
        count = f"{len(self.damaged)} of {total} ({len(self.damaged) / total:.2%})"
        if len(self.damaged) > corrupt_share * total:
            expected = f"at most {corrupt_share:.2%} (--corrupt-share)"
            raise InputError("Too many damaged images", expected=expected, received=f"{count}: {names}")
        warnings.warn(f"Damaged images are skipped: {count}: {names}", stacklevel=2)
