"""A folder of pictures, each sub-folder a class, or none."""

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
from gan.data.request import Request, refuse_colours
from gan.data.split import Split
from gan.errors import InputError

SUFFIXES = frozenset(
    {
        *(".apng", ".avif", ".bmp", ".dib", ".gif", ".ico", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm"),
        *(".pcx", ".pgm", ".png", ".pnm", ".ppm", ".qoi", ".sgi", ".tga", ".tif", ".tiff", ".webp"),
    }
)
"""Of the files that are taken for pictures. Of an animation the first frame is taken."""

_SPLITS = ("train", "validation", "test")
_LOOKALIKES = {*_SPLITS, "training", "val", "valid", "dev", "testing"}
_AT_ONCE, _THREADS = 32, 8
_NAMED = 50


class Part(NamedTuple):
    """The pictures of a split: files in their order, the class of each, and the names of the classes, if any."""

    files: list[Path]
    labels: list[int] | None
    classes: tuple[str, ...]


def load_folder(request: Request) -> Dataset:
    """Loads pictures of the kinds in `SUFFIXES`; hidden files and others are left out.

    Pictures that all lie at the top have no labels. Else each sub-folder that holds some, at any depth, is a class;
    classes are numbered by their sorted names. Sub-folders `train` and `test` (or `validation`, or both) that make up
    the whole folder are its splits, and hold the same classes, or none; what is missing of them is held out.

    A picture is turned as the camera was held, laid on black where it is transparent, and cut to the middle in the
    aspect of `image_size`. Without `channels` it is greyscale when every file is, by its header, and RGB otherwise.

    Raises `InputError` for an empty or mixed folder, a single class, splits of different classes, pictures of
    different sizes when no `image_size` is given, colours where one channel is asked for, and more damaged files than
    `corrupt_share` of all; up to that they are left out, and a warning names them.
    """
    root = Path(request.name).expanduser().absolute()
    if not root.is_dir():
        raise InputError("No such folder of images", expected="a folder, or an .npz file", received=request.name)
    parts = _parts(root)
    classes = {part.classes for part in parts.values()}
    if len(classes) > 1:
        received = "; ".join(f"{split}: {', '.join(part.classes) or 'none'}" for split, part in parts.items())
        raise InputError("The splits have different classes", expected="the same in each", received=received[:300])
    files = [file for part in parts.values() for file in part.files]
    channels = request.channels or (3 if any(map(images.has_colour_mode, files)) else 1)
    reading = _Reading(root, request.image_size, channels)
    read: dict[str, Split] = {}
    for split, part in parts.items():
        kept: list[int] = []
        pixels = request.store(reading.pictures(part.files, kept))
        read[split] = Split(pixels, None if part.labels is None else np.array(part.labels, np.int32)[kept])
    reading.judge(len(files), request.corrupt_share)
    return Dataset.of(str(root), read, classes.pop())


def _parts(root: Path) -> dict[str, Part]:
    """The splits of a folder: train, and the others that it has."""
    top, below = _listing(root)
    if not top and len(below) > 1 and "train" in below and set(below) <= set(_SPLITS):
        return {split: _part(root / split, *_listing(root / split)) for split in _SPLITS if split in below}
    if len(below) > 1 and set(below) <= _LOOKALIKES:
        raise InputError(
            "These sub-folders look like splits", expected="the names train, validation and test", received=str(root)
        )
    return {"train": _part(root, top, below)}


def _part(folder: Path, top: list[Path], below: dict[str, list[Path]]) -> Part:
    if not top and not below:
        expected = "files such as .png, .jpg, .webp, .tif or .bmp"
        raise InputError("No pictures in this folder", expected=expected, received=str(folder))
    if top and below:
        raise InputError(
            "Pictures both at the top and in sub-folders",
            expected="all at the top (no classes), or all in sub-folders (a class each)",
            received=f"{folder} with {top[0].name} and {next(iter(below))}/",
        )
    if len(below) == 1:
        raise InputError(
            "One class only",
            expected="two sub-folders or more, or the pictures at the top of the folder, which have no classes",
            received=f"{folder} with {next(iter(below))}/",
        )
    if top:
        return Part(top, None, ())
    labels = [label for label, files in enumerate(below.values()) for _ in files]
    return Part([file for files in below.values() for file in files], labels, tuple(below))


def _listing(folder: Path) -> tuple[list[Path], dict[str, list[Path]]]:
    """Pictures at the top of a folder, and those below each sub-folder that has some: sorted."""
    top: list[Path] = []
    below: dict[str, list[Path]] = {}
    seen: set[Path] = set()
    for where, folders, names in os.walk(folder, onerror=_unreadable, followlinks=True):
        if (real := Path(where).resolve()) in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = Path(where)
        found = [here / name for name in sorted(names) if _is_picture(name)]
        if here == folder:
            top = found
        elif found:
            below.setdefault(here.relative_to(folder).parts[0], []).extend(found)
    return top, dict(sorted(below.items()))


def _unreadable(error: OSError) -> None:
    expected = "one that can be read"
    raise InputError("This folder cannot be read", expected=expected, received=f"{error.filename}: {error.strerror}")


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES


class _Picture(NamedTuple):
    pixels: np.ndarray | None
    coloured: bool


def _read(path: Path, size: tuple[int, int] | None, channels: int) -> _Picture:
    """A file as uint8 [H, W, C], or none when it is damaged."""
    try:
        picture = images.on_black(images.decode_picture(path))
    except InputError:
        return _Picture(None, False)
    coloured = channels == 1 and bool(images.is_coloured(np.asarray(picture)))
    picture = picture.convert("L") if channels == 1 else picture
    pixels = np.asarray(picture if size is None else images.cover(picture, size))
    return _Picture(pixels.reshape(*pixels.shape[:2], channels), coloured)


@dataclass
class _Reading:
    """Reads the files below `root` in order; remembers which were damaged, or coloured where grey is asked for."""

    root: Path
    size: tuple[int, int] | None
    channels: int
    damaged: list[str] = field(default_factory=list)
    coloured: list[str] = field(default_factory=list)
    _first: tuple[str, tuple[int, ...]] | None = None

    def pictures(self, files: list[Path], kept: list[int]) -> Iterator[np.ndarray]:
        """Whole pictures in chunks, uint8 [n, H, W, C]; puts the numbers of their files into `kept`."""
        workers, stop = min(_THREADS, os.cpu_count() or 1), 0
        with ThreadPoolExecutor(workers) as threads:
            while stop < len(files):
                start, stop = stop, stop + self._at_once(workers)
                chunk = []
                for number, picture in enumerate(self._read(threads, files[start:stop]), start):
                    name = str(files[number].relative_to(self.root))
                    if picture.pixels is None:
                        self.damaged.append(name)
                        continue
                    self.coloured += [name] * picture.coloured
                    self._check_size(name, picture.pixels.shape)
                    chunk.append(picture.pixels)
                    kept.append(number)
                if chunk:
                    yield np.stack(chunk)

    def _at_once(self, workers: int) -> int:
        """Returns how many files are read next: a chunk, but one for each thread at least."""
        if self._first is None:
            return workers
        return max(workers, min(_AT_ONCE, storage.rows_per_chunk(self._first[1])))

    def _read(self, threads: ThreadPoolExecutor, files: list[Path]) -> list[_Picture]:
        with warnings.catch_warnings():  # here, since threads share their filters
            warnings.filterwarnings("ignore", module="PIL")  # about files that it reads nevertheless
            return list(threads.map(partial(_read, size=self.size, channels=self.channels), files))

    def _check_size(self, name: str, shape: tuple[int, ...]) -> None:
        self._first = self._first or (name, shape)
        if shape != self._first[1]:
            (height, width, _), (other_height, other_width, _) = self._first[1], shape
            raise InputError(
                "Pictures of different sizes",
                expected="files of one size (height x width), or --image-size (image_size=) to bring them to one",
                received=f"{self._first[0]}: {height}x{width}, {name}: {other_height}x{other_width}",
            )

    def judge(self, total: int, corrupt_share: float) -> None:
        """Raises `InputError` for colours that would be lost, and too many damaged files; warns of some."""
        refuse_colours(self.coloured, total)
        if not self.damaged:
            return
        names = ", ".join(self.damaged[:_NAMED]) + (", ..." if len(self.damaged) > _NAMED else "")
        count = f"{len(self.damaged)} of {total} ({len(self.damaged) / total:.2%})"
        if len(self.damaged) > corrupt_share * total:
            expected = f"at most {corrupt_share:.2%} (--corrupt-share)"
            raise InputError("Too many damaged pictures", expected=expected, received=f"{count}: {names}")
        warnings.warn(f"Damaged pictures are left out: {count}: {names}", stacklevel=2)
