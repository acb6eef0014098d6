"""The words of a question, its question words, and whether it is negated. English and Chinese."""

import re

_WORD = re.compile(r"[^\W_]+")
_QUESTION_WORDS = {
    **{word: word for word in ("what", "who", "whose", "when", "where", "why", "how")},
    **{"which": "what", "whom": "who"},
}
_CHINESE_QUESTION_WORDS = (
    ("为什么|为何", "why"),
    ("什么时候|何时|几点", "when"),
    ("怎么|怎样|如何", "how"),
    ("多少|几", "how many"),
    ("哪里|哪儿|何处|什么地方", "where"),
    ("谁", "who"),
    ("什么|哪", "what"),
)
"""(Pattern, meaning). What one has found, the next ones do not find again."""
_NEGATIONS = frozenset(["not", "no", "never", "without", "cannot", "none", "nobody", "nothing", "neither", "nor"])
_CONTRACTION = re.compile(r"n['\u2019]t\b")
_FRAME = re.compile(
    r"^(what|which|who|whom|whose|when|where|why|how( many| much)?)\b"
    r"( (do|does|did|is|are|was|were|can|could|will|would|should|has|have|had)\b)?( (i|you|we|one)\b)?( the\b)? ?"
)
_CHOICE = re.compile(r"(.)[不没]\1")
"""A Chinese question whether or not, such as 是不是."""


def words(text: str) -> list[str]:
    """Returns all words of a text, in lower case. Chinese characters between two marks are one word."""
    return _WORD.findall(text.lower())


def question_words(text: str) -> frozenset[str]:
    """Returns what a question begins or is asked with, such as {'when'}: synonyms are one.

    >>> sorted(question_words("Which one, and when?"))
    ['what', 'when']
    """
    found = {_QUESTION_WORDS[word] for word in words(text) if word in _QUESTION_WORDS}
    for pattern, meaning in _CHINESE_QUESTION_WORDS:
        text, count = re.subn(pattern, " ", text)
        if count:
            found.add(meaning)
    return frozenset(found)


def without_frame(text: str) -> str:
    """Returns the words of an English question after its question word and the verb beside it. They name no subject.

    >>> without_frame("How does the with statement end?")
    'with statement end'
    """
    return _FRAME.sub("", " ".join(words(text)))


def is_negated(text: str) -> bool:
    """Returns whether a text has a negation.

    >>> is_negated("Can't I return it?"), is_negated("Can I return it?")
    (True, False)
    """
    if _CONTRACTION.search(text.lower()) or not _NEGATIONS.isdisjoint(words(text)):
        return True
    return re.search("[不没未无非]", _CHOICE.sub(r"\1", text)) is not None
