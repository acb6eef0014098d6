"""How well people judge: what they said of real images, and how fast they are."""

from dataclasses import dataclass, replace

from gan.deployment.feedback.pictures import Mode
from gan.deployment.feedback.schema import ALL_JUDGES
from gan.deployment.feedback.showing import Counts
from gan.deployment.feedback.store import FeedbackStore
from gan.tolerance import GoldCounts

MOST_JUDGES = 100
"""Most judges in a summary."""


@dataclass(frozen=True, kw_only=True)
class JudgeSummary:
    """What one judge did in one mode."""

    judge: str
    counts: Counts
    """The samples that they were shown, whether first or second."""
    gold: int
    """Real images that they judged."""
    sensitivity: float | None
    """Share of real images with a wrong class that they called wrong, of those called right or wrong."""
    specificity: float | None
    """Share of real images with their own class that they called right, of those called right or wrong."""
    milliseconds: int | None
    """Median time of a judgement, with two digits. None: they have judged nothing."""


@dataclass(frozen=True, kw_only=True)
class CorrectedSummary:
    """The error rate that is corrected for mistakes of the judges, by what they said of real images.

    It assumes that all judges together make the same mistakes with samples as with real images.
    """

    rate: float | None
    """None: the answers say nothing, or one of the two kinds of real images was not judged."""
    lower: float
    upper: float
    gold: GoldCounts
    sensitivity: float | None
    specificity: float | None
    more_gold: int | None
    """Real images to judge until the interval is no wider than the tolerance; None: more of them are not enough."""


def read_gold(store: FeedbackStore, mode: Mode, *, judged_only: bool = False) -> GoldCounts | None:
    """Returns what was said of the real images in a mode. None: none was judged.

    judged_only: whether those that wait are left out. Otherwise nobody knows what will be said of them.
    """
    wrong = store.counts(mode, kind="gold", truth="wrong", first=False)
    right = store.counts(mode, kind="gold", truth="right", first=False)
    if judged_only:
        wrong, right = replace(wrong, waiting=0), replace(right, waiting=0)
    return _gold_counts(wrong, right) if wrong.judged + right.judged else None


def _gold_counts(wrong: Counts, right: Counts) -> GoldCounts:
    return GoldCounts(
        wrong.wrong, wrong.n, right.right, right.n, wrong.unsure + wrong.waiting, right.unsure + right.waiting
    )


def read_judges(store: FeedbackStore, mode: Mode) -> tuple[JudgeSummary, ...]:
    """Returns what the judges did in a mode, those with the most judgements first, at most `MOST_JUDGES`."""
    with store.snapshot() as connection:
        names = connection.execute(
            "SELECT judge FROM tally WHERE mode = ? AND kind IN ('sample', 'gold') AND judge != ? AND said != 'left' "
            "GROUP BY judge HAVING sum(n) > 0 ORDER BY sum(n * (said != '')) DESC, judge LIMIT ?",
            (mode, ALL_JUDGES, MOST_JUDGES),
        ).fetchall()
        return tuple(_judge(store, mode, judge) for (judge,) in names)


def _judge(store: FeedbackStore, mode: Mode, judge: str) -> JudgeSummary:
    wrong = store.counts(mode, kind="gold", truth="wrong", judge=judge, first=False)
    right = store.counts(mode, kind="gold", truth="right", judge=judge, first=False)
    gold = _gold_counts(wrong, right)
    return JudgeSummary(
        judge=judge,
        counts=store.counts(mode, judge=judge, first=False),
        gold=wrong.judged + right.judged,
        sensitivity=gold.sensitivity,
        specificity=gold.specificity,
        milliseconds=_median_milliseconds(store, mode, judge),
    )


def _median_milliseconds(store: FeedbackStore, mode: Mode, judge: str) -> int | None:
    with store.snapshot() as connection:
        times = connection.execute(
            "SELECT milliseconds, n FROM pace WHERE mode = ? AND judge = ? ORDER BY milliseconds", (mode, judge)
        ).fetchall()
    left = sum(n for _, n in times) / 2
    for milliseconds, n in times:
        left -= n
        if n and left <= 0:
            return int(milliseconds)
    return None
