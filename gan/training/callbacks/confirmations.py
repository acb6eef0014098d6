"""Plans the confirmations of a training: when one is due, on how many outcomes, and with which share of the error."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from gan.config.stopping import FEWEST_CONFIRMED
from gan.errors import InputError, check, check_share, check_whole
from gan.tolerance import (
    Confirmation,
    ErrorRate,
    check_confirmation,
    confirmation_size,
    errs_above,
    most_wrong,
    next_confidence,
    samples_needed,
    verdict,
    wilson_interval,
)
from gan.utils.arguments import checked

POWER = 0.8
"""Probability of `within` for which the size of a confirmation is chosen, at the expected error rate."""

LEAST_POWER = 0.5
"""A confirmation is postponed if the outcomes that are left give a lower probability of `within`."""

SPENT_SHARE = 0.3
"""A confirmation uses at least this share of the outcomes that are left. Those are cheaper than another interval."""

EXPECTED_SHARE = 0.6
"""Error rate expected at a confirmation, as a share of the upper bound that nominates, which is scaled by the ratio."""

WAIT = 0.2
"""Share of a run after which a value that reaches the target is confirmed again, whatever the last ratio was."""

AGAIN = 2
"""Size of a second last confirmation, as a multiple of the size that would decide at the same error rate."""

FINAL_SHARE, FINAL_POWER = 0.8, 0.95
"""At the end of a run, a model with 0.8 times the tolerance is `within` with this probability (limited by `max_num`).

