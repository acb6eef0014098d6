"""Facts, wordings and exams of the questions: what is known, and that the splits share nothing."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest

from gan.text.questions.exam import UNKNOWN_SHARE, exam_questions
from gan.text.questions.facts import LANGUAGES, load_facts, load_others, load_territories, split_of, tell
from gan.text.questions.generation import QuestionMaker, fill, names_of
from gan.text.questions.wordings import WORD, Wording, content_pattern, content_words, load_wordings

SPLITS = ("train", "validation", "test")


@pytest.mark.parametrize(
    ("language", "territory", "relation", "answers", "sentence"),
    [
        ("en", "FI", "currency", ("Euro",), "The currency of Finland is the Euro."),
        (
            *("en", "FI", "language", ("Finnish", "Swedish")),
            "Among the official languages of Finland are Finnish and Swedish.",
        ),
        ("en", "JP", "currency", ("Japanese Yen",), "The currency of Japan is the Japanese Yen."),
        ("en", "CH", "language", ("German", "French", "Italian"), None),
        ("en", "BS", "currency", ("Bahamian Dollar",), "The currency of the Bahamas is the Bahamian Dollar."),
        ("zh", "FI", "language", ("芬兰语", "瑞典语"), "芬兰的官方语言包括芬兰语和瑞典语。"),
        ("en", "ZA", "language", ("English",), "One of the official languages of South Africa is English."),
        ("en", "NZ", "language", ("Māori",), "One of the official languages of New Zealand is Māori."),
        ("en", "NO", "language", ("Norwegian Bokmål", "Norwegian Nynorsk"), None),
        ("en", "FR", "language", ("French",), "The official language of France is French."),
        ("zh", "JP", "currency", ("日元",), "日本的货币是日元。"),
    ],
)
def test_a_fact_is_what_everybody_can_check(language, territory, relation, answers, sentence):
    (fact,) = [one for one in load_facts() if (one.language, one.key, one.relation) == (language, territory, relation)]
    assert fact.answers == answers
    assert sentence in (None, tell(fact))
    assert f"territory {territory}" in fact.source


def test_there_are_about_five_hundred_facts_a_language_and_none_for_an_island_without_people():
    for language in LANGUAGES:
        facts = [fact for fact in load_facts() if fact.language == language]
        assert 480 <= len(facts) <= 520
        assert len({(fact.key, fact.relation) for fact in facts}) == len(facts)
        assert all(fact.entity in fact.names and all(fact.answers) for fact in facts)
    assert ("en", "CP", "Clipperton Island") in {(one.language, one.key, one.name) for one in load_others()}


def test_no_territory_and_no_name_is_in_two_splits():
    for language in LANGUAGES:
        names = [set(names_of(split, language)) for split in SPLITS]
        assert all(names)
        shared = (names[0] & names[1]) | (names[2] & (names[0] | names[1]))
        assert shared <= {"Congo", "Korea", "刚果"}  # each is the name of two territories, so that it finds neither
    codes = load_territories("en")
    assert sum(map(len, [[code for code in codes if split_of(code) == split] for split in SPLITS])) == len(codes)


def _patterns(split: str) -> Iterator[frozenset[str]]:
    wordings = load_wordings(split)
    yield from map(content_pattern, (*wordings.questions, *wordings.compose()))


def test_wordings_of_two_splits_share_no_pattern_of_content_words():
    train, validation, test = [set(_patterns(split)) - {frozenset()} for split in SPLITS]
    assert len(test) > 150
    assert not test & (train | validation)
    assert not validation & train


def test_no_noun_makes_a_training_wording_one_of_the_test():
    wordings = load_wordings("train")
    for language in LANGUAGES:
        slots = {
            (content_pattern(Wording(language, "other", one.text.replace(WORD, " "))), one.text.count(WORD))
            for one in (*wordings.questions, *wordings.compose())
            if WORD in one.text and one.language == language
        }
        nouns = [frozenset(content_words(noun, language)) for noun in wordings.nouns_in(language)]
        assert len(slots) > 20
        assert len(nouns) > 200
        held_out = [one for split in SPLITS[1:] for one in load_wordings(split).questions if one.language == language]
        for wanted in {content_pattern(one) for one in held_out} - {frozenset()}:
            fitting = [noun for noun in nouns if noun <= wanted]
            for bare, count in slots:
                if bare <= wanted:
                    for some in product(fitting, repeat=count):
                        assert bare.union(*some) != wanted, (bare, some)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_thirty_percent_of_an_exam_cannot_be_known(split):
    for language in LANGUAGES:
        exam = [one for one in exam_questions(split) if one.language == language]
        unknown = [one for one in exam if one.kind != "known"]
        assert len(unknown) / len(exam) == pytest.approx(UNKNOWN_SHARE, abs=0.001)
        assert {one.kind for one in unknown} == {"relation", "place", "no fact", "talk"}
        assert all((one.fact is None) == (one.kind != "known") for one in exam)
        assert {split_of(one.fact.key) for one in exam if one.fact} == {split}
        for one in exam:
            (name,) = [one.question.text[start:end] for start, end in one.question.spans] or [""]
            assert one.fact is None or name == one.fact.entity


def test_tags_mark_the_name():
    question = fill("In {}?", "Fiji", "currency")
    assert question.tags(9).tolist() == [0, 0, 0, 1, 2, 2, 2, 0, 0]
    assert fill("Hi!", "Fiji", "other").spans == ()


def test_drawn_questions_vary_and_are_a_function_of_seed_and_epoch():
    maker = QuestionMaker(112)
    first = maker.draw(300, seed=0, epoch=0)
    assert first == QuestionMaker(112).draw(300, seed=0, epoch=0)
    assert first != maker.draw(300, seed=0, epoch=1)
    assert first != maker.draw(300, seed=1, epoch=0)
    texts = {one.text for one in load_wordings("train").questions}
    assert any(one.text.islower() for one in first)
    assert len({one.text for one in first} - texts) > 280
    known = {name.lower() for language in LANGUAGES for name in names_of("train", language)}
    named = [one.text[start:end].lower() for one in first for start, end in one.spans]
    assert 0.25 < np.mean([name in known for name in named]) < 0.7  # the others are invented, or have typos
    assert all(0 <= start < end <= len(one.text) for one in first for start, end in one.spans)


def test_questions_for_training_never_name_a_territory_of_the_test_but_by_chance():
    drawn = [one for epoch in range(3) for one in QuestionMaker(112).draw(500, seed=5, epoch=epoch)]
    named = {one.text[start:end] for one in drawn for start, end in one.spans}
    tested = {name for language in LANGUAGES for name in names_of("test", language) if len(name) > 4}
    assert not named & tested
