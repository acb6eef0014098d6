"""Samples as bytes, drawn in blocks ahead of the judges, so that a picture is there when it is asked for."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from gan import sampling
from gan.data.images import to_uint8
from gan.deployment.feedback.pictures import Picture
from gan.saving.engines.engine import Engine

LARGEST_BLOCK, BLOCK_PIXELS = 64, 2**19
"""Most samples of a block, and most pixels in one."""

CACHE_BYTES = 2**26
"""Size of the kept samples."""


class SampleCache:
    """The samples that were drawn last. Threads may share it: none waits for samples that it has not asked for.

    Args:
        engine: draws the samples.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        height, width, channels = engine.image_shape
        self.block = max(1, min(LARGEST_BLOCK, BLOCK_PIXELS // (height * width)))
        """Number of samples to draw together."""
        self._capacity = max(2 * self.block, CACHE_BYTES // (height * width * channels))
        self._lock = threading.Lock()
        self._drawn: OrderedDict[Picture, Future[np.ndarray]] = OrderedDict()
        self._background = ThreadPoolExecutor(1, "samples")

    def close(self) -> None:
        """Finishes the block that is drawn, and draws no other."""
        self._background.shutdown(cancel_futures=True)

    def read(self, picture: Picture) -> np.ndarray:
        """Returns a sample: uint8 [H, W, C]. It is drawn now, or waited for, if it is not kept.

        Raises the errors of the engine, and `InputError` for a sample that is not finite.
        """
        self._draw(self._claim([picture]))
        with self._lock:
            done = self._drawn.get(picture)
        return self.read(picture) if done is None else done.result()

    def prepare(self, pictures: Sequence[Picture]) -> None:
        """Draws samples in the background if half of them, or the first, are not kept."""
        with self._lock:
            missing = [picture for picture in pictures if picture not in self._drawn]
        if missing and (missing[0] == pictures[0] or 2 * len(missing) >= len(pictures)):
            self._background.submit(self._draw, self._claim(missing))

    def _claim(self, pictures: Iterable[Picture]) -> dict[Picture, "Future[np.ndarray]"]:
        """Returns those of the pictures that nobody draws, each with the future that the caller is to set."""
        claimed = dict[Picture, Future[np.ndarray]]()
        with self._lock:
            for picture in pictures:
                if picture in self._drawn:
                    self._drawn.move_to_end(picture)
                else:
                    self._drawn[picture] = claimed[picture] = Future()
            while len(self._drawn) > self._capacity:
                self._drawn.popitem(last=False)
        return claimed

    def _draw(self, claimed: dict[Picture, "Future[np.ndarray]"]) -> None:
        pictures = list(claimed)
        try:
            for first in range(0, len(pictures), self.block):
                part = pictures[first : first + self.block]
                for picture, sample in zip(part, self._samples(part), strict=True):
                    claimed[picture].set_result(sample)
        except BaseException as error:
            with self._lock:
                for picture, future in claimed.items():
                    if not future.done():
                        self._drawn.pop(picture, None)
                        future.set_exception(error)
            raise

    def _samples(self, pictures: Sequence[Picture]) -> np.ndarray:
        latents = np.empty((len(pictures), self._engine.latent_dim), np.float32)
        for seed in {picture.seed for picture in pictures}:
            rows = [row for row, picture in enumerate(pictures) if picture.seed == seed]
            latents[rows] = sampling.latents(seed, [pictures[row].index for row in rows], self._engine.latent_dim)
        labels = np.array([picture.label for picture in pictures], np.int32) if self._engine.num_classes else None
        return to_uint8(self._engine(latents, labels))
