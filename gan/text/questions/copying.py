"""Answers questions with texts that are copied from one's own knowledge, found by the words of the question."""

from collections.abc import Sequence

import numpy as np

from gan.text.questions.answering import LONGEST_RAW, Answer, refuse
from gan.text.questions.knowledge import Passage, normalized
from gan.text.questions.passage_search import DocumentSearch
from gan.text.questions.question_words import is_negated, question_words, words
from gan.text.questions.reader import language_of, plain
from gan.text.questions.retrieval import Retrieval
from gan.text.questions.wordings import content_words

SHORTEST_GRAM, LONGEST_GRAM = 2, 4
"""Characters of the n-grams by which a question is compared with known questions and facts."""
LONGEST_QUESTION = 2_000
"""Characters of a question. A longer one is refused."""


class Copier:
    """Copies the known text that fits a question best.

    A known question that is asked word for word has the score 1. The score of another one is its similarity with the
    question, of all words; it must have the same question word, and be negated as it is. A fact is compared with the
    words of the question that have content. A document is longer than a question, so its score is the share of the
    question that occurs in the passage. A score measures words, not whether the answer is right.
    """

    def __init__(self, passages: Sequence[Passage]) -> None:
        """`passages`: at least one."""
        self._short = [one for one in passages if one.form != "document"]
        documents = [one for one in passages if one.form == "document"]
        self._exact = {normalized(plain(one.key)): one for one in reversed(self._short) if one.form == "question"}
        keys = [_compared(one.key, one.form) for one in self._short]
        self._retrieval = Retrieval(keys, shortest=SHORTEST_GRAM, longest=LONGEST_GRAM) if keys else None
        self._vectors = None if self._retrieval is None else self._retrieval.vectors(keys).T.tocsr()
        self._is_fact = np.array([one.form == "fact" for one in self._short])
        self._asked_by = [(question_words(one.key), is_negated(one.key)) for one in self._short]
        self._documents = DocumentSearch(documents) if documents else None

    def answer(self, questions: Sequence[str]) -> list[Answer]:
        """Returns the best answer to each question, with its score: a refusal only if there is none at all."""
        return [self._answer(question) for question in questions]

    def _answer(self, question: str) -> Answer:
        text = plain(question) if len(question) <= LONGEST_RAW else question
        if len(text) > LONGEST_QUESTION:
            return refuse(question, f"it is longer than {LONGEST_QUESTION:,} characters")
        exact = self._exact.get(normalized(text))
        if exact is not None:
            return _copied(question, exact, 1.0)
        if not words(text):
            return refuse(question, "it has no words")
        found = [one for one in (self._find_short(text), self._find_document(text)) if one is not None]
        score, passage = max(found, key=lambda one: one[0], default=(0.0, None))
        if passage is None or score <= 0:
            return refuse(question, "nothing that is known has its words")
        return _copied(question, passage, score)

    def _find_short(self, text: str) -> tuple[float, Passage] | None:
        """Returns the most similar known question or fact, and its similarity."""
        if self._retrieval is None:
            return None
        whole, content = (
            (self._retrieval.vectors([_compared(text, form)]) @ self._vectors).toarray()[0]
            for form in ("question", "fact")
        )
        asked_by, negated = question_words(text), is_negated(text)
        fits = [
            negated == its_negated and (form_is_fact or asked_by == its_words)
            for form_is_fact, (its_words, its_negated) in zip(self._is_fact, self._asked_by)
        ]
        scores = np.where(fits, np.where(self._is_fact, content, whole), 0.0).round(6)
        best = int(scores.argmax())
        return float(scores[best]), self._short[best]

    def _find_document(self, text: str) -> tuple[float, Passage] | None:
        return None if self._documents is None else self._documents.find(text)


def _copied(question: str, passage: Passage, score: float) -> Answer:
    reason = "the known texts have other words"
    return Answer(question=question, text=passage.text, score=min(1.0, score), source=passage.source, reason=reason)


def _compared(text: str, form: str) -> str:
    """Returns the words of a text that are compared: all, or those with content for a fact."""
    language = language_of(text)
    if form == "fact":
        return ("" if language == "zh" else " ").join(content_words(text, language))
    return " ".join(words(text))
