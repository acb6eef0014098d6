"""Answers questions with texts that are copied from one's own knowledge, found by the words of the question."""

from collections.abc import Sequence

import numpy as np

from gan.text.questions.answering import Answer, refuse
from gan.text.questions.knowledge import Passage
from gan.text.questions.reader import language_of, plain
from gan.text.questions.retrieval import Retrieval
from gan.text.questions.wordings import content_words

SHORTEST_GRAM, LONGEST_GRAM = 2, 4
"""Characters of the n-grams by which a question is compared with known texts."""
LONGEST_QUESTION = 2_000
"""Characters of a question. A longer one is refused."""


class Copier:
    """Copies the known text that fits a question best.

    Only words with content are compared. The score of a known question is its similarity with the question. A document
    is longer than a question, so its score is the share of the question that occurs in the passage: the weights of the
    n-grams that both have, relative to all of the question.
    """

    def __init__(self, passages: Sequence[Passage]) -> None:
        """`passages`: at least one."""
        self._passages = tuple(passages)
        keys = [_content(one.key) for one in passages]
        self._retrieval = Retrieval(keys, shortest=SHORTEST_GRAM, longest=LONGEST_GRAM)
        self._is_document = np.array([one.is_document for one in passages])
        vectors = self._retrieval.vectors(keys)
        self._similar = vectors.T.tocsr()
        vectors.data[:] = 1.0
        self._present = vectors.T.tocsr()

    def answer(self, questions: Sequence[str]) -> list[Answer]:
        """Returns the best answer to each question, with its score: a refusal only if there is none at all."""
        return [self._answer(question) for question in questions]

    def _answer(self, question: str) -> Answer:
        text = plain(question)
        if len(text) > LONGEST_QUESTION:
            return refuse(question, f"it is longer than {LONGEST_QUESTION:,} characters")
        words = _content(text)
        if not words:
            return refuse(question, "it has no words with content")
        vector = self._retrieval.vectors([words])
        similar = (vector @ self._similar).toarray()[0]
        shares = (vector @ self._present).toarray()[0] / vector.sum()
        scores = np.where(self._is_document, shares, similar).round(6)
        best = int(np.lexsort((-similar, -scores))[0])
        if scores[best] <= 0:
            return refuse(question, "nothing that is known has its words")
        passage = self._passages[best]
        reason = "the known texts have other words"
        score = min(1.0, float(scores[best]))
        return Answer(question=question, text=passage.text, score=score, source=passage.source, reason=reason)


def _content(text: str) -> str:
    """Returns the words with content. Chinese characters stay together as words do."""
    language = language_of(text)
    return ("" if language == "zh" else " ").join(content_words(text, language))
