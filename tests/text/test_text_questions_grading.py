"""Search, grades, thresholds and the tolerance curve of the questions, by hand."""

import numpy as np
import pytest

from gan.text.questions.answering import Answer, find_problem, refuse
from gan.text.questions.exam import Asked
from gan.text.questions.facts import Fact
from gan.text.questions.generation import fill
from gan.text.questions.grading import (
    Grade,
    at_share,
    by_wording,
    choose_threshold,
    curve,
    decide,
    grade,
    measure,
    refusals,
    worst,
)
from gan.text.questions.known_names import has_one_typo, is_known_name
from gan.text.questions.reader import Mention, join_neighbors, language_of, mentions, plain
from gan.text.questions.retrieval import Found, Retrieval, recall
from gan.tolerance import wilson_interval

FACT = Fact(
    language="en",
    relation="currency",
    entity="Fiji",
    answers=("Dollar",),
    source="a map",
    key="FJ",
    names=("Fiji",),
)
OTHER = Fact(
    language="en", relation="language", entity="Fiji", answers=("Fijian",), source="", key="FJ", names=("Fiji",)
)


def graded(kind, score, *, right=True, wording="w"):
    return Grade("en", kind, wording, score, right and kind == "known")


GRADES = [
    graded("known", 0.9),
    graded("known", 0.8),
    graded("known", 0.6, right=False),
    graded("known", 0.0, right=False),
    graded("place", 0.7),
    graded("talk", 0.0),
]


def test_the_outcomes_at_a_threshold_by_hand():
    point = measure(GRADES, 0.6)
    assert (point.answered, point.refused, point.wrong, point.num) == (3 / 4, 1 / 2, 2, 4)
    assert (point.error_rate_lower, point.error_rate_upper) == wilson_interval(2, 4)
    point = measure(GRADES, 0.75)
    assert (point.answered, point.refused, point.wrong, point.num) == (1 / 2, 1.0, 0, 2)


def test_no_answer_is_no_success():
    point = measure(GRADES, 0.95)
    assert (point.answered, point.num, point.error_rate, point.error_rate_upper) == (0.0, 0, 1.0, 1.0)


def test_an_abstention_is_never_right():
    asked = Asked("en", "known", "In {}?", fill("In {}?", "Fiji", "currency"), FACT)
    assert not grade(asked, refuse("In Fiji?", "no idea")).is_right
    assert grade(asked, refuse("In Fiji?", "no idea")).score == 0.0
    unknown = Asked("en", "place", "In {}?", fill("In {}?", "Oz", "currency"))
    assert not grade(unknown, refuse("In Oz?", "no idea")).is_right
    answer = Answer(question="", text="Dollar", score=0.9, fact=FACT)
    assert grade(asked, answer).is_right
    assert not grade(unknown, answer).is_right
    assert not grade(asked, Answer(question="", text="Fijian", score=0.9, fact=OTHER)).is_right


def test_the_threshold_is_the_lowest_that_keeps_the_tolerance_and_refuses():
    assert choose_threshold(GRADES, 1.0, least_refused=0.5) == 0.6
    assert choose_threshold(GRADES, 1.0) == 0.8  # at 0.6 and 0.7 the answer about a place is given
    assert choose_threshold(GRADES, wilson_interval(0, 2)[1], least_refused=0.0) == 0.8  # two right answers
    assert choose_threshold(GRADES, 0.1) == 1.0  # two right answers show no more
    assert at_share(GRADES, 0.5).threshold == 0.8


def test_the_curve_runs_from_all_answers_to_few():
    points = curve(GRADES)
    assert [point.threshold for point in points] == [0.6, 0.7, 0.8, 0.9]
    assert [point.answered for point in points] == [0.75, 0.5, 0.5, 0.25]
    assert [point.wrong for point in points] == [2, 1, 0, 0]
    assert curve([graded("talk", 0.0)])[0].num == 0


def test_the_verdict_needs_enough_answers():
    many = [graded("known", 0.9)] * 200
    assert decide(measure(many, 0.5), 0.05) == "within"
    assert decide(measure([*many, *[graded("known", 0.1)] * 100], 0.5), 0.05) == "undecided"
    assert decide(measure([*many, graded("place", 0.9), *[graded("place", 0.1)] * 9], 0.5), 0.05) == "undecided"
    assert decide(measure([graded("place", 0.9)] * 50, 0.5), 0.05) == "exceeded"
    assert worst(["within", "within"]) == "within"
    assert worst(["within", "undecided"]) == "undecided"
    assert worst(["exceeded", "undecided"]) == "exceeded"  # although both may be within when pooled


