"""Where drawn pictures go: a grid, an .npz file, a folder of PNG files, or a folder of .npz files (shards).

Every writer is a generator. It yields the index up to which the pictures are in place, so that whoever runs it can
say where to go on when it is broken off.
"""

import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from gan.data import images
from gan.saving import files

CHUNK = 2**16
"""Classes and indices are made for so many pictures at once."""


@dataclass(frozen=True)
class SampleBatches:
    """Pictures on their way.

    Args:
        span: their numbers, which name their files.
        shape: (height, width, channels) of one.
        batches: uint8 [B, H, W, C], in order, none of which reaches over the end of a file of `files`.
        files: numbers of the pictures of each file.
        labels: numbers -> classes int32, or None.
        indices: numbers -> indices int64 under their seed, -1 for what has none.
        columns: of a grid.
    """

    span: range
    shape: tuple[int, int, int]
    batches: Iterator[np.ndarray]
    files: Callable[[], Iterator[range]]
    labels: Callable[[range], np.ndarray | None]
    indices: Callable[[range], np.ndarray]
    columns: int


Writer = Callable[[Path, SampleBatches], Iterator[int]]


def cut(span: range, size: int) -> Iterator[range]:
    """Consecutive parts of at most `size`."""
    return (range(first, min(first + size, span.stop)) for first in range(span.start, span.stop, size))


def write_grid(out: Path, drawn: SampleBatches) -> Iterator[int]:
    """All in one picture."""
    out.parent.mkdir(parents=True, exist_ok=True)
    every = np.concatenate(list(drawn.batches))
    grid = images.grid(every, drawn.columns, scale=2 if drawn.shape[1] <= 32 else 1)
    files.write(out, partial(images.save_png, image=grid))
    yield drawn.span.stop


def write_pngs(out: Path, drawn: SampleBatches) -> Iterator[int]:
    """A PNG file each."""
    out.mkdir(parents=True, exist_ok=True)
    number = drawn.span.start
    for batch in drawn.batches:
        for picture in batch:
            files.write(out / f"{number:08d}.png", partial(images.save_png, image=picture))
            number += 1
            yield number


def write_npz(out: Path, drawn: SampleBatches) -> Iterator[int]:
    """All in one file of arrays."""
    out.parent.mkdir(parents=True, exist_ok=True)
    _save(out, drawn, drawn.span)
    yield drawn.span.stop


def write_shards(out: Path, drawn: SampleBatches) -> Iterator[int]:
    """Files of arrays, named by the number of their first picture."""
    out.mkdir(parents=True, exist_ok=True)
    for span in drawn.files():
        _save(out / f"{span.start:08d}.npz", drawn, span)
        yield span.stop


def _save(path: Path, drawn: SampleBatches, span: range) -> None:
    def pieces(make: Callable[[range], np.ndarray | None]) -> Pieces | None:
        first = make(span[:1])
        if first is None:
            return None
        return Pieces(
            (len(span),), first.dtype, (made for part in cut(span, CHUNK) if (made := make(part)) is not None)
        )

    shape = (len(span), *drawn.shape)
    every = {
        "images": Pieces(shape, np.dtype(np.uint8), _take(drawn.batches, len(span))),
        "indices": pieces(drawn.indices),
        "labels": pieces(drawn.labels),
    }
    arrays = {name: array for name, array in every.items() if array is not None}
    files.write(path, lambda beside: save_npz(beside, arrays))


def _take(batches: Iterator[np.ndarray], num: int) -> Iterator[np.ndarray]:
    """The next batches, until they are `num` pictures."""
    while num > 0:
        batch = next(batches)
        num -= len(batch)
        yield batch


@dataclass(frozen=True)
class Pieces:
    """An array in pieces along its first axis: of any lengths that add up to shape[0]."""

    shape: tuple[int, ...]
    dtype: np.dtype
    pieces: Iterable[np.ndarray]


def save_npz(path: Path, arrays: Mapping[str, Pieces]) -> None:
    """Writes the file that `np.savez` would, byte for byte, with the memory of one piece. Not atomic.

    The file is not compressed: zlib takes longer for a small picture than a small generator takes to draw it.

    Raises `ValueError` when the pieces are not the array that was promised.
    """
    with zipfile.ZipFile(path, "w", allowZip64=True) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                described = np.lib.format.dtype_to_descr(array.dtype)
                header = {"descr": described, "fortran_order": False, "shape": array.shape}
                np.lib.format.write_array_header_1_0(member, header)
                written = 0
                for piece in array.pieces:
                    if (piece.dtype, piece.shape[1:]) != (array.dtype, array.shape[1:]):
                        expected, received = (array.dtype, array.shape[1:]), (piece.dtype, piece.shape[1:])
                        raise ValueError(f"Bad piece of `{name}`. Expected {expected}. Received {received}.")
                    member.write(piece.tobytes())
                    written += len(piece)
                if written != array.shape[0]:
                    raise ValueError(f"Bad pieces of `{name}`. Expected {array.shape[0]} in all. Received {written}.")
