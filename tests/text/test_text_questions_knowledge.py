"""Knowledge of one's own: documents, facts and known questions, with duplicates, holes and contradictions."""

import json

import pytest

from gan.errors import InputError
from gan.text.questions.ask import answer_questions
from gan.text.questions.copying import Copier
from gan.text.questions.knowledge import cut, load_knowledge, python_documents

LINES = [
    {"question": "When does the library open?", "answer": "At nine.", "source": "the door"},
    {"entity": "Mars", "relation": "moons", "answer": ["Phobos", "Deimos"]},
    {"title": "Cats", "text": "Cats sleep sixteen hours a day.\n\nThey purr."},
]


@pytest.fixture
def write(tmp_path):
    def write(*rows):
        path = tmp_path / "known.jsonl"
        lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


def ask(path, question, **options):
    (answer,) = answer_questions([question], load_knowledge(path), None, **options)
    return answer


def test_each_form_of_a_line_is_answered_with_its_source(write):
    path = write(*LINES)
    answer = ask(path, "when does the LIBRARY open")
    assert (answer.text, answer.source, answer.score) == ("At nine.", "the door", 1.0)
    answer = ask(path, "What are the moons of Mars?")
    assert (answer.text, answer.source, answer.score) == ("Phobos; Deimos", "known.jsonl, line 2", 1.0)
    answer = ask(path, "How many hours do cats sleep?", threshold=0.6)
    assert answer.text == "Cats sleep sixteen hours a day.\n\nThey purr."
    assert answer.source == "known.jsonl, line 3: Cats, passage 1"


@pytest.mark.parametrize(
    "question",
    ["What are the moons of Jupiter?", "Who stole my bicycle?", "When does the bakery close?", "Why?", "???"],
)
def test_what_is_not_known_is_refused_with_a_reason(write, question):
    answer = ask(write(*LINES), question)
    assert answer.text is None
    assert answer.source is None
    assert answer.reason


@pytest.mark.parametrize(
    ("known", "asked", "is_answered"),
    [
        ("Who are you?", "who are  you", True),
        ("When does the library open?", "When does the library open on Mondays?", False),
        ("When does the library open?", "When does the library open, please?", True),
        ("When does the library open?", "Why does the library open?", False),
        ("When does the library open?", "Where does the library open?", False),
        ("When does the library open?", "When does the library not open?", False),
        ("Which bus goes to the library?", "What bus goes to the library?", True),
        ("Can I return it?", "Can I not return it?", False),
        ("Can I return it?", "Can't I return it?", False),
        ("Can I return it?", "How do I return it?", False),
        ("图书馆什么时候开门", "图书馆什么时候开门\uff1f", True),
        ("图书馆什么时候开门", "图书馆为什么开门", False),
        ("图书馆什么时候开门", "图书馆什么时候不开门", False),
    ],
)
def test_a_known_question_needs_its_question_word_and_no_negation(write, known, asked, is_answered):
    answer = ask(write({"question": known, "answer": "So."}), asked)
    assert (answer.text == "So.") is is_answered, answer


def test_a_huge_question_is_refused_before_it_is_cleaned(write, monkeypatch):
    copier = Copier(load_knowledge(write(*LINES)).passages)
    monkeypatch.setattr("gan.text.questions.copying.plain", None)
    (answer,) = copier.answer(["x" * 1_000_000])
    assert "longer than 2,000 characters" in answer.reason


def test_a_fact_is_not_the_answer_to_its_negation(write):
    assert ask(write(LINES[1]), "What are the moons of Mars?").text
    assert ask(write(LINES[1]), "What are not the moons of Mars?").text is None


def test_a_repeated_line_counts_once(write):
    knowledge = load_knowledge(write(LINES[1], LINES[0], LINES[1], {**LINES[0], "source": "elsewhere"}))
    assert (len(knowledge.facts), len(knowledge.passages)) == (1, 1)
    assert knowledge.passages[0].source == "the door"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            [LINES[0], {"question": "when does the library open?", "answer": "At ten."}],
            ["line 2", "At nine.", "line 1"],
        ),
        ([{"question": "Is it open", "answer": "a"}, {"question": "Is it  open?", "answer": "b"}], ["Two answers"]),
        ([LINES[1], {**LINES[1], "answer": "none"}], ["Two answers", "line 2"]),
        ([{"question": "Why?"}], ["line 1", "question and answer"]),
        ([LINES[0], {"question": "Why?", "answer": " "}], ["`answer`", "line 2", "not empty"]),
        ([{"entity": "Mars", "relation": None, "answer": "x"}], ["line 1"]),
        ([{"title": "x", "text": 3}], ["`text`", "line 1"]),
        ([{"question": "a", "answer": "b", "title": "c", "text": "d"}], ["line 1"]),
        (["[1]"], ["line 1"]),
        (['{"question": '], ["line 1"]),
        ([""], ["No knowledge"]),
    ],
)
def test_bad_lines_are_named(write, rows, words):
    with pytest.raises(InputError) as error:
        load_knowledge(write(*rows))
    assert all(word in str(error.value) for word in words), error.value
    assert "\n" not in str(error.value)


def test_passages_are_whole_paragraphs_and_nothing_is_lost():
    text = "Title\n*****\n\nOne.\n\nTwo.\n\nPart\n====\n\n" + "x" * 30 + "\n\nEnd."
    assert cut(text, 10) == ["Title\n*****\n\nOne.", "Two.", "Part\n====\n\n" + "x" * 30, "End."]
    assert cut(" \n\n") == []
    from pydoc_data.topics import topics

    passages = python_documents().passages
    assert {passage.source.split(": ")[1].rpartition(", ")[0] for passage in passages} == set(topics)
    whole = "".join("".join(text.split()) for _, text in sorted(topics.items()))
    assert "".join("".join(passage.text.split()) for passage in passages) == whole


def test_python_answers_with_a_passage_of_its_reference():
    topics = {
        "How does the while statement terminate the loop?": "while",
        "lambda expressions create anonymous functions": "lambda",
        "What does the yield expression do in a generator function?": "yield",
        "How is the with statement evaluated?": "with",
        "How does the while statement end?": "while",
        "What does the in operator test?": "in",
        "What is a class?": "class",
        "How do I raise an exception?": "raise",
    }
    unknown = "Which volcano erupted in Sicily yesterday evening?"
    *answers, refused = answer_questions([*topics, unknown], python_documents(), None)
    assert all(f": {topic}, " in answer.source for topic, answer in zip(topics.values(), answers, strict=True))
    assert refused.text is None
