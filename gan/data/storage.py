"""Storage of the pixels of a dataset: in memory, or in a temporary file when they do not fit."""

import contextlib
import os
import shutil
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from gan.errors import InputError

CHUNK_BYTES = 2**24
"""Approximate size of a chunk in bytes."""

_CGROUP = Path("/sys/fs/cgroup/memory.max")
_UNKNOWN_MEMORY = 2**33


def memory_limit() -> int:
    """Returns the memory for one array of pixels, in bytes: a quarter of the memory of the machine or container."""
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not available on every system
        physical = _UNKNOWN_MEMORY
    with contextlib.suppress(OSError, ValueError):  # no such file, or the text "max"
        physical = min(physical, int(_CGROUP.read_text(encoding="ascii")))
    return physical // 4


def store(chunks: Iterable[np.ndarray], limit: int | None = None) -> np.ndarray:
    """Joins chunks of images, each uint8 [n, H, W, C] with the same H, W, C: uint8 [N, H, W, C].

    Images larger than `limit` are written to a temporary file while they arrive. The result is then a read-only
    `numpy.memmap` of that file. The file has no name, so the system removes it with the last array that uses it, even
    when the process is killed. It is in the folder for temporary files (environment variable TMPDIR), which should be
    on a disk. Pages that were read count as resident memory until the system reclaims them.

    Args:
        chunks: the images.
        limit: memory in bytes for the result. None: `memory_limit()`.

    Raises `InputError` when there is no space for the file.
    """
    limit = memory_limit() if limit is None else limit
    held: deque[np.ndarray] = deque()
    number = held_bytes = 0
    shape: tuple[int, ...] = (0, 0, 0)
    file: IO[bytes] | None = None
    try:
        for chunk in chunks:
            number, shape = number + len(chunk), chunk.shape[1:]
            held.append(chunk)
            held_bytes += chunk.nbytes
            if file is None and held_bytes > limit:
                file = tempfile.TemporaryFile()  # noqa: SIM115 - closed below, after the mapping was created
            while file is not None and held:
                np.ascontiguousarray(held.popleft()).tofile(file)
        if file is not None:
            file.flush()
            return np.memmap(file, np.uint8, "r", shape=(number, *shape))
    except OSError as error:
        if file is None:  # raised by the source of the chunks
            raise
        folder = tempfile.gettempdir()
        raise InputError(
            "The images fit neither in memory nor on the disk",
            expected=f"enough space in {folder} (see TMPDIR)",
            received=f"{shutil.disk_usage(folder).free:,} bytes free ({error})",
        ) from error
    finally:
        if file is not None:
            file.close()  # the mapping stays valid
    joined = np.empty((number, *shape), np.uint8)
    start = 0
    while held:  # a chunk is freed once it is copied, so that chunks and result never need twice the memory
        chunk = held.popleft()
        joined[start : start + len(chunk)] = chunk
        start += len(chunk)
    return joined


def in_chunks(images: np.ndarray) -> Iterator[np.ndarray]:
    """Yields views of an array along its first axis, of about `CHUNK_BYTES` each."""
    rows = rows_per_chunk(images.shape[1:], images.itemsize)
    for start in range(0, len(images), rows):
        yield images[start : start + rows]


def rows_per_chunk(shape: tuple[int, ...], itemsize: int = 1) -> int:
    """Returns the number of items of a shape that make up `CHUNK_BYTES`, at least one."""
    return max(1, CHUNK_BYTES // max(1, int(np.prod(shape)) * itemsize))


def rearranged(images: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Returns images[order], in a new file when `images` is in a file. A contiguous range is a view, not a copy."""
    if len(order) and np.array_equal(order, np.arange(order[0], order[0] + len(order))):
        return images[order[0] : order[0] + len(order)]
    if not is_streamed(images):
        return images[order]
    rows = rows_per_chunk(images.shape[1:])
    return store((images[order[start : start + rows]] for start in range(0, len(order), rows)), limit=0)


def is_streamed(images: np.ndarray) -> bool:
    """Returns whether an array is in a file."""
    return isinstance(images, np.memmap)
