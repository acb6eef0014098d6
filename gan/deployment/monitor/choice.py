"""Which of the served samples are audited: a function of a seed, the model and the number of the request."""

import hashlib

import numpy as np

from gan.errors import check, check_seed


class AuditChoice:
    """Chooses each sample with a probability of `share`, independently of all others and of what it shows.

    Sample i of request r is chosen if number i of the stream of (seed, model, r) is below the share. The streams are
    those of Philox, so the choice is the same on every machine, and anyone can compute it again.

    Args:
        share: in (0, 1].
        seed: seed of the choice, from 0 to 2**32 - 1.
        model: name of the model.
    """

    def __init__(self, share: float, seed: int, model: str) -> None:
        check(0 < share <= 1, "audit", "a share > 0 and <= 1", share)
        check_seed(seed)
        digest = hashlib.blake2b(f"{seed}/audit/{model}".encode(), digest_size=16).digest()
        self._key = int.from_bytes(digest, "big")
        self._share = share

    def rows(self, request: int, num: int) -> np.ndarray:
        """Returns the rows to audit among 0, ..., num - 1 of a request, int [M], in order. request: from 0."""
        stream = np.random.Philox(key=self._key, counter=[0, request, 0, 0])
        numbers = (stream.random_raw(num) >> np.uint64(11)) / 2.0**53
        return np.flatnonzero(numbers < self._share)
