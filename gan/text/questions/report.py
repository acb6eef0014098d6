"""Measures a reader on the validation and test exams: its threshold, and the content of report.json."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gan.errors import Json, as_json
from gan.text.questions.answering import FactAnswerer
from gan.text.questions.exam import Asked, exam_questions
from gan.text.questions.facts import LANGUAGES, Language, load_facts, load_others
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
from gan.text.questions.reader import Reader
from gan.text.questions.retrieval import recall
from gan.text.runs.report import TextReport
from gan.text.runs.text_run import Kind
from gan.tolerance import ErrorRate

KIND: Kind = "questions"


@dataclass(frozen=True)
class Measured:
    """Thresholds, chosen on the validation exam, and the report on the test exam."""

    thresholds: dict[Language, float]
    report: TextReport


def grade_exam(answerer: FactAnswerer, exam: Sequence[Asked]) -> list[Grade]:
    """Returns the outcome of each question of an exam."""
    answers = answerer.answer([asked.question.text for asked in exam])
    return [grade(asked, answer) for asked, answer in zip(exam, answers)]


def measure_reader(reader: Reader, *, sha256: str | None, tolerance: float) -> Measured:
    """Chooses the threshold of each language on the validation exam, and measures the answers to the test exam.

    The metrics of the report hold the numbers of each language: the point at the threshold, and where 90 % of the
    questions with an answer are answered; the same with typos; the share refused by kind; how the errors spread over
    the wordings; the recall of the search; and the tolerance curves of both exams. The verdict is the worst one of the
    languages: `within` needs 90 % answered and 95 % refused in each.
    """
    answerer = FactAnswerer(reader, load_facts(), load_others())
    held_out = grade_exam(answerer, exam_questions("validation"))
    exam = exam_questions("test")
    grades = grade_exam(answerer, exam)
    mistyped = grade_exam(answerer, exam_questions("test", varied=True))
    thresholds: dict[Language, float] = {}
    languages: dict[str, Json] = {}
    points = []
    for language in LANGUAGES:
        chosen_on, part, varied = (_in(language, one) for one in (held_out, grades, mistyped))
        threshold = thresholds[language] = choose_threshold(chosen_on, tolerance)
        point = measure(part, threshold)
        points.append(point)
        languages[language] = {
            "at_threshold": as_json(point),
            "verdict": decide(point, tolerance),
            "at_90_percent_answered": as_json(at_share(part)),
            "with_typos": as_json(measure(varied, threshold)),
            "refusals": refusals(part, threshold),
            "by_wording": by_wording(part, threshold),
            "recall": _recall(answerer, [one for one in exam if one.language == language]),
            "curve": [as_json(one) for one in curve(part)],
            "validation": as_json(measure(chosen_on, threshold)),
            "validation_curve": [as_json(one) for one in curve(chosen_on)],
        }
    verdicts = [decide(point, tolerance) for point in points]
    wrong, num = sum(point.wrong for point in points), sum(point.num for point in points)
    report = TextReport.of(
        KIND,
        ErrorRate(wrong, num) if num else ErrorRate(1, 1),
        sha256=sha256,
        tolerance=tolerance,
        metrics={"thresholds": thresholds, "languages": languages},
    )
    report = replace(report, verdict=worst(verdicts), samples_needed=None)  # of one language, not of both together
    return Measured(thresholds, report)


def _in(language: Language, grades: Sequence[Grade]) -> list[Grade]:
    return [one for one in grades if one.language == language]


def _recall(answerer: FactAnswerer, exam: Sequence[Asked]) -> dict[str, Json]:
    """Returns the recall at 1 and at 5 of the search for the names that the reader finds in questions."""
    known = [one for one in exam if one.fact is not None]
    texts = [one.question.text for one in known]
    names = [answerer.name_in(text, read) for text, read in zip(texts, answerer.reader.read(texts))]
    pairs = [(name, one.fact.key) for name, one in zip(names, known) if one.fact is not None]
    places = {(name, key): None if name is None else answerer.rank(name, key) for name, key in set(pairs)}
    ranks = [places[pair] for pair in pairs]
    return {"at_1": recall(ranks, 1), "at_5": recall(ranks, 5), "num": len(ranks)}
