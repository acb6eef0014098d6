"""Answers questions from the built-in facts, from documents, or from knowledge of one's own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gan.errors import InputError, check_share
from gan.text.questions.facts import RELATIONS
from gan.text.questions.knowledge import Knowledge, as_passages
from gan.text.report import load_text_report
from gan.text.text_run import TextRecord

if TYPE_CHECKING:
    from gan.text.questions.answering import Answer

COPY_THRESHOLD = 0.75
"""Threshold of copied answers, chosen on questions about the validation topics of Python's reference."""


@dataclass(frozen=True)
class Model:
    """A trained reader: its folder, record and threshold."""

    folder: Path
    record: TextRecord
    threshold: float


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
    others = [fact for fact in knowledge.facts if fact not in understood or not fact.language]
    passages = [*knowledge.passages, *as_passages(others)]
    ways: list[tuple[Callable[[Sequence[str]], list[Answer]], float]] = []
    if model and understood:
        from gan.text.questions.answering import FactAnswerer
        from gan.text.questions.reader import load_reader

        answerer = FactAnswerer(load_reader(model.folder, model.record), understood, knowledge.others)
        ways.append((answerer.answer, model.threshold))
    if passages:
        from gan.text.questions.copying import Copier

        ways.append((Copier(passages).answer, COPY_THRESHOLD))
    found = [
        [one.at(lowest if threshold is None else threshold) for one in answer(questions)] for answer, lowest in ways
    ]
    for answers in zip(*found):
        given = [one for one in answers if one.text is not None]
        answered.append(given[0] if given else answers[-1 if passages else 0])
    return answered


def find_threshold(model_folder: Path, record: TextRecord, tolerance: float | None = None) -> float:
    """Returns the threshold of a reader. With a tolerance, the lowest one at which its error rate is within it.

    The upper bound of the error rate on the validation exam decides: its tolerance curve is in report.json. Raises
    `InputError` for a run that is not finished, and for a tolerance that no threshold keeps.
    """
    numbers = record.result.numbers if record.result else {}
    threshold = numbers.get("threshold")
    if not isinstance(threshold, (int, float)):
        expected = "a finished run (gan text train questions --resume completes it)"
        raise InputError("This run has no threshold yet", expected=expected, received=str(model_folder))
    if tolerance is None:
        return float(threshold)
    check_share("tolerance", tolerance)
    points = load_text_report(model_folder).metrics.get("validation_curve")
    assert isinstance(points, list)
    fitting = [point for point in points if point["error_rate_upper"] <= tolerance]
    if not fitting:
        best = min(point["error_rate_upper"] for point in points)
        raise InputError("No threshold keeps this tolerance", expected=f"{best:.3f} or more", received=f"{tolerance}")
    return float(min(point["threshold"] for point in fitting))
