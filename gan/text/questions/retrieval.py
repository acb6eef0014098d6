"""Finds known names, or known texts, by their similarity: TF-IDF of n-grams of characters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

FEATURES = 2**20
"""Places of the table of n-grams."""


@dataclass(frozen=True)
class Found:
    """The number of a key, and its similarity with what was asked, from 0 to 1."""

    index: int
    similarity: float


class Retrieval:
    """Keys that are found by similarity.

    The similarity of two texts is the cosine of their vectors: how often each n-gram of characters occurs in a text,
    times log((1 + N) / (1 + n)) + 1, where n of the N keys have it. An n-gram that no key has counts too, so that an
    unknown name is not mistaken for the part of it that is known. N-grams do not cross the borders of words, and the
    case and accents of letters are ignored.

    >>> Retrieval(["Finland", "France"]).search(["finland"])[0][0]
    Found(index=0, similarity=1.0)
    """

    def __init__(self, keys: Sequence[str], *, shortest: int = 1, longest: int = 3) -> None:
        """Indexes keys, at least one. `shortest` and `longest`: characters of the n-grams."""
        from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

        self._counts = HashingVectorizer(
            analyzer="char_wb",
            ngram_range=(shortest, longest),
            n_features=FEATURES,
            alternate_sign=False,
            norm=None,
            strip_accents="unicode",
        )
        self._weights = TfidfTransformer()
        self.keys = tuple(keys)
        self._vectors = self._weights.fit_transform(self._counts.transform(map(_plain, keys)))

    def vectors(self, texts: Sequence[str]) -> "csr_matrix":
        """Returns the vectors of texts, sparse [N, FEATURES], of length 1; 0 for an empty text."""
        return self._weights.transform(self._counts.transform(map(_plain, texts)))

    def search(self, texts: Sequence[str], most: int = 5) -> list[list[Found]]:
        """Returns the `most` similar keys for each text, best first; of equal ones the first key."""
        found = []
        for row in (self.vectors(texts) @ self._vectors.T).toarray():
            order = np.argsort(-row.round(9), kind="stable")[:most]
            found.append([Found(int(index), min(1.0, round(float(row[index]), 9))) for index in order])
        return found


def recall(ranks: Sequence[int | None], most: int) -> float:
    """Returns the share of searches whose right key is among the first `most`.

    ranks: place of the right key, from 0. None: not found.
    """
    return sum(rank is not None and rank < most for rank in ranks) / len(ranks)


def _plain(text: str) -> str:
    return text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
