"""Measures a reader on the validation and test exams: its threshold, and the content of report.json."""

from collections.abc import Sequence
from dataclasses import dataclass

from gan.errors import Json, as_json
from gan.text.questions.answering import FactAnswerer
from gan.text.questions.exam import Asked, exam_questions
from gan.text.questions.facts import LANGUAGES, load_facts, load_others
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
)
from gan.text.questions.reader import Reader
from gan.text.questions.retrieval import recall
from gan.text.report import TextReport
from gan.tolerance import ErrorRate


@dataclass(frozen=True)
class Measured:
    """A threshold, chosen on the validation split, and the report on the test split."""

    threshold: float
    report: TextReport


def grade_exam(answerer: FactAnswerer, exam: Sequence[Asked]) -> list[Grade]:
    """Returns the outcome of each question of an exam."""
    answers = answerer.answer([asked.question.text for asked in exam])
    return [grade(asked, answer) for asked, answer in zip(exam, answers)]


def measure_reader(reader: Reader, *, sha256: str | None, tolerance: float) -> Measured:
    """Chooses the threshold on the validation exam, and measures the answers to the test exam with it.

    The metrics of the report hold all numbers for each language, the share refused, how the errors spread over the
    wordings, the recall of the search, and the tolerance curves of both splits.
    """
    answerer = FactAnswerer(reader, load_facts(), load_others())
    held_out = grade_exam(answerer, exam_questions("validation"))
    threshold = choose_threshold(held_out)
    exam = exam_questions("test")
    grades = grade_exam(answerer, exam)
    point = measure(grades, threshold)
    languages: dict[str, Json] = {}
    for language in LANGUAGES:
        part = [one for one in grades if one.language == language]
        here = measure(part, threshold)
        languages[language] = {
            "at_threshold": as_json(here),
            "verdict": decide(here, tolerance),
            "at_90_percent_answered": as_json(at_share(part)),
            "by_wording": by_wording(part, threshold),
            "refusals": refusals(part, threshold),
            "recall": _recall(answerer, [one for one in exam if one.language == language]),
            "curve": [as_json(one) for one in curve(part)],
        }
    metrics: dict[str, Json] = {
        "threshold": threshold,
        "validation": as_json(measure(held_out, threshold)),
        "validation_curve": [as_json(one) for one in curve(held_out)],
        "test": as_json(point),
        "test_with_typos": as_json(measure(grade_exam(answerer, exam_questions("test", varied=True)), threshold)),
        "curve": [as_json(one) for one in curve(grades)],
        "languages": languages,
    }
    covers = all(
        measure([one for one in grades if one.language == language], threshold).answered >= 0.9 for language in LANGUAGES
    )
    rate = ErrorRate(point.wrong, point.num) if point.num else ErrorRate(1, 1)
    report = TextReport.of(
        "questions", rate, sha256=sha256, tolerance=tolerance, covers=covers, metrics=metrics
    )
    return Measured(threshold, report)


def _recall(answerer: FactAnswerer, exam: Sequence[Asked]) -> dict[str, Json]:
    """Returns the recall at 1 and at 5 of the search for the name that the reader finds in a question with an answer."""
    known = [one for one in exam if one.fact is not None]
    ranks: list[int | None] = []
    by_name: dict[str, int | None] = {}
    for asked, read in zip(known, answerer.reader.read([one.question.text for one in known])):
        name = read.mentions[0].name if len(read.mentions) == 1 else ""
        assert asked.fact is not None
        place = f"{name}\0{asked.fact.key}"
        if place not in by_name:
            by_name[place] = answerer.rank(name, asked.fact.key) if name else None
        ranks.append(by_name[place])
    return {"at_1": recall(ranks, 1), "at_5": recall(ranks, 5), "num": len(ranks)}
