"""Answers questions from facts: what is asked (the reader), about what (retrieval), and how sure that is."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from gan.text.questions.facts import Fact, Known, Language, tell
from gan.text.questions.known_names import is_known_name
from gan.text.questions.reader import Mention, Reader, Understanding, join_neighbors, language_of, plain
from gan.text.questions.retrieval import Found, Retrieval

SCRIPTS = ("LATIN", "CJK")
"""Scripts that the reader knows, as the names of their characters begin."""
KNOWN = 0.8
"""Similarity from which on a second name is taken for a known one, so that it is not clear which one is meant."""
FARTHEST = 5
"""Characters between two parts of one name at most, such as ` and `."""
NAMES_KEPT = 10_000
"""Names whose search is remembered, since many questions are about the same ones."""
LONGEST_RAW = 20_000
"""Characters of a question, invisible ones included. A longer one is refused before it is read."""
NAMES_LISTED = 5
"""Names that the search returns."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer with its source, or a refusal with its reason. `text` is None for a refusal.

    `score`, from 0 to 1: an answer is given if it is at least the threshold.
    """

    question: str
    text: str | None
    score: float
    source: str | None = None
    reason: str | None = None
    fact: Fact | None = None
    """The fact that was found, even if it was refused."""

    def at(self, thresholds: Mapping[Language, float]) -> "Answer":
        """Returns the answer if its score is at least the threshold of its question's language, else a refusal."""
        threshold = thresholds[language_of(self.question)]
        if self.text is None or self.score >= threshold:
            return self
        reason = self.reason or "the answer would be too uncertain"
        return replace(self, text=None, source=None, reason=f"{reason}: score {self.score:.2f} of {threshold:.2f}")


class FactAnswerer:
    """Answers questions from facts that the reader understands.

    A name that is not a known one, but for a typo, is refused: see `is_known_name`.
    The score of an answer is the lower one of two numbers: the probability of what is asked, and the square of the
    similarity of the name in the question with the known one.
    """

    def __init__(self, reader: Reader, facts: Sequence[Fact], others: Sequence[Known] = ()) -> None:
        """`facts`: at least one. `others`: things whose names are known, but no facts."""
        self.reader = reader
        self._facts = {(fact.language, fact.key, fact.relation): fact for fact in facts}
        self._owners: dict[str, set[str]] = {}
        entities: dict[str, tuple[str, str]] = {}
        for fact in facts:
            for name in fact.names:
                self._owners.setdefault(name.casefold(), set()).add(fact.key)
                entities.setdefault(name, (fact.language, fact.key))
        for thing in others:
            self._owners.setdefault(thing.name.casefold(), set()).add(thing.key)
            entities.setdefault(thing.name, (thing.language, thing.key))
        self._entities = list(entities.values())
        self.retrieval = Retrieval(list(entities))
        self._nearest = lru_cache(maxsize=NAMES_KEPT)(self._search)

    def answer(self, questions: Sequence[str]) -> list[Answer]:
        """Returns the best answer to each question, with its score: a refusal only if there is none at all."""
        texts = [plain(question) if len(question) <= LONGEST_RAW else question for question in questions]
        problems = [find_problem(text, self.reader.corpus.length) for text in texts]
        readable = [text for text, problem in zip(texts, problems) if problem is None]
        understood = iter(self.reader.read(readable))
        return [
            self._answer(question, next(understood)) if problem is None else refuse(question, problem)
            for question, problem in zip(questions, problems)
        ]

    def rank(self, name: str, key: str, most: int = NAMES_LISTED) -> int | None:
        """Returns the place, from 0, at which the thing with a key is found by a name; None: not among `most`."""
        found = dict.fromkeys(self._entities[one.index][1] for one in self.retrieval.search([name], 4 * most)[0])
        keys = list(found)[:most]
        return keys.index(key) if key in keys else None

    def name_in(self, question: str, understood: Understanding) -> str | None:
        """Returns the name that a question is about, as it is written there; None if there is none, or several."""
        mention, _ = self._choose(plain(question), understood.mentions)
        return None if mention is None else mention.name

    def _answer(self, question: str, understood: Understanding) -> Answer:
        mention, best = self._choose(plain(question), understood.mentions)
        if mention is None:
            return refuse(question, "it names nothing known" if best is None else "it names several things")
        assert best is not None
        name = self.retrieval.keys[best.index]
        if not is_known_name(mention.name, name):
            return refuse(question, f"{mention.name} is not known")
        if len(self._owners[name.casefold()]) > 1:
            return refuse(question, f"{mention.name} is the name of several things")
        language, key = self._entities[best.index]
        relation = understood.relation
        fact = self._facts.get((language, key, relation))
        if fact is None and best.similarity >= KNOWN and understood.meaning != "other":
            return refuse(question, f"{name} has no known {relation}")
        scores = {
            "it asks for something else than a currency or an official language": understood.probabilities[relation],
            f"{mention.name} is not known": best.similarity**2,
        }
        reason = min(scores, key=lambda one: scores[one])
        if fact is None:
            return refuse(question, reason)
        return Answer(
            question=question, text=tell(fact), score=scores[reason], source=fact.source, reason=reason, fact=fact
        )

    def _choose(self, text: str, mentions: Sequence[Mention]) -> tuple[Mention | None, Found | None]:
        """Returns the name in a question that is most similar to a known one, and that one.

        Neighbors may be parts of one name, and a known name may reach beyond what was found. The name is None if there
        is none, or if another one is known as well.
        """
        candidates = [*join_neighbors(text, mentions, FARTHEST), *mentions]
        candidates += [longer for mention in mentions for longer in self._longer(text, mention)]
        if not candidates:
            return None, None
        found = [self._nearest(mention.name) for mention in candidates]
        sizes = [len(mention.name) for mention in candidates]
        best = max(range(len(found)), key=lambda index: (found[index].similarity, sizes[index]))
        chosen = candidates[best]
        others = [
            one for mention, one in zip(candidates, found) if mention.end <= chosen.start or chosen.end <= mention.start
        ]
        several = any(
            one.similarity >= KNOWN and self._entities[one.index] != self._entities[found[best].index] for one in others
        )
        return (None if several else chosen), found[best]

    def _search(self, name: str) -> Found:
        return self.retrieval.search([name], 1)[0][0]

    def _longer(self, text: str, mention: Mention) -> Iterator[Mention]:
        """Yields the known names that a question has where a name was found, unless they are a part of it."""
        lower = text.casefold()
        for name in self._owners:
            start = lower.find(name)
            end = start + len(name)
            overlaps = 0 <= start < mention.end and mention.start < end
            if overlaps and len(lower) == len(text) and (start < mention.start or mention.end < end):
                yield replace(mention, name=text[start:end], start=start, end=end)


def refuse(question: str, reason: str) -> Answer:
    """Returns a refusal."""
    return Answer(question=question, text=None, score=0.0, reason=reason)


def find_problem(text: str, longest: int) -> str | None:
    """Returns why a question cannot be read; None if it can. The reader knows Latin letters and Chinese characters."""
    if len(text) > longest:
        return f"it is longer than {longest} characters"
    letters = [letter for letter in text if letter.isalpha()]
    if not letters:
        return "it has no letters"
    if any(not unicodedata.name(letter, "").startswith(SCRIPTS) for letter in letters):
        return "it is in a script that the reader does not know"
    return None
