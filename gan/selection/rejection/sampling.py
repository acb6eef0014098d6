"""Rejection: the first accepted attempt of each sample, a function of (seed, index) alone."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gan.errors import check_sampling
from gan.sampling.labels import Labels, is_sequence, labels_for
from gan.sampling.samples import AT_ONCE, acceptance_draws
from gan.selection.rejection.acceptance import Acceptance
from gan.selection.rejection.attempts import Attempts
from gan.selection.rejection.limits import MOST_ATTEMPTS, check_attempts
from gan.utils.arguments import checked
from gan.utils.parallel import in_parallel

WINDOW = 16
"""Samples that are worked on together, in batches. Only the last batches of a window are filled up."""


@dataclass(frozen=True)
class KeptSamples:
    """Consecutive samples, and the attempt that was kept of each."""

    images: np.ndarray
    """float32 [B, *image_shape]; images are in [-1, 1]."""
    attempts: np.ndarray
    """Number of the kept attempt, int32 [B], from 0: `latents(seed, [index], latent_dim, attempt=...)`."""
    accepted: np.ndarray
    """Whether it was accepted, bool [B]. If none was, the attempt with the highest score is kept, the first of them."""

    def made(self, most_attempts: int) -> np.ndarray:
        """Returns the number of attempts that were made for each sample, int [B], at most `most_attempts`."""
        return np.where(self.accepted, self.attempts + 1, most_attempts)

    def __getitem__(self, rows: slice) -> "KeptSamples":
        return KeptSamples(self.images[rows], self.attempts[rows], self.accepted[rows])

    @classmethod
    def joined(cls, parts: "list[KeptSamples]") -> "KeptSamples":
        """Returns the samples of several parts, in order."""
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("images", "attempts", "accepted")))


@dataclass(frozen=True)
class RejectionSampler:
    """Samples of a generator of which some attempts are rejected.

    Attempt t of sample i has the latents of (seed, i, t), where t = 0 are those of `sampling.generate`. It is accepted
    if the uniform number of (seed, i, t) is below the acceptance of its score. The first accepted attempt is kept. So
    the sample of (seed, index) and its class depends neither on other indices, nor on their number, nor on batches.

    The distribution is that of the accepted attempts, except for samples of which none is accepted within
    `most_attempts`: these keep the attempt with the highest score, and are marked in `KeptSamples.accepted`.

    Args:
        attempts: computes attempts and their scores.
        acceptance: maps scores to the probability that an attempt is accepted.
        most_attempts: maximum number of attempts per sample, >= 1.

    Raises `InputError` for another `most_attempts`.
    """

    attempts: Attempts
    acceptance: Acceptance
    most_attempts: int = MOST_ATTEMPTS

    def __post_init__(self) -> None:
        check_attempts("most_attempts", self.most_attempts)

    @checked
    def stream(self, num: int, *, seed: int = 0, start: int = 0, labels: Labels = None) -> Iterator[KeptSamples]:
        """Yields the samples start, ..., start + num - 1 of a seed, in order, in batches.

        Memory use is that of `WINDOW` batches, whatever `num` is. The arguments and errors are those of
        `sampling.generate`; errors are raised by the call.
        """
        check_sampling(num=num, seed=seed, start=start, truncation=self.attempts.truncation)
        classes = self.attempts.engine.num_classes
        given = labels_for(np.arange(num if is_sequence(labels) else 1), classes, labels)
        one_each = is_sequence(labels) and given is not None

        def part(positions: np.ndarray) -> KeptSamples:
            indices = start + positions
            own = given[positions] if one_each and given is not None else labels_for(indices, classes, labels)
            return self._window(seed, indices, own)

        batch, size = self.attempts.batch, WINDOW * self.attempts.batch
        windows = (part(np.arange(first, min(first + size, num))) for first in range(0, num, size))
        return (window[first : first + batch] for window in windows for first in range(0, len(window.images), batch))

    @checked
    def generate(self, num: int = 64, *, seed: int = 0, start: int = 0, labels: Labels = None) -> KeptSamples:
        """Returns the samples of `stream` together."""
        return KeptSamples.joined(list(self.stream(num, seed=seed, start=start, labels=labels)))

    def _window(self, seed: int, indices: np.ndarray, labels: np.ndarray | None) -> KeptSamples:
        """Returns samples of any indices, one round of attempts after the other until all are accepted."""
        images = np.empty((len(indices), *self.attempts.engine.image_shape), np.float32)
        kept, accepted = np.zeros(len(indices), np.int32), np.zeros(len(indices), bool)
        best = np.full(len(indices), -np.inf)
        left, done = np.arange(len(indices)), 0

        def evaluate(rows: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            chosen, numbers = rows
            own = None if labels is None else labels[chosen]
            made, scores = self.attempts.compute(seed, indices[chosen], own, numbers)
            return made, scores, self._draws(seed, indices[chosen], numbers) < self.acceptance(scores)

        while len(left) and done < self.most_attempts:
            # a batch that a round does not fill has room for the next attempts of the same samples
            together = min(max(1, self.attempts.batch // len(left)), self.most_attempts - done)
            rows, numbers = np.tile(left, together), np.repeat(np.arange(done, done + together), len(left))
            cuts = np.arange(self.attempts.batch, len(rows), self.attempts.batch)
            batches = list(zip(np.split(rows, cuts), np.split(numbers, cuts)))
            for (made, scores, is_accepted), (chosen, attempt) in zip(in_parallel(evaluate, batches, AT_ONCE), batches):
                for round_ in np.unique(attempt):
                    place = np.flatnonzero((attempt == round_) & ~accepted[chosen])
                    row, score = chosen[place], np.nan_to_num(scores[place], nan=-np.inf)
                    is_kept = is_accepted[place] | (score > best[row]) | (round_ == 0)
                    place, row = place[is_kept], row[is_kept]
                    images[row], kept[row] = made[place], round_
                    best[row], accepted[row] = score[is_kept], is_accepted[place]
            left, done = left[~accepted[left]], done + together
        return KeptSamples(images, kept, accepted)

    @staticmethod
    def _draws(seed: int, indices: np.ndarray, attempts: np.ndarray) -> np.ndarray:
        """Returns the uniform numbers of attempts, float32 [B]."""
        found = np.empty(len(indices), np.float32)
        for attempt in np.unique(attempts):
            rows = attempts == attempt
            found[rows] = acceptance_draws(seed, indices[rows], attempt=int(attempt))
        return found
