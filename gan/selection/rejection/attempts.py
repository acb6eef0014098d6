"""Attempts: the samples of (seed, index, attempt) and their scores, in calls of one fixed size."""

from dataclasses import dataclass

import numpy as np

from gan.sampling.samples import batch_for, latents, truncate
from gan.saving.engines.engine import Engine
from gan.selection.rejection.scores import ImageScore

LARGEST_BATCH = 256
"""Maximum number of attempts per call. A call of fewer takes as long, see `Attempts`."""


@dataclass(frozen=True)
class Attempts:
    """Computes attempts and their scores.

    Kernels round differently for different batch sizes, and a difference in the last bit may decide whether an attempt
    is accepted. So each call of the generator and of the score has `batch` rows; the last row fills those left over.
    With calls of one size, a row has the same bits whatever the other rows are.

    Args:
        engine: the generator.
        score: scores its samples.
        truncation: as for `sampling.generate`.
    """

    engine: Engine
    score: ImageScore
    truncation: float | None = None

    @property
    def batch(self) -> int:
        """Rows per call. It depends on the size of the images alone."""
        return min(LARGEST_BATCH, batch_for(self.engine))

    def compute(
        self, seed: int, indices: np.ndarray, labels: np.ndarray | None, attempts: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Computes samples float32 [B, *image_shape] and their scores float64 [B], of at most `batch` attempts.

        Args:
            seed: seed of the latents.
            indices: indices of the samples, int64 [B].
            labels: requested classes, int32 [B], or None without classes.
            attempts: number of the attempt of each, int [B], from 0.
        """
        z = np.empty((len(indices), self.engine.latent_dim), np.float32)
        for attempt in np.unique(attempts):
            rows = attempts == attempt
            z[rows] = latents(seed, indices[rows], self.engine.latent_dim, attempt=int(attempt))
        z = z if self.truncation is None else truncate(z, self.truncation)
        filled = None if labels is None else self._filled(labels)
        images = self.engine(self._filled(z), filled)
        return images[: len(z)], self.score(images, filled)[: len(z)]

    def first_scores(self, seed: int, indices: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """Computes the scores of the first attempts of any number of samples: float64 [N]."""
        first = np.zeros(len(indices), int)
        parts = [
            self.compute(seed, indices[rows], None if labels is None else labels[rows], first[rows])[1]
            for rows in self._slices(len(indices))
        ]
        return np.concatenate(parts)

    def scores_of(self, images: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """Computes the scores of other images, float32 [N, *image_shape] in [-1, 1]: float64 [N]."""
        parts = [
            self.score(self._filled(images[rows]), None if labels is None else self._filled(labels[rows]))
            for rows in self._slices(len(images))
        ]
        return np.concatenate(parts)[: len(images)]

    def _slices(self, num: int) -> list[slice]:
        return [slice(first, min(first + self.batch, num)) for first in range(0, num, self.batch)]

    def _filled(self, rows: np.ndarray) -> np.ndarray:
        """Returns `batch` rows: the given ones, and copies of the last."""
        return rows[np.minimum(np.arange(self.batch), len(rows) - 1)]
