"""Writers of samples: an image grid, an .npz file, a folder of PNG files, or a folder of .npz files (shards).

Every writer is a Python generator. It yields the number up to which the samples are on disk, so that the caller can
report where to resume after an interruption.
"""

import math
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np

from gan.data import images
from gan.saving import files

CHUNK = 2**16
"""Number of samples whose classes and indices are computed at once."""


@dataclass(frozen=True)
class SampleBatches:
    """Samples to be written, as a stream of batches.

    Args:
        span: numbers of the samples, which become file names.
        shape: (height, width, channels) of a sample.
        batches: uint8 [B, H, W, C], in order. No batch crosses the boundary between two `files`.
        files: returns the numbers of the samples of each file.
        labels: maps numbers to classes, int32, or to None when there are no classes.
        indices: maps numbers to indices under the seed, int64; -1 for samples without an index.
        columns: columns of a grid.
        noted: more arrays of .npz files: {name: (type, function of numbers)}. A function is called once for each
            number, in order, after the samples of these numbers were generated.
    """

    span: range
    shape: tuple[int, ...]
    batches: Iterator[np.ndarray]
    files: Callable[[], Iterator[range]]
    labels: Callable[[range], np.ndarray | None]
    indices: Callable[[range], np.ndarray]
    columns: int
    noted: Mapping[str, tuple[np.dtype, Callable[[range], np.ndarray]]] = field(default_factory=dict)


Writer = Callable[[Path, SampleBatches], Iterator[int]]


def cut(span: range, size: int) -> Iterator[range]:
    """Splits a range into consecutive ranges of at most `size` numbers."""
    return (range(first, min(first + size, span.stop)) for first in range(span.start, span.stop, size))


def cut_batches(batches: Iterable[np.ndarray], sizes: Iterable[int]) -> Iterator[np.ndarray]:
    """Cuts batches where files end. `sizes`: numbers of samples of the files, with the sum of those of the batches."""
    rest = iter(sizes)
    left = next(rest, 0)
    for batch in batches:
        while len(batch) > left:
            if left:
                yield batch[:left]
            batch, left = batch[left:], next(rest)
        if len(batch):
            yield batch
        left -= len(batch)


def write_grid(out: Path, samples: SampleBatches) -> Iterator[int]:
    """Writes all samples as a grid in one image file."""
    out.parent.mkdir(parents=True, exist_ok=True)
    grid = as_grid(np.concatenate(list(samples.batches)), samples.columns)
    files.write(out, partial(images.save_png, image=grid))
    yield samples.span.stop


def as_grid(samples: np.ndarray, columns: int) -> np.ndarray:
    """Arranges samples, uint8 [N, H, W, C], in one image, uint8 [H', W', C]. Small samples are drawn twice as large."""
    return images.grid(samples, columns, scale=2 if samples.shape[2] <= 32 else 1)


def grid_columns(num: int, num_classes: int) -> int:
    """Returns the columns of a grid of `num` samples: a column for each class if that fits, else a square."""
    return math.ceil(math.sqrt(num)) if not 1 < num_classes <= 20 or num < num_classes else num_classes


def write_pngs(out: Path, samples: SampleBatches) -> Iterator[int]:
    """Writes one PNG file per sample."""
    out.mkdir(parents=True, exist_ok=True)
    number = samples.span.start
    for batch in samples.batches:
        for sample in batch:
            files.write(out / f"{number:08d}.png", partial(images.save_png, image=sample))
            number += 1
            yield number


def write_npz(out: Path, samples: SampleBatches) -> Iterator[int]:
    """Writes all samples to one .npz file."""
    out.parent.mkdir(parents=True, exist_ok=True)
    _save(out, samples, samples.span)
    yield samples.span.stop


def write_shards(out: Path, samples: SampleBatches) -> Iterator[int]:
    """Writes .npz files, each named after the number of its first sample."""
    out.mkdir(parents=True, exist_ok=True)
    for span in samples.files():
        _save(out / f"{span.start:08d}.npz", samples, span)
        yield span.stop


def _save(path: Path, samples: SampleBatches, span: range) -> None:
    def pieces(make: Callable[[range], np.ndarray | None]) -> Pieces | None:
        first = make(span[:1])
        if first is None:
            return None
        return Pieces(
            (len(span),), first.dtype, (piece for part in cut(span, CHUNK) if (piece := make(part)) is not None)
        )

    shape = (len(span), *samples.shape)
    candidates = {
        "images": Pieces(shape, np.dtype(np.uint8), _take(samples.batches, len(span))),
        "indices": pieces(samples.indices),
        "labels": pieces(samples.labels),
        **{
            name: Pieces((len(span),), dtype, map(values, cut(span, CHUNK)))
            for name, (dtype, values) in samples.noted.items()
        },
    }
    arrays = {name: array for name, array in candidates.items() if array is not None}
    files.write(path, lambda beside: save_npz(beside, arrays))


def _take(batches: Iterator[np.ndarray], num: int) -> Iterator[np.ndarray]:
    """Yields the next batches until they hold `num` samples."""
    while num > 0:
        batch = next(batches)
        num -= len(batch)
        yield batch


@dataclass(frozen=True)
class Pieces:
    """An array in pieces along its first axis. Their lengths add up to shape[0]."""

    shape: tuple[int, ...]
    dtype: np.dtype
    pieces: Iterable[np.ndarray]


def save_npz(path: Path | IO[bytes], arrays: Mapping[str, Pieces]) -> None:
    """Writes the same bytes as `np.savez`, to a path or a file, with the memory of one piece. Not atomic.

    The file is not compressed: for small samples, zlib takes longer than a small generator takes to generate them.

    Raises `ValueError` when the pieces do not have the stated shape or type.
    """
    with zipfile.ZipFile(path, "w", allowZip64=True) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                descr = np.lib.format.dtype_to_descr(array.dtype)
                header = {"descr": descr, "fortran_order": False, "shape": array.shape}
                np.lib.format.write_array_header_1_0(member, header)
                written = 0
                for piece in array.pieces:
                    if (piece.dtype, piece.shape[1:]) != (array.dtype, array.shape[1:]):
                        expected, received = (array.dtype, array.shape[1:]), (piece.dtype, piece.shape[1:])
                        raise ValueError(f"Bad piece of `{name}`. Expected {expected}. Received {received}.")
                    member.write(piece.tobytes())
                    written += len(piece)
                if written != array.shape[0]:
                    raise ValueError(f"Bad pieces of `{name}`. Expected {array.shape[0]} rows. Received {written}.")
