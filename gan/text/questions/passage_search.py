"""Finds the passage of documents that has most words of a question."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gan.text.questions.knowledge import Passage
from gan.text.questions.question_words import without_frame, words
from gan.text.questions.retrieval import FEATURES

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

STEM = 4
"""Letters that the beginnings of two words must share to count as similar."""

TITLE_WEIGHT = 0.5
"""What a whole title in the question adds to the share, when passages are compared."""


class DocumentSearch:
    """Passages that are found by the weights of the words that they share with a question.

    All words count. A word is itself and its beginning, so that `loops` is half of `loop`; in Chinese, it is
    its characters and their pairs. The weight of one is log((1 + N) / (1 + n)) + 1, where n of the N passages have it.
    """

    def __init__(self, passages: Sequence[Passage]) -> None:
        """`passages`: at least one."""
        from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

        self._passages = tuple(passages)
        self._counts = HashingVectorizer(analyzer=_parts, n_features=FEATURES, alternate_sign=False, norm=None)
        self._weights = TfidfTransformer(norm=None)
        counts = self._counts.transform([one.key for one in passages])
        self._similar = TfidfTransformer().fit_transform(counts).T.tocsr()
        self._weights.fit(counts)
        self._present = _presence(counts).T.tocsr()
        titles = _presence(self._counts.transform([one.title for one in passages]))
        self._parts_of_title = np.maximum(1.0, np.asarray(titles.sum(axis=1)).ravel())
        self._in_title = titles.T.tocsr()

    def find(self, text: str) -> tuple[float, Passage]:
        """Returns the share of a question that its best passage has, from 0 to 1, and that passage.

        Of passages that have about as much of it, the one comes first whose title is in the question.
        """
        present = _presence(self._counts.transform([without_frame(text)]))
        vector = self._weights.transform(present)
        shares = (vector @ self._present).toarray()[0] / (vector.sum() or 1.0)
        titles = (present @ self._in_title).toarray()[0] / self._parts_of_title
        similar = (vector @ self._similar).toarray()[0]
        best = int(np.lexsort((-similar, -(shares + TITLE_WEIGHT * titles).round(6)))[0])
        return round(float(shares[best]), 6), self._passages[best]


def _presence(counts: "csr_matrix") -> "csr_matrix":
    """Returns 1 for each part that a text has."""
    counts = counts.copy()
    counts.data[:] = 1.0
    return counts


def _parts(text: str) -> Iterator[str]:
    for word in words(text):
        if "\u4e00" <= word[0] <= "\u9fff":
            yield from word
            yield from (word[place : place + 2] for place in range(len(word) - 1))
            continue
        yield word
        if len(word) >= STEM:
            yield f"{word[:STEM]}-"
