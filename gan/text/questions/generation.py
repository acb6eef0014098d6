"""Questions for training: wordings, names and variants of them, drawn anew for each epoch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gan.text.data.alphabet import REPLACEMENT
from gan.text.questions.facts import LANGUAGES, Language, load_facts, load_territories, split_of
from gan.text.questions.wordings import MEANINGS, PLACE, WORD, Meaning, Split, Wordings, content_words, load_wordings

OUTSIDE, BEGIN, INSIDE = 0, 1, 2
"""Tag of a character: not of a name, the first of a name, a later one."""

KEYS: dict[tuple[Language, Meaning], tuple[str, ...]] = {
    ("en", "currency"): (
        *("currenc", "money", "monetary", "cash", "coin", "bank", "note", "tender", "pay", "paid", "dollar", "euro"),
        *("bill", "dough", "wallet", "exchange", "buy", "spend", "cost", "price", "unit", "legal", "issue", "convert"),
        *("fare", "wage", "salar", "use", "accept", "take", "treasury", "charge", "quote"),
    ),
    ("en", "language"): (
        *("language", "tongue", "speak", "spoken", "speech", "talk", "english", "french", "written", "write"),
        *("understood", "official", "learn", "use", "hear", "answer", "taught", "teach", "law", "print", "state"),
    ),
    ("zh", "currency"): tuple("货币钱钞硬纸法通单位付款现金兑换花收支账价格发行使结算工资买"),
    ("zh", "language"): tuple("语言话说讲官方正式文字学国法写书教"),
}
"""Beginnings of the words that show what a wording asks for. The others may be replaced."""
COMPOSED_SHARE = 0.3
"""Share of the wordings that are composed of a context and a core."""

SHARES = {"currency": 0.3, "language": 0.3, "other": 0.4}
"""Meaning -> share of the questions for training."""
ENDS = "?.!\uff1f\u3002\uff01"
"""Characters that end a question."""


@dataclass(frozen=True)
class Question:
    """A question, what it asks for, and where its names stand: (start, end) of each."""

    text: str
    meaning: Meaning
    spans: tuple[tuple[int, int], ...]

    def tags(self, length: int) -> np.ndarray:
        """Returns the tag of each character: int32 [length]."""
        tags = np.full(length, OUTSIDE, np.int32)
        for start, end in self.spans:
            tags[start:end] = INSIDE
            tags[start : start + 1] = BEGIN
        return tags


def names_of(split: Split, language: Language) -> list[str]:
    """Returns the names of the territories of a split, and their other names, each once."""
    names = [name for code, name in load_territories(language).items() if split_of(code) == split]
    facts = [fact for fact in load_facts() if fact.language == language and split_of(fact.key) == split]
    more = [name for fact in facts for name in fact.names]
    return list(dict.fromkeys(name for name in (*names, *more) if not name.startswith("the ")))


def fill(wording: str, name: str, meaning: Meaning) -> Question:
    """Returns a wording with a name in the place of `PLACE`; small talk stays as it is."""
    before, place, after = wording.partition(PLACE)
    if not place:
        return Question(wording, meaning, ())
    return Question(before + name + after, meaning, ((len(before), len(before) + len(name)),))


class QuestionMaker:
    """Draws questions for training from the wordings and territories of the training split.

    A question is varied as users do it: other case, typos, polite words before and after it, no question mark. Besides
    the names of territories there are invented ones, so that the reader finds a name by its place in the question.
    Some questions have all content words replaced, and ask then for something `other`.
    """

    def __init__(self, length: int) -> None:
        """`length`: largest number of characters of a question."""
        self.length = length
        self.wordings: Wordings = load_wordings("train")
        self.names = {language: names_of("train", language) for language in LANGUAGES}
        self._texts = {(one, meaning): self.wordings.of(one, meaning) for one in LANGUAGES for meaning in MEANINGS}
        self._composed: dict[tuple[Language, Meaning], list[str]] = {key: [] for key in self._texts}
        for one in self.wordings.compose():
            self._composed[one.language, one.meaning].append(one.text)
        self._places = {language: self.wordings.places_in(language) for language in LANGUAGES}
        self._nouns = {language: self.wordings.nouns_in(language) for language in LANGUAGES}

    def texts(self) -> list[str]:
        """Returns all texts that questions consist of."""
        wordings = [one.text for one in (*self.wordings.questions, *self.wordings.cores)]
        wordings += [context for _, context in self.wordings.contexts]
        parts = [text for _, text in (*self.wordings.prefixes, *self.wordings.suffixes)]
        words = [noun for _, noun in self.wordings.nouns] + [place for _, place in self.wordings.places]
        return [*wordings, *words, *(name for names in self.names.values() for name in names), *parts]

    def draw(self, num: int, *, seed: int, epoch: int) -> list[Question]:
        """Returns questions, a function of (seed, epoch)."""
        random = np.random.default_rng([seed, epoch, 7])
        questions: list[Question] = []
        while len(questions) < num:
            question = self._draw(random)
            if 0 < len(question.text) <= self.length:
                questions.append(question)
        return questions

    def _draw(self, random: np.random.Generator) -> Question:
        language = LANGUAGES[random.integers(len(LANGUAGES))]
        meaning = MEANINGS[random.choice(len(MEANINGS), p=list(SHARES.values()))]
        source = self._composed if random.random() < COMPOSED_SHARE else self._texts
        wording = _pick(random, source[language, meaning])
        if meaning != "other":
            kind = random.random()
            if kind < 0.12:
                meaning, wording = "other", self._replace(random, wording, language)
            elif kind < 0.5:
                wording = self._replace(random, wording, language, keep=KEYS[language, meaning], share=0.4)
        while WORD in wording:
            wording = wording.replace(WORD, self._word(random, language), 1)
        question = fill(wording, self._name(random, language), meaning)
        if question.spans and random.random() < 0.03:
            question = _add_name(question, " and " if language == "en" else "和", self._name(random, language))
        if language == "en" and question.spans and random.random() < 0.1:
            question = _insert(question, question.spans[0][0], "the ")
        question = vary(question, language, random)
        return _forget(question, random) if language == "zh" and random.random() < 0.5 else question

    def _word(self, random: np.random.Generator, language: Language) -> str:
        """Returns a noun, or letters that are none."""
        if random.random() < 0.75:
            return _pick(random, self._nouns[language])
        return self._invent(random, language).lower()

    def _replace(
        self,
        random: np.random.Generator,
        wording: str,
        language: Language,
        *,
        keep: tuple[str, ...] = ("\0",),
        share: float = 1.0,
    ) -> str:
        """Returns a wording with other words in place of a share of its content words, but for those to keep."""
        words = set(content_words(wording.replace(PLACE, " "), language))
        pieces = wording.split(" ") if language == "en" else list(wording.replace(PLACE, "\0"))
        replaced: list[str] = []
        for piece in pieces:
            plain = piece.strip(":,;.?!'").lower().removesuffix("'s")
            is_content = plain in words and PLACE not in piece and not plain.startswith(keep)
            if is_content and language == "zh" and replaced[-1:] == [""]:
                continue  # a run of characters becomes one word
            replaced.append("" if is_content and (share == 1 or random.random() < share) else piece)
        filled = [piece or self._word(random, language) for piece in replaced]
        return (" " if language == "en" else "").join(filled).replace("\0", PLACE)

    def _name(self, random: np.random.Generator, language: Language) -> str:
        """Returns the name of a territory of the training split, of another place, or an invented one."""
        kind = random.random()
        if kind < 0.45:
            return _pick(random, self.names[language])
        if kind < 0.55:
            return _pick(random, self._places[language]).removeprefix("the ")
        name = self._invent(random, language)
        if random.random() < 0.3:
            share = random.uniform(0.1, 0.9)
            name = "".join(REPLACEMENT if c.isalpha() and random.random() < share else c for c in name)
        return name

    def _invent(self, random: np.random.Generator, language: Language) -> str:
        """Returns a name made of two: the beginning of one and the end of another, or its letters in another order."""
        first, second = _pick(random, self.names[language]), _pick(random, self.names[language])
        if random.random() < 0.5:
            name = first[: 1 + random.integers(len(first))] + second[random.integers(len(second)) :]
        elif language == "zh":
            letters = [c for c in first + second if c.isalpha()]
            name = "".join(random.permutation(letters)[: 1 + random.integers(6)])
        else:
            name = " ".join("".join(random.permutation(list(word.lower()))).capitalize() for word in first.split())
        return " ".join(name.split()).strip(" -&,.()\uff08\uff09") or first


def vary(question: Question, language: Language, random: np.random.Generator) -> Question:
    """Returns a question as another user would write it. What it asks for stays the same."""
    if question.text[-1:] in ENDS and random.random() < 0.25:
        question = Question(question.text[:-1], question.meaning, question.spans)
    if random.random() < 0.2:
        prefix = _pick(random, load_wordings("train").polite(language, before=True))
        if language == "en" and random.random() < 0.7 and question.text[:2].istitle():
            first = question.text[0].lower() if not (question.spans and question.spans[0][0] == 0) else question.text[0]
            question = Question(first + question.text[1:], question.meaning, question.spans)
        question = _insert(question, 0, prefix)
    if random.random() < 0.12:
        question = _insert(
            question, len(question.text), _pick(random, load_wordings("train").polite(language, before=False))
        )
    if random.random() < 0.25:
        question = _misspell(question, random)
    kind = random.random()
    changed = question.text.lower() if kind < 0.22 else question.text.upper() if kind < 0.26 else question.text
    if len(changed) == len(question.text):  # some letters have two in the other case
        question = Question(changed, question.meaning, question.spans)
    return question


def _misspell(question: Question, random: np.random.Generator) -> Question:
    """Returns a question with one typo: a letter left out, doubled, or swapped with the next one."""
    place = int(random.integers(max(1, len(question.text) - 1)))
    text, kind = question.text, random.integers(3)
    if not text[place].isalpha() or any(place + 1 in span for span in question.spans):
        return question  # at the edge of a name it would not be clear where the name ends
    if kind == 0:
        spans = tuple((start - (start > place), end - (end > place)) for start, end in question.spans)
        shorter = text[:place] + text[place + 1 :]
        return Question(shorter, question.meaning, spans) if all(a < b for a, b in spans) else question
    if kind == 1:
        return _insert(question, place + 1, text[place])
    if place + 1 < len(text) and text[place + 1].isalpha():
        text = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    return Question(text, question.meaning, question.spans)


def _forget(question: Question, random: np.random.Generator) -> Question:
    """Returns a question in which some characters outside of the names are unknown ones, as in a new wording."""
    keys = KEYS["zh", "currency"] + KEYS["zh", "language"]
    inside = {place for start, end in question.spans for place in range(start, end)}
    share = random.uniform(0.05, 0.35)
    letters = [
        REPLACEMENT
        if place not in inside and letter.isalpha() and letter not in keys and random.random() < share
        else letter
        for place, letter in enumerate(question.text)
    ]
    return Question("".join(letters), question.meaning, question.spans)


def _insert(question: Question, place: int, text: str) -> Question:
    """Returns a question with a text before character `place`. A name grows only if the place is inside of it."""
    size = len(text)
    spans = tuple((s + size * (s >= place), e + size * (e > place)) for s, e in question.spans)
    return Question(question.text[:place] + text + question.text[place:], question.meaning, spans)


def _add_name(question: Question, link: str, name: str) -> Question:
    """Returns a question about two names."""
    end = question.spans[0][1]
    text = question.text[:end] + link + name + question.text[end:]
    start = end + len(link)
    return Question(text, question.meaning, (*question.spans, (start, start + len(name))))


def _pick(random: np.random.Generator, texts: Sequence[str]) -> str:
    return texts[int(random.integers(len(texts)))]
