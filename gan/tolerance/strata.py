"""Exact bounds of an error rate from pictures of which a classifier has flagged some: all flagged ones are judged, and
a random choice of the others.

Wrong pictures are rare, and most of them are flagged. So a few hundred judgements give the lower bound that thousands
of pictures drawn at random give. The upper bound gains less: n unflagged ones, none of them wrong, leave about 4.4 / n
for what the classifier missed. The bounds hold for every classifier, and are wide for a bad one.
"""

import math
from dataclasses import dataclass

from gan.errors import check, check_share, check_whole
from gan.tolerance.error_rate import CONFIDENCE
from gan.tolerance.exact import WrongRange, clopper_pearson, hypergeometric_bounds


@dataclass(frozen=True, kw_only=True)
class StratifiedCounts:
    """What was said of `num` pictures that a classifier has read, by a plan that was fixed before the first judgement.

    Pictures that are not shown yet, that wait, or of which the judge is unsure are in the ranges of `flagged` and
    `unflagged`: they count against each bound. So the bounds before the end of the plan contain those at its end, and
    looking at them is free.
    """

    num: int
    """Number of pictures that the classifier has read: independent draws from the generator."""
    flagged: WrongRange
    """Those that the classifier has flagged. All of them are to be judged: its `n` is their number."""
    unflagged: WrongRange
    """The planned number `n` of the others, drawn at random without replacement, and the wrong ones among them."""

    def __post_init__(self) -> None:
        check_whole("num", self.num, 1)
        check(self.flagged.n <= self.num, "flagged", f"at most {self.num} pictures", self.flagged.n)
        others = self.num - self.flagged.n
        check(self.unflagged.n <= others, "unflagged", f"at most {others} pictures", self.unflagged.n)

    @property
    def rate(self) -> float | None:
        """The estimate of the error rate; None if no picture of one of the two parts is judged."""
        parts = ((self.flagged.n, self.flagged.rate), (self.num - self.flagged.n, self.unflagged.rate))
        if any(pictures and rate is None for pictures, rate in parts):
            return None
        return sum(pictures * rate for pictures, rate in parts if rate is not None) / self.num

    def bounds_of_pictures(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Returns exact bounds of the share of wrong ones among the `num` pictures themselves.

        The flagged ones are known. `hypergeometric_bounds` bounds the number of wrong ones among the others.
        """
        lower, upper = self._wrong_pictures(confidence)
        return lower / self.num, upper / self.num

    def bounds(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Returns exact bounds of the error rate of the generator, from which the pictures are independent draws.

        With a = 1 - confidence, each bound is wrong with probability at most a / 2, and each of its two parts with
        a / 4 (Bonferroni). CP is the one-sided bound of Clopper and Pearson.

        *Upper bound.* A picture is flagged and wrong with probability f, and one that is not flagged is wrong with
        probability u. The rate is f + P(not flagged) u <= f + u. The number of flagged wrong ones has the distribution
        Bin(num, f). Given which pictures are flagged, the others are independent draws of wrong ones with probability
        u, so x of n planned ones has the distribution Bin(n, u). The bound is the sum

            CP(flagged wrong, num) + CP(x, n).

        *Lower bound.* The number W of wrong ones among all pictures has the distribution Bin(num, rate). By
        `bounds_of_pictures`, W is at least some number L, and CP grows with W. The bound is CP(L, num). It needs two
        parts, whereas a sum as above needs a third one, for P(not flagged).
        """
        inner = (1 + confidence) / 2
        of_flagged = clopper_pearson(self.flagged.most, self.num, inner)[1]
        others = self.unflagged.n
        of_others = clopper_pearson(self.unflagged.most, others, inner)[1] if others else 1.0
        lower = clopper_pearson(self._wrong_pictures(inner)[0], self.num, inner)[0]
        return lower, min(1.0, of_flagged + of_others)

    def _wrong_pictures(self, confidence: float) -> tuple[int, int]:
        others, drawn = self.num - self.flagged.n, self.unflagged
        lower = hypergeometric_bounds(drawn.least, drawn.n, others, confidence)[0]
        upper = hypergeometric_bounds(drawn.most, drawn.n, others, confidence)[1]
        return self.flagged.least + lower, self.flagged.most + upper


def plan_unflagged(
    num: int,
    flagged: int,
    tolerance: float,
    confidence: float = CONFIDENCE,
    *,
    flagged_wrong: float = 1.0,
    unflagged_wrong: int = 1,
) -> int | None:
    """Returns how many pictures to judge that are not flagged: the smallest number that can show a tolerance is met.

    It is the smallest n whose upper bound for the generator (`StratifiedCounts.bounds`) is at most the tolerance, if
    `unflagged_wrong` of the n are wrong, and the share `flagged_wrong` of the flagged ones. The defaults are careful:
    everything flagged is wrong, and one picture that the classifier missed does not spoil the plan. Fix the plan before
    the first judgement; the bounds hold whatever is then found.

    Returns None if no number up to all that are not flagged is enough. Then read more pictures, expect less of those
    that are flagged, or take a larger tolerance.

    >>> plan_unflagged(10_000, 60, 0.02)
    528

    Args:
        num: number of pictures that the classifier has read.
        flagged: number of those that it has flagged.
        tolerance: highest acceptable error rate, from 0 to 1.
        confidence: of the bounds, between 0 and 1.
        flagged_wrong: expected share of wrong ones among the flagged ones, from 0 to 1. Rounded up to a number.
        unflagged_wrong: number of wrong ones among the n others that the plan allows for.
    """
    check_whole("num", num, 1)
    check_whole("flagged", flagged, 0, num)
    check_share("tolerance", tolerance)
    check_share("flagged_wrong", flagged_wrong)
    check_whole("unflagged_wrong", unflagged_wrong, 0)
    expected = WrongRange.known(math.ceil(flagged_wrong * flagged), flagged)

    def is_enough(n: int) -> bool:
        others = WrongRange.known(min(unflagged_wrong, n), n)
        return StratifiedCounts(num=num, flagged=expected, unflagged=others).bounds(confidence)[1] <= tolerance

    fewer, enough = -1, num - flagged
    if not is_enough(enough):
        return None
    while enough - fewer > 1:  # the bound falls with n
        middle = (fewer + enough) // 2
        fewer, enough = (fewer, middle) if is_enough(middle) else (middle, enough)
    return enough
