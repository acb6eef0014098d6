"""How well people judge, by gold pictures of known truth, and the error rate that is corrected for their mistakes.

Gold pictures are right (a real image with its class) or wrong (a real image with another class). A judge's
*sensitivity* is the share of wrong ones that are called wrong, and the *specificity* the share of right ones that are
called right. The correction assumes that judges do the same with samples. But a real digit with another class is easier
to call wrong than most errors of a generator. So the sensitivity is optimistic, and the corrected rate may be too low:
it corrects for inattention, not for errors that nobody sees.
"""

from dataclasses import dataclass

from gan.errors import check_share, check_whole
from gan.tolerance.error_rate import CONFIDENCE, IN_REACH, check_confidence
from gan.tolerance.exact import WrongRange
from gan.tolerance.sequence import confidence_sequence
from gan.tolerance.strata import StratifiedCounts

Called = WrongRange | StratifiedCounts
"""The samples that are called wrong: of pictures drawn at random, or of a plan with flagged ones."""


@dataclass(frozen=True)
class GoldCounts:
    """What was said of gold pictures. `wrong` of them have a wrong class, `right` of them their own class."""

    wrong_called_wrong: int
    wrong: int
    right_called_right: int
    right: int
    wrong_open: int = 0
    """Wrong ones without an answer: the judge is unsure, or they wait."""
    right_open: int = 0
    """Right ones without an answer."""

    def __post_init__(self) -> None:
        for kind, called in (("wrong", "wrong_called_wrong"), ("right", "right_called_right")):
            total = getattr(self, kind)
            check_whole(kind, total, 0)
            check_whole(called, getattr(self, called), 0, total)
            check_whole(f"{kind}_open", getattr(self, f"{kind}_open"), 0, total - getattr(self, called))

    @property
    def sensitivity(self) -> float | None:
        """Share of the wrong ones that are called wrong, of those with an answer. None without any."""
        missed = self.missed.rate
        return None if missed is None else 1 - missed

    @property
    def specificity(self) -> float | None:
        """Share of the right ones that are called right, of those with an answer. None without any."""
        alarms = self.false_alarms.rate
        return None if alarms is None else 1 - alarms

    def sensitivity_bounds(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Returns bounds of the sensitivity, by `confidence_sequence` of the wrong ones that are called right."""
        lower, upper = _bounds(self.missed, confidence)
        return 1 - upper, 1 - lower

    def specificity_bounds(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Returns bounds of the specificity, by `confidence_sequence` of the right ones that are called wrong."""
        lower, upper = _bounds(self.false_alarms, confidence)
        return 1 - upper, 1 - lower

    @property
    def missed(self) -> WrongRange:
        """Wrong ones that are called right."""
        most = self.wrong - self.wrong_called_wrong
        return WrongRange(most - self.wrong_open, most, self.wrong)

    @property
    def false_alarms(self) -> WrongRange:
        """Right ones that are called wrong."""
        most = self.right - self.right_called_right
        return WrongRange(most - self.right_open, most, self.right)


def corrected_rate(called: Called, gold: GoldCounts) -> float | None:
    """Returns the error rate that is corrected for mistakes of the judges, clipped to [0, 1].

    It is (q + Sp - 1) / (Se + Sp - 1), with the share q of samples that are called wrong, the sensitivity Se and the
    specificity Sp. Returns None if one of the three is not known, or if Se + Sp - 1 <= 0: then an answer says nothing.
    Rogan and Gladen 1978, doi:10.1093/oxfordjournals.aje.a112510.

    >>> round(corrected_rate(WrongRange.known(30, 1_000), GoldCounts(90, 100, 98, 100)), 4)
    0.0114

    Args:
        called: the samples that are called wrong.
        gold: what the same judges said of gold pictures.
    """
    q, sensitivity, specificity = called.rate, gold.sensitivity, gold.specificity
    if q is None or sensitivity is None or specificity is None or sensitivity + specificity <= 1:
        return None
    return min(1.0, max(0.0, (q + specificity - 1) / (sensitivity + specificity - 1)))


def corrected_bounds(called: Called, gold: GoldCounts, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Returns bounds of the corrected error rate that hold at every look, and that carry all three uncertainties.

    q, Se and Sp have each a confidence sequence, with a third of the error; q of a plan has `StratifiedCounts.bounds`.
    All three hold at all times together, with the stated confidence (Bonferroni). The rate p satisfies
    q = p Se + (1 - p) (1 - Sp). So the bounds are the smallest and the largest p in [0, 1] for which some q, Se and Sp
    within their bounds satisfy this. They are reached at corners: with e for the lowest and E for the highest value of
    each,

        lower = (q_e + Sp_e - 1) / (Se_E + Sp_e - 1),    upper = (q_E + Sp_E - 1) / (Se_e + Sp_E - 1),

    clipped to [0, 1], where the divisors are positive. Without gold pictures the bounds are (0, 1). They are (0, 1) too
    if no p is left: then, beyond chance, fewer samples are called wrong than right gold pictures, or more than wrong
    ones. So judges do not do the same with both, and no correction is known.

    `corrected_rate` describes the arguments.
    """
    return _corrected_bounds(called, gold, confidence, more=0)


def gold_needed(called: Called, gold: GoldCounts, tolerance: float, confidence: float = CONFIDENCE) -> int | None:
    """Returns how many more gold pictures make the interval of the corrected rate at most as wide as the tolerance.

    Half of them are wrong ones. All rates of the gold pictures continue as observed, and the samples stay as they are.
    Without any gold picture yet, no mistake is expected. Returns 0 if the interval is narrow enough, and None if no
    number below `IN_REACH` is enough: then more judged samples are needed, or better judges.

    Args:
        called: the samples that are called wrong.
        gold: what the same judges said of gold pictures.
        tolerance: highest acceptable error rate, from 0 to 1.
        confidence: of the interval, between 0 and 1.
    """
    check_share("tolerance", tolerance)

    def is_enough(more: int) -> bool:
        lower, upper = _corrected_bounds(called, gold, confidence, more=more)
        return upper - lower <= tolerance

    if is_enough(0):
        return 0
    fewer, enough = 0, 1  # of each kind
    while not is_enough(enough):
        fewer, enough = enough, 2 * enough
        if 2 * enough > IN_REACH:
            return None
    while enough - fewer > 1:  # each sequence narrows towards its rate
        middle = (fewer + enough) // 2
        fewer, enough = (fewer, middle) if is_enough(middle) else (middle, enough)
    return 2 * enough


Bounds = tuple[float, float]


def _corrected_bounds(called: Called, gold: GoldCounts, confidence: float, *, more: int) -> Bounds:
    """Returns `corrected_bounds` as they will be after `more` gold pictures of each kind, at the same rates."""
    check_confidence(confidence)
    third = 1 - (1 - confidence) / 3
    missed, alarms = _bounds(gold.missed, third, more), _bounds(gold.false_alarms, third, more)
    q = called.bounds(third) if isinstance(called, StratifiedCounts) else _bounds(called, third)
    return _solve(q, (1 - missed[1], 1 - missed[0]), alarms)


def _bounds(counts: WrongRange, confidence: float, more: int = 0) -> Bounds:
    """Returns bounds that hold whatever the open outcomes are, after `more` outcomes at the same rates.

    The bounds of a sequence grow with the number of wrong outcomes.
    """
    n = counts.n + more
    growth = n / counts.n if counts.n else 0.0
    lower = confidence_sequence(min(n, counts.least * growth), n, confidence)[0]
    return lower, confidence_sequence(min(n, counts.most * growth), n, confidence)[1]


def _solve(q: Bounds, sensitivity: Bounds, false_alarms: Bounds) -> Bounds:
    """Returns the range of p in [0, 1] with q = p Se + (1 - p) A for some values within the bounds."""
    lower, upper = 0.0, 1.0
    # base + slope p <= limit: the least share that is called wrong is at most q's upper bound; then the reverse
    for base, slope, limit in (
        (false_alarms[0], sensitivity[0] - false_alarms[0], q[1]),
        (-false_alarms[1], false_alarms[1] - sensitivity[1], -q[0]),
    ):
        if slope > 0:
            upper = min(upper, (limit - base) / slope)
        elif slope < 0:
            lower = max(lower, (limit - base) / slope)
        elif base > limit:
            return 0.0, 1.0
    return (lower, upper) if lower <= upper else (0.0, 1.0)