If the tolerance seems far away, `FINAL_NUM` outcomes show that it is exceeded."""

CERTAIN = 0.9999
"""Confidence of the interval that ends the last confirmation early, if it lies above the tolerance."""

LEAST_NUM = FEWEST_CONFIRMED
"""Default of the minimum number of outcomes of a confirmation."""

USUAL_INTERVALS = 20
"""Intervals of a run whose length is not known, for `WAIT`."""

FINAL_NUM = 10_000
"""Minimum number of outcomes of the confirmation at the end of a run."""

MAX_NUM = 100_000
"""Default of the maximum number of outcomes of one confirmation."""


UNREADABLE = "the classifier is wrong on"
"""Beginning of the condition that is not met if the classifier errs too often on real images."""


class Attempt(int):
    """The number of a confirmation, from 1, with what is asked of it. It is a whole number, to serve as a seed.

    Attributes:
        num: number of outcomes to measure; another number is allowed too.
        confidence: confidence of its interval.
        most_wrong: largest number of wrong outcomes among `num` that is still within the tolerance; -1: none is. A
            confirmation may end as soon as there are more.
        is_last: whether it is the last one, at the end of the training.
        used: number of outcomes of all earlier confirmations. Those of a finite set are no longer fresh.
        seconds: duration of all earlier confirmations that were not a last one.
        tolerance: error rate to confirm.
    """

    num: int
    confidence: float
    most_wrong: int
    is_last: bool
    used: int
    seconds: float
    tolerance: float

    def __new__(
        cls,
        number: int,
        *,
        num: int,
        confidence: float,
        most_wrong: int,
        is_last: bool = False,
        used: int = 0,
        seconds: float = 0.0,
        tolerance: float = 1.0,
    ) -> "Attempt":
        attempt = super().__new__(cls, number)
        attempt.num, attempt.confidence, attempt.most_wrong = num, confidence, most_wrong
        attempt.is_last, attempt.used, attempt.seconds, attempt.tolerance = is_last, used, seconds, tolerance
        return attempt

    def is_over(self, wrong: int, total: int) -> bool:
        """Returns whether the measurement may end early, with `wrong` of `total` outcomes so far.

        It cannot be within the tolerance any more; the last one must also show that the tolerance is exceeded.
        """
        if self.is_last:
            return total > 0 and wilson_interval(wrong, total, CERTAIN)[0] > self.tolerance
        return wrong > self.most_wrong

    def __getnewargs_ex__(self) -> tuple[tuple[int], dict[str, float]]:
        """Returns the arguments for a copy, such as that of another process."""
        return (int(self),), dict(vars(self))


class Outcomes(NamedTuple):
    """What a confirmation measured: `wrong` outcomes among `total`, and the conditions that are not met, as text.

    `real` is what the classifier that counts them gets wrong of real images. None: not known, or there is none.
    """

    wrong: int
    total: int
    unmet: Sequence[str] = ()
    real: ErrorRate | None = None


def as_texts(found: object) -> tuple[str, ...]:
    """Converts the conditions that are not met: texts, or one text. None: all are met. Raises `InputError` otherwise.

    A truth value is rejected, because it might be meant either way.
    """
    texts = [] if found is None else [found] if isinstance(found, str) else found
    if not isinstance(texts, (list, tuple)):
        raise InputError("Bad conditions", expected="a list of texts, those that are not met", received=repr(found))
    return tuple(map(str, texts))


def as_outcomes(found: object) -> Outcomes:
    """Converts what a `confirm` function returned: (wrong, total) or `Outcomes`. Raises `InputError` otherwise."""
    wrong: Any
    total: Any
    more: list[Any]
    try:
        wrong, total, *more = found  # type: ignore[misc]
        unmet, real = [*more, None, None][:2]
        check_whole("total", total, 1)
        check_whole("wrong", wrong, 0, total)
        if len(more) > 2 or not (real is None or isinstance(real, ErrorRate)):
            raise TypeError(repr(more))
        return Outcomes(int(wrong), int(total), as_texts(unmet), real)
    except (TypeError, ValueError) as error:  # `InputError` is a `ValueError`
        raise InputError(
            "Bad `confirm`",
            expected="a function that returns (wrong, total), whole numbers with 0 <= wrong <= total and total >= 1",
            received=repr(found),
        ) from error


def why_unreadable(real: ErrorRate | None, tolerance: float) -> tuple[str, ...]:
    """Returns the condition on the classifier as text, if it errs too often on real images for this tolerance."""
    if real is None or not errs_above(real, tolerance):
        return ()
    lower, upper = (f"{100 * bound:.3g}" for bound in real.interval)
    rate = f"{100 * real.value:.3g} % ({lower} to {upper} %)"
    return (f"{UNREADABLE} {rate} of {real.n:,} real test images, tolerance {100 * tolerance:.3g} %",)


class Confirmations:
    """Decides when a model is confirmed, and collects the results. Plain Python.

    Each confirmation uses a part of the 5 % error that is left (`tolerance.next_confidence`). So all upper bounds hold
    together with 95 % confidence, and at most 5 % of all runs end with a false `within`. `python -m benchmarks
    stopping-rules` compares this rule with others.

    A value nominates the model if it reaches the target. After a refusal, it is instead multiplied by the last ratio
    (error rate found by the confirmation / value that nominated), and the product must be within the tolerance; or the
    value must reach the target after `WAIT` of the run. After a refusal by a condition alone, only the latter counts.
    The size gives `within` with probability `POWER`, and is larger than that of a confirmation that was undecided. What
    does not fit into `budget`, of which each uses a part, is postponed.

    Args:
        tolerance: error rate to confirm.
        target: value of the monitor that nominates.
        sign: 1 if lower values of the monitor are better, -1 if higher ones are.
        budget: outcomes of all confirmations but the last. None: no limit.
        min_num, max_num: minimum and maximum number of outcomes of one confirmation.

    Attribute: `done`, the confirmations so far, oldest first.
    """

    @checked
    def __init__(
        self,
        tolerance: float,
        *,
        target: float,
        sign: int = 1,
        budget: int | None = None,
        min_num: int = LEAST_NUM,
        max_num: int = MAX_NUM,
    ) -> None:
        check_share("tolerance", tolerance)
        check(not math.isnan(target), "target", "a number", target)
        check_whole("min_num", min_num, 1)
        check_whole("max_num", max_num, min_num)
        if budget is not None:
            check_whole("budget", budget, 0)
        check_confirmation("tolerance", tolerance, max_num, outcomes=f"max_num={max_num}", larger="{}")
        self.tolerance = tolerance
        self.target = target
        self.budget = budget
        self.min_num = min_num
        self.max_num = max_num
        self._sign = sign
        self.done: list[Confirmation] = []

    def plan(self, value: float, *, interval: int = 1, intervals: int | None = None) -> Attempt | None:
        """Returns the confirmation that is due after an interval, or None.

        Args:
            value: monitored value of the interval.
            interval: number of the interval, from 1.
            intervals: number of intervals of the training. None: not known.
        """
        reaches = self.reaches(value)
        scaled = self._expected(value) if reaches or self._has_ratio else None
        if scaled is None or scaled > self.tolerance or self._lacks_condition:
            if not reaches or interval - self.done[-1].interval < WAIT * (intervals or USUAL_INTERVALS):
                return None
            scaled = self.tolerance
        confidence = self.confidence()
        size, least = (
            confirmation_size(EXPECTED_SHARE * scaled, self.tolerance, confidence, power)
            for power in (POWER, LEAST_POWER)
        )
        if size is None or least is None:
            return None
        left, part = self.max_num, 0
        if self.budget is not None:
            left = min(left, self.budget - sum(one.num for one in self.done if not one.is_last))
            part = int(SPENT_SHARE * left)
        num = min(max(size, self._smallest(), part), left)
        return None if num < max(least, self._smallest()) else self._attempt(num, confidence, is_last=False)

    def reaches(self, value: float) -> bool:
        """Returns whether a monitored value reaches the target. NaN does not."""
        return self._sign * value <= self._sign * self.target

    def plan_last(self, value: float) -> Attempt:
        """Returns the confirmation at the end of a training, of the model with this monitored value."""
        confidence = self.confidence(is_last=True)
        scaled = self._expected(value) if self._has_ratio or self.reaches(value) else None
        size = None
        if scaled is not None and EXPECTED_SHARE * scaled < self.tolerance:
            size = confirmation_size(FINAL_SHARE * self.tolerance, self.tolerance, confidence, FINAL_POWER)
        num = min(max(size or 0, FINAL_NUM, self._smallest()), self.max_num)
        return self._attempt(num, confidence, is_last=True)

    def plan_again(self) -> Attempt | None:
        """Returns one more last confirmation, if the last one was undecided and a larger one would decide.

        It has `AGAIN` times the size that would decide at the same error rate, so that the rate may turn out closer to
        the tolerance. Returns None if `max_num` is too small for it.
        """
        last, confidence = self.done[-1], self.confidence(is_last=True)
        needed = samples_needed(last.rate, self.tolerance, confidence=confidence)
        if last.verdict != "undecided" or last.unmet or needed is None or AGAIN * needed > self.max_num:
            return None
        return self._attempt(max(AGAIN * needed, self._smallest()), confidence, is_last=True)

    def confidence(self, *, is_last: bool = False) -> float:
        """Returns the confidence of the next confirmation's interval. A subclass may divide the error otherwise."""
        return next_confidence(self.done, is_last=is_last)

    def _attempt(self, num: int, confidence: float, *, is_last: bool) -> Attempt:
        return Attempt(
            len(self.done) + 1,
            num=num,
            confidence=confidence,
            most_wrong=most_wrong(num, self.tolerance, confidence),
            is_last=is_last,
            used=sum(one.num for one in self.done),
            seconds=sum(one.seconds for one in self.done if not one.is_last),
            tolerance=self.tolerance,
        )

    def _smallest(self) -> int:
        """Returns the minimum size of the next confirmation: more than that of an undecided one."""
        last = self._last
        grown = last.num + 1 if last is not None and last.verdict == "undecided" and not last.unmet else 0
        return min(max(self.min_num, grown), self.max_num)

    @property
    def _last(self) -> Confirmation | None:
        return self.done[-1] if self.done else None

    @property
    def _lacks_condition(self) -> bool:
        """Whether the last confirmation was refused by a condition alone."""
        last = self._last
        return last is not None and bool(last.unmet) and last.bounds[1] <= self.tolerance

    @property
    def _has_ratio(self) -> bool:
        """Whether the last confirmation tells how values of the monitor compare with error rates."""
        last = self._last
        return self._sign > 0 and last is not None and last.wrong > 0 and last.value is not None and last.value > 0

    def _expected(self, value: float) -> float | None:
        """Returns the upper bound that a confirmation is expected to find: the value times the last ratio.

        None: not known. If higher values are better, a better value than the last one stands for the tolerance.
        """
        if math.isnan(value):
            return None
        last = self._last
        if last is None or last.value is None or not last.wrong:
            return min(max(value, 0.0), self.tolerance) if self._sign > 0 else self.tolerance
        if self._has_ratio:
            return max(value, 0.0) * last.rate.value / last.value
        return self.tolerance if self._sign * value < self._sign * last.value else None

    def add(
        self,
        attempt: Attempt,
        outcomes: Outcomes,
        *,
        value: float,
        interval: int,
        seconds: float = 0.0,
    ) -> Confirmation:
        """Adds the result of a confirmation, and returns it with its verdict.

        If the classifier errs too often on real images for any verdict (`errs_above`), this is an unmet condition.
        """
        rate, real = ErrorRate(outcomes.wrong, outcomes.total), outcomes.real
        found = verdict(rate, self.tolerance, confidence=attempt.confidence, real=real)
        unmet = (*outcomes.unmet, *why_unreadable(real, self.tolerance))
        self.done.append(
            Confirmation(
                attempt=int(attempt),
                interval=interval,
                value=value if math.isfinite(value) else None,
                wrong=outcomes.wrong,
                num=outcomes.total,
                confidence=attempt.confidence,
                verdict="undecided" if found == "within" and unmet else found,
                unmet=unmet,
                seconds=seconds,
                is_last=attempt.is_last,
            )
        )
        return self.done[-1]


def describe(done: Confirmation, tolerance: float) -> str:
    """Describes a confirmation in one line."""
    lower, upper = (f"{100 * bound:.3g}" for bound in done.bounds)
    unmet = "".join(f"; {condition}" for condition in done.unmet)
    return (
        f"Confirmation {done.attempt}, interval {done.interval}: {done.verdict}. {done.wrong:,} of {done.num:,} wrong, "
        f"{100 * done.rate.value:.3g} % ({lower} to {upper} %); tolerance {100 * tolerance:.3g} %{unmet}."
    )


def numbers(done: Confirmation | None, *, nominated: bool = False) -> dict[str, float]:
    """Returns the numbers of a confirmation for a log, all NaN without one. `confirm_interval` is the one measured."""
    lower, upper = (math.nan, math.nan) if done is None else done.bounds
    return {
        "nominated": float(nominated),
        "confirm_interval": math.nan if done is None else done.interval,
        "confirm_num": math.nan if done is None else done.num,
        "confirm_error_rate": math.nan if done is None else done.rate.value,
        "confirm_error_rate_lower": lower,
        "confirm_error_rate_upper": upper,
        "confirm_seconds": math.nan if done is None else done.seconds,
    }
