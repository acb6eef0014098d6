"""Answers questions from the built-in facts, from documents, or from knowledge of one's own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gan.errors import InputError, check_share, convert
from gan.saving import run_folder
from gan.text.questions.facts import LANGUAGES, RELATIONS, Language
from gan.text.questions.knowledge import Knowledge, as_passages
from gan.text.runs.report import load_text_report
from gan.text.runs.text_run import RECORD, TextRecord, find_network, find_run

if TYPE_CHECKING:
    from gan.text.questions.answering import Answer

PRETRAINED = "questions"
"""Reader of questions in English and Chinese."""

COPY_THRESHOLD = 0.75
"""Threshold of copied answers: three quarters of a question must be in the known text. A choice, not measured.

It measures words, not whether the answer is right.
"""


@dataclass(frozen=True)
class Model:
    """A trained reader: its folder, record, and threshold of each language."""

    folder: Path
    record: TextRecord
    thresholds: dict[Language, float]


def find_reader(run: str | Path = PRETRAINED, tolerance: float | None = None) -> Model:
    """Finds a trained reader of questions: its run folder, or a pretrained name.

    Raises `InputError` if it does not exist, is damaged, or is of another kind, and as `find_thresholds` does.
    """
    folder, record = find_run(run, "questions")
    find_network(folder, record)
    return Model(folder, record, find_thresholds(folder, record, tolerance))


def answer_questions(
    questions: Sequence[str], knowledge: Knowledge, model: Model | None, *, threshold: float | None = None
) -> "list[Answer]":
    """Answers questions, or refuses them.

    The facts whose relation the reader knows are found by what it understands, all others and the passages by
    their words. The reader answers first.

    Args:
        questions: what is asked.
        knowledge: what is known.
        model: reader of the questions; None: all of the knowledge is found by its words.
        threshold: lowest score of an answer, from 0 to 1. None: that of the reader, and `COPY_THRESHOLD`.
    """
    if threshold is not None:
        check_share("threshold", threshold)
    answered: list[Answer] = []
    understood = [fact for fact in knowledge.facts if fact.relation in RELATIONS] if model else []
    others = [fact for fact in knowledge.facts if not (model and fact.relation in RELATIONS and fact.language)]
    passages = [*knowledge.passages, *as_passages(others)]
    ways: list[tuple[Callable[[Sequence[str]], list[Answer]], dict[Language, float]]] = []
    if model and understood:
        from gan.text.questions.answering import FactAnswerer
        from gan.text.questions.reader import load_reader

        answerer = FactAnswerer(load_reader(model.folder, model.record), understood, knowledge.others)
        ways.append((answerer.answer, model.thresholds))
    if passages:
        from gan.text.questions.copying import Copier

        ways.append((Copier(passages).answer, dict.fromkeys(LANGUAGES, COPY_THRESHOLD)))
    found = [
        [one.at(lowest if threshold is None else dict.fromkeys(LANGUAGES, threshold)) for one in answer(questions)]
        for answer, lowest in ways
    ]
    for answers in zip(*found):
        given = [one for one in answers if one.text is not None]
        answered.append(given[0] if given else answers[-1 if passages else 0])
    return answered


def find_thresholds(folder: Path, record: TextRecord, tolerance: float | None = None) -> dict[Language, float]:
    """Returns the threshold of a reader in each language. With a tolerance, the lowest one that keeps it on validation.

    Only the points of the tolerance curves in report.json count, so a lower one between them may keep it too. The upper
    bound of their error rate must be within the tolerance; how many questions are refused does not count. Raises
    `InputError` for a run that is not finished, and for a tolerance that no threshold keeps.
    """
    numbers = record.result.numbers if record.result else {}
    if "thresholds" not in numbers:
        expected = "a finished run (gan text train questions --resume completes it)"
        raise InputError("This run has no threshold yet", expected=expected, received=str(folder))
    if tolerance is None:
        return convert(numbers["thresholds"], dict[Language, float], folder / RECORD, "result.numbers.thresholds")
    check_share("tolerance", tolerance)
    metrics = load_text_report(folder).metrics.get("languages")
    curves = convert(metrics, dict[Language, _Curve], folder / run_folder.REPORT, "metrics.languages")
    return {language: _lowest(one.validation_curve, tolerance) for language, one in curves.items()}


@dataclass(frozen=True)
class _Point:
    threshold: float
    error_rate_upper: float


@dataclass(frozen=True)
class _Curve:
    validation_curve: tuple[_Point, ...]


def _lowest(points: Sequence[_Point], tolerance: float) -> float:
    """Returns the lowest threshold whose upper bound of the error rate is within a tolerance."""
    kept = [point.threshold for point in points if point.error_rate_upper <= tolerance]
    if not kept:
        least = min(point.error_rate_upper for point in points)
        raise InputError("No threshold keeps this tolerance", expected=f"{least:.3f} or more", received=f"{tolerance}")
    return min(kept)
