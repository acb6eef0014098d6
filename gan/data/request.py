"""A request for a dataset: its name and options, and the conversion of images to the requested shape."""

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import ImageColor

from gan.config.data import check_background, check_pixel_range
from gan.data import images, storage
from gan.errors import check, check_share


@dataclass(frozen=True)
class Request:
    """Name and options of a dataset. The fields are the arguments of `load_dataset`."""

    name: str
    fallback: str = "none"
    image_size: tuple[int, int] | None = None
    channels: int | None = None
    background: str | None = None
    pixel_range: tuple[float, float] | None = None
    corrupt_share: float = 0.01
    memory_limit: int | None = None

    def __post_init__(self) -> None:
        known = self.channels is None or (not isinstance(self.channels, bool) and self.channels in (1, 3))
        check(known, "channels", "1 or 3", self.channels)
        check_background(self.background)
        check_pixel_range(self.pixel_range)
        check_share("corrupt_share", self.corrupt_share)

    def store(self, chunks: Iterable[np.ndarray], *, in_range: bool = False) -> np.ndarray:
        """Converts and stores chunks of images, uint8 [n, h, w, 1, 3 or 4]: uint8 [N, H, W, C] in the requested shape.

        The size may differ between chunks when `image_size` is given. Transparent parts get the color `background`, and
        a warning counts their images when there is none. With `channels=1`, color becomes luma (`images.to_gray`).
        With `pixel_range`, the chunks may have any real type, unless they are `in_range` already.
        Raises `InputError` when there is no space to store the images.
        """
        return storage.store(self._convert(chunks if in_range else self._scaled(chunks)), self.memory_limit)

    def _scaled(self, chunks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        for chunk in chunks:
            if self.pixel_range is not None:
                colors = images.scale(chunk[..., :3], self.pixel_range)
                chunk = np.concatenate([colors, chunk[..., 3:].astype(np.uint8)], axis=3)
            yield chunk

    def report_transparent(self, transparent: int, total: int) -> None:
        """Warns that transparent parts became black, unless there are none or a background was asked for."""
        if transparent and self.background is None:
            warnings.warn(
                f"{transparent:,} of {total:,} images have transparent parts, which became {images.BACKGROUND} "
                "(--background white, or background=, sets another color)",
                stacklevel=2,
            )

    def _convert(self, chunks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        total = transparent = 0
        for chunk in chunks:
            total += len(chunk)
            if chunk.shape[3] == 4:
                transparent += int((chunk[..., 3] < 255).any(axis=(1, 2)).sum())
                chunk = self._on_background(chunk)
            if self.channels == 1 and chunk.shape[3] == 3:
                chunk = images.to_gray(chunk)
            elif self.channels == 3 and chunk.shape[3] == 1:
                chunk = chunk.repeat(3, axis=3)
            if self.image_size in (None, chunk.shape[1:3]):
                yield chunk
            else:
                yield from self._resize(chunk, self.image_size)
        self.report_transparent(transparent, total)

    def _on_background(self, chunk: np.ndarray) -> np.ndarray:
        alpha = chunk[..., 3:].astype(np.uint32)
        color = np.array(ImageColor.getrgb(self.background or images.BACKGROUND)[:3], np.uint32)
        return ((chunk[..., :3] * alpha + color * (255 - alpha) + 127) // 255).astype(np.uint8)

    @staticmethod
    def _resize(chunk: np.ndarray, size: tuple[int, int]) -> Iterator[np.ndarray]:
        """Resizes images and yields them in new chunks, since the resized images may need far more memory."""
        rows = storage.rows_per_chunk((*size, chunk.shape[3]))
        for start in range(0, len(chunk), rows):
            resized = [np.asarray(images.cover(images.to_pil(image), size)) for image in chunk[start : start + rows]]
            yield np.stack(resized).reshape(len(resized), *size, -1)
