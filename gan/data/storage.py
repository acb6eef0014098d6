"""Where the pixels of a data set lie: in memory, or in a file where they are too many for it."""

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
"""How much is moved at once."""

_CGROUP = Path("/sys/fs/cgroup/memory.max")
_UNKNOWN_MEMORY = 2**33


def memory_limit() -> int:
    """Bytes that one array of pixels may take of the memory: a quarter of what the machine, or its container, has."""
    try:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not on every system
        physical = _UNKNOWN_MEMORY
    with contextlib.suppress(OSError, ValueError):  # none, or "max"
        physical = min(physical, int(_CGROUP.read_text()))
    return physical // 4


def store(chunks: Iterable[np.ndarray], limit: int | None = None) -> np.ndarray:
    """Joins chunks of images, each uint8 [n, H, W, C] with the same H, W, C: uint8 [N, H, W, C].

    limit: bytes that the result may take of the memory; None: `memory_limit()`. What is larger is written to a
    temporary file while it comes in, and the result is a `numpy.memmap` of that file, for reading only. The file has
    no name, so that it is gone with the last array that shows it, also when the process is killed; it lies in the
    folder for temporary files (the environment variable TMPDIR), which should be a disk. What is read of it counts as
    resident memory until the system wants that back.

    Raises `InputError` when there is no room for the file.
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
                file = tempfile.TemporaryFile()  # noqa: SIM115 - closed below, but not before the mapping is made
            while file is not None and held:
                np.ascontiguousarray(held.popleft()).tofile(file)
        if file is not None:
            file.flush()
            return np.memmap(file, np.uint8, "r", shape=(number, *shape))
    except OSError as error:
        if file is None:  # of what gives the chunks
            raise
        folder = tempfile.gettempdir()
        raise InputError(
            "The images do not fit in memory, and there is no room for them on the disk",
            expected=f"room for them in {folder} (see TMPDIR)",
            received=f"{shutil.disk_usage(folder).free:,} bytes free ({error})",
        ) from error
    finally:
        if file is not None:
            file.close()  # what is mapped stays
    joined = np.empty((number, *shape), np.uint8)
    start = 0
    while held:  # each chunk goes when it has been copied: they and the result never lie there together
        chunk = held.popleft()
        joined[start : start + len(chunk)] = chunk
        start += len(chunk)
    return joined


def in_chunks(images: np.ndarray) -> Iterator[np.ndarray]:
    """An array in pieces along its first axis, of about `CHUNK_BYTES`, without a copy."""
    rows = rows_per_chunk(images.shape[1:], images.itemsize)
    for start in range(0, len(images), rows):
        yield images[start : start + rows]


def rows_per_chunk(shape: tuple[int, ...], itemsize: int = 1) -> int:
    """How many items of a shape make up `CHUNK_BYTES`; at least one."""
    return max(1, CHUNK_BYTES // max(1, int(np.prod(shape)) * itemsize))


def rearranged(images: np.ndarray, order: np.ndarray) -> np.ndarray:
    """images[order], in a file of its own where `images` lies in one. A part as it stands is shown, not copied."""
    if len(order) and np.array_equal(order, np.arange(order[0], order[0] + len(order))):
        return images[order[0] : order[0] + len(order)]
    if not is_streamed(images):
        return images[order]
    rows = rows_per_chunk(images.shape[1:])
    return store((images[order[start : start + rows]] for start in range(0, len(order), rows)), limit=0)


def is_streamed(images: np.ndarray) -> bool:
    """Whether an array lies in a file."""
    return isinstance(images, np.memmap)
