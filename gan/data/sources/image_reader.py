"""Reads image files in threads, and reports what could not be read or was lost."""

import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gan.data import images, storage
from gan.data.request import Request
from gan.errors import InputError

_FILES_AT_ONCE, _THREADS = 32, 8
_NAMED = 5  # maximum number of files that a message names for one reason


class _Image(NamedTuple):
    """Pixels of a file, uint8 [H, W, C]; None if it cannot be read, for the reason `problem`."""

    pixels: np.ndarray | None
    problem: str = ""
    is_transparent: bool = False
    peak: int | None = None
    frames: int = 1
    is_gray: bool = False


@dataclass
class ImageReader:
    """Reads the files below `root` in order, and collects what is to be reported about them.

    Attributes:
        peak: largest value of the files with more than 8 bits, before their conversion. None: there were none.
    """

    root: Path
    request: Request
    channels: int
    peak: int | None = None
    _problems: dict[str, list[str]] = field(default_factory=dict)
    _animated: list[str] = field(default_factory=list)
    _transparent: int = 0
    _gray: int = 0
    _first: tuple[str, tuple[int, ...]] | None = None

    def chunks(self, files: list[Path], kept: list[int]) -> Iterator[np.ndarray]:
        """Yields readable images in chunks, uint8 [n, H, W, C]. Appends the numbers of their files to `kept`."""
        workers, stop = min(_THREADS, os.cpu_count() or 1), 0
        with ThreadPoolExecutor(workers) as threads:
            while stop < len(files):
                start, stop = stop, stop + self._chunk_size(workers)
                chunk = []
                for number, image in enumerate(self._read_all(threads, files[start:stop]), start):
                    name = str(files[number].relative_to(self.root))
                    if image.pixels is None:
                        self._problems.setdefault(image.problem, []).append(name)
                        continue
                    self._transparent += image.is_transparent
                    self._gray += image.is_gray
                    if image.frames > 1:
                        self._animated.append(f"{name}: {image.frames}")
                    if image.peak is not None:
                        self.peak = max(self.peak or 0, image.peak)
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

    def _read_all(self, threads: ThreadPoolExecutor, files: list[Path]) -> list[_Image]:
        with warnings.catch_warnings():  # not in the threads, which share their filters
            warnings.filterwarnings("ignore", module="PIL")  # warnings about files that Pillow can read
            return list(threads.map(self._read, files))

    def _read(self, path: Path) -> _Image:
        try:
            image, peak, frames, is_gray = images.decode_file(path, self.request.pixel_range)
        except InputError as error:
            return _Image(None, error.problem)
        is_transparent = int(np.asarray(image)[..., 3].min()) < 255
        flat = images.on_color(image, self.request.background or images.BACKGROUND)
        flat = flat.convert("L") if self.channels == 1 else flat
        size = self.request.image_size
        pixels = np.asarray(flat if size is None else images.cover(flat, size))
        return _Image(pixels.reshape(*pixels.shape[:2], self.channels), "", is_transparent, peak, frames, is_gray)

    def _check_size(self, name: str, shape: tuple[int, ...]) -> None:
        self._first = self._first or (name, shape)
        if shape != self._first[1]:
            (height, width, _), (other_height, other_width, _) = self._first[1], shape
            raise InputError(
                "Images of different sizes",
                expected="images of one size (height x width), or --image-size (image_size=) to resize them",
                received=f"{self._first[0]}: {height}x{width}, {name}: {other_height}x{other_width}",
            )

    def report(self, total: int) -> None:
        """Raises `InputError` for too many unreadable files. Warns about fewer, and about what was lost."""
        share = self.request.corrupt_share
        count = sum(map(len, self._problems.values()))
        reasons = "; ".join(f"{problem}: {_listed(names)}" for problem, names in self._problems.items())
        text = f"{count:,} of {total:,} ({count / total:.2%}). {reasons}"
        if count > share * total:
            expected = f"at most {share:.2%} (--corrupt-share)"
            raise InputError("Too many files cannot be read", expected=expected, received=text)
        if count:
            warnings.warn(f"Files that cannot be read are skipped: {text}", stacklevel=4)
        if self._animated:
            listed = _listed(self._animated)
            warnings.warn(f"Only the first frame is used of files with several frames: {listed}", stacklevel=4)
        if self.request.channels is None and 0 < self._gray < total - count:
            warnings.warn(
                f"{self._gray:,} of {total - count:,} images are gray and the others are in color, so all became RGB "
                "(--channels 1 or 3, or channels=, says which is wanted)",
                stacklevel=4,
            )
        self.request.report_transparent(self._transparent, total)


def _listed(names: list[str]) -> str:
    """Returns the first names and the number of the others."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
