"""Limits of requests: sizes, times and queued samples. Does not import the web framework."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a request may take. A request above a limit is answered with a status from 400 to 504, and its reason."""

    body_bytes: int = 2**24
    """Largest body of a request; 413 above it."""
    header_seconds: float = 10.0
    """Time in which the headers of a request must arrive; 408 after it."""
    body_seconds: float = 20.0
    """Time in which the body of a request must arrive; 408 after it."""
    work_seconds: float = 30.0
    """Time in the queue and in the generator; 504 after it."""
    read_seconds: float = 60.0
    """Time in which a client must read what was sent, before its connection is closed."""
    num: int = 10_000
    """Most samples of one request; 400 above it."""
    values: int = 2**24
    """Most numbers in the samples of one request: 10,000 samples of 28 x 28 pixels, 1,365 of 64 x 64 x 3."""
    json_values: int = 2**20
    """Most numbers in the samples of one JSON answer: 1,337 samples of 28 x 28 pixels, 85 of 64 x 64 x 3; 400 above it.
    A number takes some 20 bytes of JSON."""
    queued: int = 16_384
    """Most samples that wait for one version of a model; 429 above it."""
    connections: int = 1_024
    """Most connections at the same time; 503 above it."""

    def most_samples(self, image_shape: tuple[int, ...]) -> int:
        """Returns the most samples of this shape in one request."""
        return max(1, min(self.num, self.values // math.prod(image_shape)))

    def most_json(self, image_shape: tuple[int, ...]) -> int:
        """Returns the most samples of this shape in one JSON answer."""
        return max(1, min(self.num, self.json_values // math.prod(image_shape)))

    def most_queued(self, image_shape: tuple[int, ...]) -> int:
        """Returns the most samples of this shape that wait: at most those of four of the largest requests."""
        return max(64, min(self.queued, 4 * self.values // math.prod(image_shape)))