def test_refusals_count_by_kind_and_errors_by_wording():
    found = refusals(GRADES, 0.6)
    assert (found["place"]["refused"], found["talk"]["refused"], found["all"]["num"]) == (0.0, 1.0, 2)
    spread = [*[graded("known", 0.9, wording="a")] * 8, graded("known", 0.9, right=False, wording="b")]
    numbers = by_wording(spread, 0.5)
    assert (numbers["wordings"], numbers["wordings_with_errors"]) == (2, 1)
    assert numbers["interval"] == [0.0, 1.0]  # one of the two wordings may be drawn twice
    assert numbers["worst"] == [{"wording": "b", "wrong": 1, "num": 1}]
    assert by_wording(spread[:8], 0.5)["interval"] == [0.0, wilson_interval(0, 1)[1]]


def test_the_search_finds_names_with_typos_and_accents_and_knows_when_it_does_not():
    search = Retrieval(["Finland", "France", "Côte d\u2019Ivoire"])
    assert search.search(["finland"])[0][0] == Found(0, 1.0)
    assert search.search(["Cote d'Ivoire"])[0][0] == Found(2, 1.0)
    assert [found.index for found in search.search(["Finlnd", "Frnce"], 1) for found in found] == [0, 1]
    near, far = (search.search([name], 1)[0][0].similarity for name in ("Finlnd", "Finlandia Qxzvw"))
    assert far < near < 1.0
    assert search.search(["Qxzvw"], 1)[0][0].similarity < 0.1
    assert recall([0, 1, None, 4], 1) == 0.25
    assert recall([0, 1, None, 4], 5) == 0.75


def test_names_are_read_from_the_tags_and_joined():
    text = "Is it St. Kitts & Nevis?"
    sure, no = [0.05, 0.05, 0.9], [0.9, 0.05, 0.05]
    tags = np.array([no] * len(text), np.float32)
    for start, end in ((6, 15), (18, 22)):  # `St. Kitts` and `Nevi`
        tags[start:end] = sure
        tags[start] = [0.1, 0.7, 0.2]
    first, second = mentions(text, tags)
    assert (first.name, second.name) == ("St. Kitts", "Nevis")
    (joined,) = join_neighbors(text, [first, second], 5)
    assert joined.name == "St. Kitts & Nevis"
    assert join_neighbors(text, [first, second], 2) == []
    assert Mention("x", 0, 1) != first


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("What is the currency of Fiji?", None),
        ("斐济用什么货币", None),
        ("????", "no letters"),
        ("x" * 200, "longer"),
        ("ما هي عملة مصر؟", "script"),
        ("日本の通貨は", "script"),
        ("Какая валюта в Японии?", "script"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(text, problem):
    found = find_problem(plain(text), 112)
    assert (found is None) == (problem is None)
    assert problem is None or problem in found


def test_emoji_and_invisible_marks_do_not_count():
    assert plain("\u202eFiji\U0001f600 \u200f?") == "Fiji ?"
    assert language_of("中国 in China") == "zh"


@pytest.mark.parametrize(
    ("written", "known", "expected"),
    [
        ("Finland", "Finland", True),
        ("the FINLAND", "Finland", True),
        ("Cote d'Ivoire", "Côte d\u2019Ivoire", True),
        ("Fiji accept", "Fiji", True),
        ("芬兰国", "芬兰", True),
        ("Filand", "Finland", True),
        ("Tanzanai", "Tanzania", True),
        ("Prussia", "Russia", False),
        ("Siberia", "Liberia", False),
        ("New Mexico", "Mexico", False),
        ("Finlandia", "Finland", False),
        ("Fij", "Fiji", False),  # too short for a typo
        ("南也门", "也门", False),
        ("也", "也门", False),
        ("", "Fiji", False),
    ],
)
def test_a_name_is_known_but_for_a_typo_or_a_word_after_it(written, known, expected):
    assert is_known_name(written, known) is expected


def test_one_typo_is_an_edit_or_a_swap():
    for other in ("abce", "abcxde", "abxde", "abdce", "bcde", "abcdex", "abcd"):
        assert has_one_typo("abcde", other)
        assert has_one_typo(other, "abcde")
    for other in ("abcde", "abc", "badce", "cbade", "abxdx", ""):
        assert not has_one_typo("abcde", other)
        assert not has_one_typo(other, "abcde")
