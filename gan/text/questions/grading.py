"""Grades answers: how many are right, at which score, and how many questions without an answer are refused."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from gan.errors import Json, check_share
from gan.text.questions.answering import Answer
from gan.text.questions.exam import Asked, Kind
from gan.tolerance import ErrorRate, Verdict, verdict

LEAST_ANSWERED = 0.9
"""Share of the questions with an answer that must be answered."""
LEAST_REFUSED = 0.95
"""Share of the questions without an answer that must be refused."""
CURVE_POINTS = 41
"""Points of the tolerance curve."""
RESAMPLES = 1_000
"""Samples of the bootstrap."""


@dataclass(frozen=True)
class Grade:
    """The outcome of one question."""

    language: str
    kind: Kind
    wording: str
    score: float
    """Score of the answer; 0 if there is none at any threshold."""
    is_right: bool
    """Whether the answer, if it is given, is the right one. A question without an answer never has a right one."""


def grade(asked: Asked, answer: Answer) -> Grade:
    """Grades an answer, whether or not its score is enough."""
    score = 0.0 if answer.text is None else answer.score
    is_right = answer.text is not None and asked.fact is not None and answer.fact == asked.fact
    return Grade(asked.language, asked.kind, asked.wording, score, is_right)


@dataclass(frozen=True, kw_only=True)
class Point:
    """What happens at a threshold. An abstention is never right: it lowers `answered`."""

    threshold: float
    answered: float
    """Share of the questions with an answer that are answered."""
    refused: float
    """Share of the questions without an answer that are refused."""
    wrong: int
    num: int
    """Answers given, of which `wrong` are wrong, those to questions without an answer included."""
    error_rate: float
    error_rate_lower: float
    error_rate_upper: float
    """Wilson 95 % interval."""


def measure(grades: Sequence[Grade], threshold: float) -> Point:
    """Returns what happens at a threshold. Without any answer, the error rate is 1 (an interval from 0 to 1)."""
    check_share("threshold", threshold)
    given = [one for one in grades if one.score >= threshold and one.score > 0]
    known = [one.kind == "known" for one in grades]
    unknown = len(grades) - sum(known)
    answered = sum(one.kind == "known" for one in given)
    rate = ErrorRate(sum(not one.is_right for one in given), len(given)) if given else None
    lower, upper = rate.interval if rate else (0.0, 1.0)
    return Point(
        threshold=threshold,
        answered=answered / max(1, sum(known)),
        refused=1 - (len(given) - answered) / max(1, unknown),
        wrong=rate.wrong if rate else 0,
        num=len(given),
        error_rate=rate.value if rate else 1.0,
        error_rate_lower=lower,
        error_rate_upper=upper,
    )


def curve(grades: Sequence[Grade], points: int = CURVE_POINTS) -> list[Point]:
    """Returns the tolerance curve: error rate of the answers against the share answered, from all answers to few."""
    scores = sorted({one.score for one in grades if one.score > 0})
    if not scores:
        return [measure(grades, 1.0)]
    chosen = np.unique(np.linspace(0, len(scores) - 1, points).round().astype(int))
    return [measure(grades, scores[index]) for index in chosen]


def choose_threshold(grades: Sequence[Grade], tolerance: float, least_refused: float = LEAST_REFUSED) -> float:
    """Returns the lowest threshold that keeps both promises: it answers most of all that do.

    The upper bound of the error rate of the answers is within the tolerance, and the share `least_refused` of the
    questions without an answer is refused. Without such a threshold it is 1: only what is certain is answered.
    """
    for threshold in sorted({one.score for one in grades if one.score > 0}):
        point = measure(grades, threshold)
        if point.error_rate_upper <= tolerance and point.refused >= least_refused:
            return threshold
    return 1.0


def at_share(grades: Sequence[Grade], share: float = LEAST_ANSWERED) -> Point:
    """Returns what happens when a share of the questions with an answer is answered, those of the highest score."""
    scores = sorted((one.score for one in grades if one.kind == "known"), reverse=True)
    return measure(grades, scores[max(0, int(np.ceil(share * len(scores))) - 1)])


def by_wording(grades: Sequence[Grade], threshold: float) -> dict[str, Json]:
    """Returns how the wrong answers spread over the wordings, whose questions depend on each other.

    `interval` is of the error rate of the answers, from a bootstrap that draws whole wordings. Without a wrong answer
    it is empty, so the upper bound is that of Wilson's interval for the wordings with a wrong answer.
    """
    groups: dict[tuple[str, str], list[int]] = {}
    for one in grades:
        if one.score >= threshold and one.score > 0:
            counts = groups.setdefault((one.language, one.wording), [0, 0])
            counts[0] += not one.is_right
            counts[1] += 1
    numbers = np.array(list(groups.values()) or [[0, 1]])
    wrong = ErrorRate(int((numbers[:, 0] > 0).sum()), len(numbers))
    drawn = np.random.default_rng(0).integers(len(numbers), size=(RESAMPLES, len(numbers)))
    sums = numbers[drawn].sum(axis=1)
    lower, upper = np.percentile(sums[:, 0] / sums[:, 1], [2.5, 97.5])
    worst = sorted((key for key in groups if groups[key][0]), key=lambda key: -groups[key][0] / groups[key][1])[:5]
    return {
        "wordings": len(numbers),
        "wordings_with_errors": wrong.wrong,
        "share_of_wordings_upper": wrong.interval[1],
        "interval": [float(lower), float(upper) if wrong.wrong else wrong.interval[1]],
        "worst": [
            {"wording": key[1], "wrong": groups[key][0], "num": groups[key][1]} for key in worst if groups[key][0]
        ],
    }


def refusals(grades: Iterable[Grade], threshold: float) -> dict[str, Json]:
    """Returns, for each kind of question without an answer, the share refused with its Wilson interval."""
    kinds: dict[str, list[bool]] = {}
    for one in grades:
        if one.kind != "known":
            kinds.setdefault(one.kind, []).append(one.score >= threshold and one.score > 0)
    kinds["all"] = [given for values in list(kinds.values()) for given in values]
    rates = {kind: ErrorRate(sum(given), len(given)) for kind, given in kinds.items() if given}
    return {
        kind: {"refused": 1 - rate.value, "lower": 1 - rate.interval[1], "upper": 1 - rate.interval[0], "num": rate.n}
        for kind, rate in rates.items()
    }


def decide(point: Point, tolerance: float) -> Verdict:
    """Returns the verdict on the error rate of the answers.

    `within` needs the shares `LEAST_ANSWERED` and `LEAST_REFUSED` too.
    """
    found = verdict(ErrorRate(point.wrong, max(1, point.num)), tolerance)
    covers = point.answered >= LEAST_ANSWERED and point.refused >= LEAST_REFUSED
    return found if found != "within" or covers else "undecided"


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Returns the worst one of verdicts: `exceeded`, else `undecided`, else `within`."""
    order: tuple[Verdict, ...] = ("within", "undecided", "exceeded")
    return max(verdicts, key=order.index)
