"""Knowledge of one's own: facts, questions with answers, and documents, from JSON lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gan.errors import InputError
from gan.text.data.files import read_rows
from gan.text.data.normalization import clean
from gan.text.questions.facts import Fact, Known, load_facts, load_others

PYTHON = "python"
"""Name of the documents of Python's own reference, which every Python has."""
LONGEST_PASSAGE = 600
"""Characters after which a passage of a document ends with its paragraph."""

FORMS = ({"question", "answer"}, {"entity", "relation", "answer"}, {"title", "text"})
"""Keys that a line must have: one of these sets. `source` may be added to each."""
_RELATIONS = {
    **dict.fromkeys(("currencies", "money", "\u8d27\u5e01"), "currency"),
    **dict.fromkeys(
        ("languages", "official language", "official languages", "\u8bed\u8a00", "\u5b98\u65b9\u8bed\u8a00"), "language"
    ),
}
"""Other words for the relations that the reader understands."""
END_MARKS = " .?!\u3002\uff1f\uff01"
"""Characters at the end of a question that do not change it."""
EXPECTED = "question and answer; or entity, relation and answer; or title and text"


Form = Literal["question", "fact", "document"]


@dataclass(frozen=True)
class Passage:
    """A text that can be copied as an answer.

    Attributes:
        key: what a question is compared with: a known question, or title and text of a passage.
        text: the answer.
        source: where it comes from.
        form: a known question; a fact, whose key is its relation and its name; or a document, of which a question
            is about a part only.
        title: title of the document.
    """

    key: str
    text: str
    source: str
    form: Form = "question"
    title: str = ""


@dataclass(frozen=True)
class Knowledge:
    """What can be answered: facts, which the reader understands, and passages, which are found by their words."""

    facts: tuple[Fact, ...]
    passages: tuple[Passage, ...]
    others: tuple[Known, ...] = ()
    """Things that are known by name alone."""


def known_facts() -> Knowledge:
    """Returns the built-in facts."""
    return Knowledge(load_facts(), (), tuple(load_others()))


def load_knowledge(name: str | Path) -> Knowledge:
    """Loads the knowledge in a file of JSON lines, or the documents `python`.

    A line is an object with the keys `question` and `answer`; `entity`, `relation` and `answer`; or `title` and `text`.
    An answer is text, or a list of texts. `source` is optional. A line that repeats another one counts once.

    Raises `InputError`, which names the line, for a line without a key or with an empty value, for two lines that
    answer the same question differently, and for a file without any.
    """
    return python_documents() if str(name) == PYTHON else _from_file(Path(name))


def python_documents() -> Knowledge:
    """Returns the passages of the topics of Python's reference, `pydoc_data.topics`."""
    from pydoc_data.topics import topics

    found = []
    for topic, text in sorted(topics.items()):
        for number, passage in enumerate(cut(text), 1):
            source = f"pydoc_data.topics: {topic}, passage {number}"
            found.append(Passage(f"{topic}\n{passage}", passage, source, "document", topic))
    return Knowledge((), tuple(found))


def cut(text: str, longest: int = LONGEST_PASSAGE) -> list[str]:
    """Returns the passages of a text: whole paragraphs, together until one has `longest` characters.

    A heading, underlined with one repeated character, stays with the paragraph after it. Nothing is changed or lost
    but empty lines.
    """
    passages: list[str] = []
    current: list[str] = []
    for paragraph in (part.strip("\n") for part in text.split("\n\n")):
        if not paragraph.strip():
            continue
        if _is_heading(paragraph) and current and not all(_is_heading(one) for one in current):
            passages.append("\n\n".join(current))
            current = []
        current.append(paragraph)
        if sum(map(len, current)) >= longest and not _is_heading(paragraph):
            passages.append("\n\n".join(current))
            current = []
    return [*passages, "\n\n".join(current)] if current else passages


