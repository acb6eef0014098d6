"""What is asked of a source of images, and the shape that it brings them to."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from gan.data import images, storage
from gan.errors import InputError, check, check_share, check_whole

LARGEST_SIDE = 4_096


@dataclass(frozen=True)
class Request:
    """A data set by its name, and how it is wanted. For the fields see `load_dataset`."""

    name: str
    fallback: str = "none"
    image_size: tuple[int, int] | None = None
    channels: int | None = None
    corrupt_share: float = 0.01
    memory_limit: int | None = None

    def __post_init__(self) -> None:
        if self.image_size is not None:
            check(len(self.image_size) == 2, "image_size", "(height, width)", self.image_size)
            for side in self.image_size:
                check_whole("image_size", side, 1, LARGEST_SIDE)
        check(self.channels in (None, 1, 3), "channels", "1 or 3", self.channels)
        check_share("corrupt_share", self.corrupt_share)

    def store(self, chunks: Iterable[np.ndarray]) -> np.ndarray:
        """Images that come in chunks, uint8 [n, h, w, 1, 3 or 4], in the shape asked for: uint8 [N, H, W, C].

        Sizes may differ from chunk to chunk when one is asked for. Transparent parts become black. Raises `InputError`
        when one channel is asked for and there are colours to lose, and when there is no room.
        """
        return storage.store(self._shaped(chunks), self.memory_limit)

    def _shaped(self, chunks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        total, coloured = 0, []
        for chunk in chunks:
            if chunk.shape[3] == 4:
                alpha = chunk[..., 3:].astype(np.uint16)
                chunk = ((chunk[..., :3] * alpha + 127) // 255).astype(np.uint8)
            if self.channels == 1 and chunk.shape[3] == 3:
                coloured += (total + np.flatnonzero(images.is_coloured(chunk))).tolist()
                chunk = chunk[..., :1]
            elif self.channels == 3 and chunk.shape[3] == 1:
                chunk = chunk.repeat(3, axis=3)
            total += len(chunk)
            if self.image_size in (None, chunk.shape[1:3]):
                yield chunk
            else:
                yield from self._resized(chunk, self.image_size)
        refuse_colours([f"image {number}" for number in coloured[:1]] * len(coloured), total)

    @staticmethod
    def _resized(chunk: np.ndarray, size: tuple[int, int]) -> Iterator[np.ndarray]:
        """Yields images in another size, in chunks of their own, since they may be far larger than they were."""
        rows = storage.rows_per_chunk((*size, chunk.shape[3]))
        for start in range(0, len(chunk), rows):
            resized = [np.asarray(images.cover(images.to_pil(image), size)) for image in chunk[start : start + rows]]
            yield np.stack(resized).reshape(len(resized), *size, -1)


def refuse_colours(coloured: list[str], total: int) -> None:
    """Raises `InputError` when there are names of coloured images, of `total` ones of which greyscale was asked."""
    if coloured:
        raise InputError(
            "channels=1 would lose the colours",
            expected="greyscale images, or channels=3",
            received=f"{len(coloured)} of {total} in colour, the first {coloured[0]}",
        )
