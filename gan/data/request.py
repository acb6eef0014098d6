"""A request for a dataset: its name and options, and the conversion of images to the requested shape."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from gan.data import images, storage
from gan.errors import InputError, check, check_share, check_whole

LARGEST_SIDE = 4_096


@dataclass(frozen=True)
class Request:
    """Name and options of a dataset. The fields are the arguments of `load_dataset`."""

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
        """Converts and stores chunks of images, uint8 [n, h, w, 1, 3 or 4]: uint8 [N, H, W, C] in the requested shape.

        The size may differ between chunks when `image_size` is given. Transparent parts become black. Raises
        `InputError` when `channels=1` would lose color, and when there is no space to store the images.
        """
        return storage.store(self._convert(chunks), self.memory_limit)

    def _convert(self, chunks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        total, colored = 0, []
        for chunk in chunks:
            if chunk.shape[3] == 4:
                alpha = chunk[..., 3:].astype(np.uint16)
                chunk = ((chunk[..., :3] * alpha + 127) // 255).astype(np.uint8)
            if self.channels == 1 and chunk.shape[3] == 3:
                colored += (total + np.flatnonzero(images.is_color(chunk))).tolist()
                chunk = chunk[..., :1]
            elif self.channels == 3 and chunk.shape[3] == 1:
                chunk = chunk.repeat(3, axis=3)
            total += len(chunk)
            if self.image_size in (None, chunk.shape[1:3]):
                yield chunk
            else:
                yield from self._resize(chunk, self.image_size)
        reject_colors([f"image {number}" for number in colored[:1]] * len(colored), total)

    @staticmethod
    def _resize(chunk: np.ndarray, size: tuple[int, int]) -> Iterator[np.ndarray]:
        """Resizes images and yields them in new chunks, since the resized images may need far more memory."""
        rows = storage.rows_per_chunk((*size, chunk.shape[3]))
        for start in range(0, len(chunk), rows):
            resized = [np.asarray(images.cover(images.to_pil(image), size)) for image in chunk[start : start + rows]]
            yield np.stack(resized).reshape(len(resized), *size, -1)


def reject_colors(colored: list[str], total: int) -> None:
    """Raises `InputError` if `colored`, the names of color images among `total` images, is not empty."""
    if colored:
        raise InputError(
            "channels=1 would lose color",
            expected="grayscale images, or channels=3",
            received=f"{len(colored)} color images of {total}, the first is {colored[0]}",
        )