def _is_heading(paragraph: str) -> bool:
    *_, last = paragraph.split("\n")
    return len(last) > 2 and len(set(last)) == 1 and last[0] in "*=-^~"


def _from_file(path: Path) -> Knowledge:
    facts: dict[tuple[str, str], tuple[int, Fact]] = {}
    passages: dict[str, tuple[int, Passage]] = {}
    for line, row in read_rows(path):
        where = f"{path}, line {line}"
        form = _form(row, where)
        source = _text(row["source"], "source", where) if row.get("source") is not None else f"{path.name}, line {line}"
        if "entity" in form:
            entity, relation = (_text(row[name], name, where) for name in ("entity", "relation"))
            answers = _answers(row["answer"], where)
            fact = Fact(
                language="",
                relation=_RELATIONS.get(relation.casefold(), relation.casefold()),
                entity=entity,
                answers=answers,
                source=source,
                key=entity.casefold(),
                names=(entity,),
            )
            before = facts.setdefault((fact.key, fact.relation), (line, fact))
            _check_same(before[0], before[1].answers, answers, where)
        elif "question" in form:
            question = _text(row["question"], "question", where)
            answer = "; ".join(_answers(row["answer"], where))
            first = passages.setdefault(normalized(question), (line, Passage(question, answer, source)))
            _check_same(first[0], first[1].text, answer, where)
        else:
            title = _text(row["title"], "title", where)
            text = row["text"]
            _text(text, "text", where)
            for number, passage in enumerate(cut(str(text)), 1):
                key = f"{title}\n{passage}"
                its_source = f"{source}: {title}, passage {number}"
                passages.setdefault(key, (line, Passage(key, passage, its_source, "document", title)))
    if not facts and not passages:
        raise InputError("No knowledge", expected=f"JSON lines with {EXPECTED}", received=f"{path}: no lines")
    return Knowledge(tuple(fact for _, fact in facts.values()), tuple(one for _, one in passages.values()))


def normalized(question: str) -> str:
    """Returns a question without what does not change it: case, white space, and marks at its end.

    >>> normalized("When does the  library open ?")
    'when does the library open'
    """
    return " ".join(question.casefold().split()).strip(END_MARKS)


def _form(row: dict[str, object], where: str) -> set[str]:
    """Returns the keys of the form of a line."""
    keys = {key for key, value in row.items() if value is not None}
    fitting = [form for form in FORMS if form <= keys]
    if len(fitting) != 1:
        received = f"{where}: {', '.join(sorted(keys)) or 'no keys'}"
        raise InputError("Not a line of knowledge", expected=f"the keys {EXPECTED}", received=received)
    return fitting[0]


def _text(value: object, name: str, where: str) -> str:
    """Returns a value as cleaned text. Raises `InputError` unless it is text with one character or more."""
    found = clean(value) if isinstance(value, str) else ""
    if not found:
        raise InputError(f"Bad `{name}` in {where}", expected="text that is not empty", received=repr(value)[:60])
    return found


def _answers(value: object, where: str) -> tuple[str, ...]:
    values: Sequence[object] = value if isinstance(value, list) and value else [value]
    return tuple(dict.fromkeys(_text(one, "answer", where) for one in values))


def _check_same(line: int, known: object, answer: object, where: str) -> None:
    if known != answer:
        received = f"{where}: {_shown(answer)}, but line {line}: {_shown(known)}"
        raise InputError("Two answers to the same question", expected="one answer", received=received)


def _shown(answer: object) -> str:
    text = ", ".join(answer) if isinstance(answer, tuple) else str(answer)
    return text if len(text) <= 60 else f"{text[:57]}..."


def as_passages(facts: Sequence[Fact]) -> list[Passage]:
    """Returns facts as passages, whose key is the relation and the name."""
    return [Passage(f"{fact.relation} {fact.entity}", "; ".join(fact.answers), fact.source, "fact") for fact in facts]
