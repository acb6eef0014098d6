"""Dynamic batching: requests that wait together are computed together, in threads."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from gan.deployment.serve.log import write_log
from gan.errors import InputError
from gan.saving.engines.engine import Engine

SIZES = (1, 8, 64)
"""Batches are padded to one of these numbers of samples, so that an engine sees three shapes, all of them warmed up."""

WORKERS = 3
"""Batches of one version that are computed at the same time. A core that waits for another one computes the next.

On two cores, 64 clients of 64 samples each got 254 answers/s with three threads and 237 with two, measured once.
"""

Inputs: TypeAlias = tuple[np.ndarray, np.ndarray | None]
"""Latents float32 [B, L], and labels int32 [B] or None."""


class QueueFullError(Exception):
    """There is no room for the samples of a request."""


class QueueClosedError(Exception):
    """The version of this queue is no longer served."""


@dataclass(eq=False)
class _Job:
    inputs: Callable[[range], Inputs]
    waiting: deque[range]
    """Samples that no thread has taken, at most a batch in each range."""
    pieces: int
    is_ended: bool = False
    """Whether a thread has ended it, with its samples or with an error. Only the first one that wants to does."""
    done: Future[np.ndarray] = field(default_factory=Future)
    images: dict[int, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class _Piece:
    job: _Job
    rows: range


class BatchQueue:
    """A bounded queue of samples to compute, and the threads that compute them.

    A free thread takes what waits, up to the largest batch. So a request that comes alone does not wait for others, and
    requests that come while all threads compute share the next batch.

    Requests take turns: a batch has at most one part of each. So a small request does not wait for all of a large one.

    Args:
        engine: computes the samples.
        capacity: most samples that wait. A request of more samples is taken by an empty queue.
        on_batch: called with the number of samples of each batch, without padding.
        together: False computes each request alone, to compare with.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        capacity: int,
        sizes: Sequence[int] = SIZES,
        workers: int = WORKERS,
        on_batch: Callable[[int], None] = lambda rows: None,
        together: bool = True,
    ) -> None:
        self._engine, self._capacity, self._sizes = engine, capacity, sorted(sizes)
        self._on_batch, self._together = on_batch, together
        self._waiting: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._queued, self._closed = 0, False
        self._threads = [
            threading.Thread(target=self._work, name=f"batches-{number}", daemon=True) for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def queued(self) -> int:
        """Number of samples that wait for a thread."""
        return self._queued

    def submit(self, rows: int, inputs: Callable[[range], Inputs]) -> "Future[np.ndarray]":
        """Adds a request of `rows` samples, >= 1. Returns a future of its samples, float32 [rows, H, W, C].

        Args:
            rows: number of samples.
            inputs: returns the inputs of some of the samples. It is called in a thread of the queue.

        A cancelled future gives up the samples that were not computed. The future gets an error of `inputs` or of the
        engine, and `InputError` if a sample is not finite. Other requests do not get it: after an error of the engine,
        each request of the batch is computed once more, alone.

        Raises `QueueFullError` and `QueueClosedError`.
        """
        most = self._sizes[-1]
        spans = [range(first, min(first + most, rows)) for first in range(0, rows, most)]
        job = _Job(inputs, deque(spans), len(spans))
        with self._changed:
            if self._closed:
                raise QueueClosedError
            if self._queued + rows > self._capacity:
                self._drop_cancelled()
                if self._queued and self._queued + rows > self._capacity:
                    raise QueueFullError
            self._queued += rows
            self._waiting.append(job)
            self._changed.notify(len(spans))
        return job.done

    def close(self) -> None:
        """Accepts no further request, and returns when all accepted ones are computed."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def warm_up(self) -> None:
        """Computes a batch of each size, so that the first request does not wait for graphs and buffers."""
        for size in self._sizes:
            self._compute(
                np.zeros((size, self._engine.latent_dim), np.float32),
                np.zeros(size, np.int32) if self._engine.num_classes else None,
            )

    def _work(self) -> None:
        while batch := self._take():
            try:
                self._run(batch)
            except Exception as error:  # an error of this class: without its threads, the queue would never answer
                write_log("failure", level="error", reason=repr(error))
                for piece in batch:
                    self._fail(piece.job, error)

    def _drop_cancelled(self) -> None:
        self._waiting = deque(job for job in self._waiting if not job.done.done())
        self._queued = sum(len(span) for job in self._waiting for span in job.waiting)

    def _take(self) -> list[_Piece]:
        """Waits for samples, and returns those of the next batch. No sample: the queue is closed and empty."""
        with self._changed:
            while True:
                batch = self._next_batch()
                if batch or (self._closed and not self._waiting):
                    return batch
                self._changed.wait()

    def _next_batch(self) -> list[_Piece]:
        """Takes the next part of each request in turn, as far as they fit into a batch."""
        batch, rows = list[_Piece](), 0
        too_large, more = list[_Job](), list[_Job]()
        while self._waiting and rows < self._sizes[-1] and (not batch or self._together):
            job = self._waiting.popleft()
            if job.done.done():  # cancelled, or another part of it failed
                self._queued -= sum(map(len, job.waiting))
            elif rows + len(job.waiting[0]) > self._sizes[-1]:
                too_large.append(job)
            else:
                piece = _Piece(job, job.waiting.popleft())
                batch.append(piece)
                rows += len(piece.rows)
                self._queued -= len(piece.rows)
                if job.waiting:
                    more.append(job)
        self._waiting.extendleft(reversed(too_large))  # the first of them is in the next batch
        self._waiting.extend(more)
        return batch

    def _run(self, batch: Sequence[_Piece]) -> None:
        """Computes a batch. An error of the inputs of a request, or of a request computed alone, is its own."""
        ready = list[tuple[_Piece, Inputs]]()
        for piece in batch:
            try:
                ready.append((piece, piece.job.inputs(piece.rows)))
            except Exception as error:  # of any class: the request gets it
                self._fail(piece.job, error)
        if not ready:
            return
        try:
            images = self._draw(ready)
        except Exception as error:  # of an engine, of any class
            if len(ready) > 1:
                for piece, _ in ready:
                    self._run([piece])
            else:
                self._fail(ready[0][0].job, error)
            return
        first = 0
        for piece, _ in ready:
            self._finish(piece, images[first : first + len(piece.rows)])
            first += len(piece.rows)

    def _draw(self, ready: Sequence[tuple[_Piece, Inputs]]) -> np.ndarray:
        """Computes pieces together: float32 [B, H, W, C]."""
        labels = [own for _, (_, own) in ready if own is not None]
        latents = np.concatenate([own for _, (own, _) in ready])
        images = self._compute(latents, np.concatenate(labels) if labels else None)
        self._on_batch(len(images))
        return images

    def _compute(self, latents: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """Computes samples in a batch that is padded to one of the sizes, and returns them without the padding."""
        rows = len(latents)
        more = next(size for size in self._sizes if size >= rows) - rows
        if more:
            latents = np.concatenate([latents, np.zeros((more, latents.shape[1]), np.float32)])
            labels = None if labels is None else np.concatenate([labels, np.zeros(more, np.int32)])
        return self._engine(latents, labels)[:rows]

    def _finish(self, piece: _Piece, images: np.ndarray) -> None:
        """Adds samples to those of their request, which has its result when they are the last ones."""
        job = piece.job
        if not np.isfinite(images).all():
            expected, received = "latents of which this generator draws finite numbers", "NaN or infinity in a sample"
            self._fail(job, InputError("The samples are not finite", expected=expected, received=received))
            return
        with self._changed:
            job.images[piece.rows.start] = images
            is_last = len(job.images) == job.pieces
        if is_last and self._ends(job):
            job.done.set_result(
                images if job.pieces == 1 else np.concatenate([job.images[first] for first in sorted(job.images)])
            )

    def _fail(self, job: _Job, error: Exception) -> None:
        if self._ends(job):
            job.done.set_exception(error)

    def _ends(self, job: _Job) -> bool:
        """Returns True once for each request that was not cancelled: who gets it sets the result or the error."""
        with self._changed:
            is_ended, job.is_ended = job.is_ended, True
        return not is_ended and job.done.set_running_or_notify_cancel()
