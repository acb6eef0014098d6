"""Questions to measure a reader with: territories and wordings of one split, and what it cannot know."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, TypeVar

import numpy as np

from gan.text.questions.facts import LANGUAGES, Fact, Language, load_facts, load_territories, split_of, with_article
from gan.text.questions.generation import Question, fill, vary
from gan.text.questions.wordings import MEANINGS, PLACE, Meaning, Split, load_wordings

Kind = Literal["known", "relation", "place", "no fact", "talk"]
"""What a question is about: a fact; something else of a known territory; an unknown place; a fact that does not exist,
such as the official language of an island without people; nothing of that sort."""

UNKNOWN_SHARE = 0.3
"""Share of the questions that ask for something that cannot be known."""
UNKNOWN_KINDS: dict[Kind, float] = {"relation": 0.55, "place": 0.35, "no fact": 0.05, "talk": 0.05}
"""Kind -> its share of them, at most as many as there are."""

T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """A question with its right answer; without one it must be refused."""

    language: Language
    kind: Kind
    wording: str
    """The wording, with `PLACE` in it, by which the questions of an exam form groups."""
    question: Question
    fact: Fact | None = None


def exam_questions(split: Split, *, varied: bool = False) -> list[Asked]:
    """Returns the exam of a split: each fact of its territories in each wording, and what cannot be known.

    varied: whether to write them as `vary` does: other case, polite words, and typos, also in names.
    """
    asked = [one for language in LANGUAGES for one in _exam_in(split, language)]
    if not varied:
        return asked
    random = np.random.default_rng(0)
    return [
        Asked(one.language, one.kind, one.wording, vary(one.question, one.language, random), one.fact) for one in asked
    ]


def _exam_in(split: Split, language: Language) -> list[Asked]:
    wordings = load_wordings(split)
    facts = {(one.key, one.relation): one for one in load_facts() if one.language == language}
    territories = {code: name for code, name in load_territories(language).items() if split_of(code) == split}
    by_meaning = {meaning: wordings.of(language, meaning) for meaning in MEANINGS}
    asked: dict[Kind, list[Asked]] = {"known": [], "relation": [], "place": [], "no fact": [], "talk": []}
    for meaning, texts in by_meaning.items():
        for text, (code, name) in product(texts, territories.items() if meaning != "other" else ()):
            fact = facts.get((code, meaning))
            asked["no fact" if fact is None else "known"].append(_ask(language, text, name, meaning, fact))
        for text, name in product(texts, wordings.places_in(language) if meaning != "other" else ()):
            asked["place"].append(_ask(language, text, name, meaning, kind="place"))
    for text in by_meaning["other"]:
        if PLACE in text:
            asked["relation"] += [_ask(language, text, name, "other", kind="relation") for name in territories.values()]
        else:
            asked["talk"].append(_ask(language, text, "", "other", kind="talk"))
    unknown = round(len(asked["known"]) * UNKNOWN_SHARE / (1 - UNKNOWN_SHARE))
    chosen = asked["known"]
    scarce = [kind for kind in UNKNOWN_KINDS if kind not in ("relation", "place")]
    counts = {kind: min(len(asked[kind]), round(unknown * UNKNOWN_KINDS[kind])) for kind in scarce}
    rest = unknown - sum(counts.values())
    counts["place"] = round(rest * UNKNOWN_KINDS["place"] / (UNKNOWN_KINDS["place"] + UNKNOWN_KINDS["relation"]))
    counts["relation"] = rest - counts["place"]
    for kind, count in counts.items():
        chosen = [*chosen, *_spread(asked[kind], count)]
    return chosen


def _ask(
    language: Language, wording: str, name: str, meaning: Meaning, fact: Fact | None = None, *, kind: Kind | None = None
) -> Asked:
    """Returns a question. Without a kind, it asks for a fact, or for one that does not exist."""
    told = with_article(name) if language == "en" else name
    question = fill(wording, name, meaning)
    if told != name and question.spans:
        start, end = question.spans[0]
        capital = "The " if start == 0 else "the "
        text = question.text[:start] + capital + question.text[start:]
        question = Question(text, meaning, ((start + len(capital), end + len(capital)),))
    return Asked(language, kind or ("known" if fact else "no fact"), wording, question, fact)


def _spread(values: Sequence[T], num: int) -> list[T]:
    """Returns `num` of the values, in a fixed random order, so that all wordings and names have their share."""
    order = np.random.default_rng(0).permutation(len(values))[:num]
    return [values[index] for index in sorted(order)]
