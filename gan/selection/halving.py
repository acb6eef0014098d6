"""Synchronous successive halving in images: a budget, its rungs, and who continues. Does not import TensorFlow.

All candidates train to the first rung. When all are there, the better half continues to the next one, which is twice as
far, and so on. A candidate whose run is not longer than a rung is finished there. A rung is decided when all its
candidates have arrived, so the decision does not depend on who arrives first (arXiv:1502.07943).
"""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from gan.errors import InputError, Positive, Whole, check, check_not_negative, check_positive
from gan.utils.arguments import checked

UNITS = {"images": None, "s": 1.0, "min": 60.0, "h": 3600.0}
"""Unit of a budget -> its seconds; None: images."""

INTERVALS = 8
"""Intervals of each candidate's run, at least, unless it has fewer steps. A process that ends loses one at most."""

COMPARABLE = 7 / 8
"""Images at which a candidate is compared, as a share of those of another one at the same rung, at least."""

_WHOLE = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+(?:_[0-9]+)*)"
_NUMBER = rf"(?:{_WHOLE}(?:\.[0-9]+)?|\.[0-9]+)(?:[eE]\+?[0-9]+)?"
"""A number. Commas separate thousands; a decimal comma is refused."""


@dataclass(frozen=True)
class Budget:
    """What the training of all candidates may cost in all: a number of images, or of seconds."""

    amount: float
    in_seconds: bool = False

    def __post_init__(self) -> None:
        check_positive("budget", self.amount)

    def __str__(self) -> str:
        return f"{self.amount:,.0f} {'s' if self.in_seconds else 'images'}"


@checked
def read_budget(text: str) -> Budget:
    """Reads a budget: 600s, 10min, 0.5h, or a number of images such as 2,000,000, 2e6 or 2e6images.

    Raises `InputError` for other text, such as with a decimal comma, and for a budget that is not positive.
    """
    found = re.fullmatch(rf"\s*({_NUMBER})\s*([a-z]*)\s*", text)
    unit = (found[2] or "images") if found else ""
    if found is None or unit not in UNITS:
        expected = "seconds such as 600s, 10min or 2.5h, or images such as 2000000 or 2e6"
        raise InputError("Bad `--budget`", expected=expected, received=text)
    amount, seconds = float(found[1].replace(",", "").replace("_", "")), UNITS[unit]
    return Budget(amount if seconds is None else amount * seconds, seconds is not None)


@dataclass(frozen=True)
class Pace:
    """What a candidate costs in units of the budget: `start` once a rung, and `image` for each image."""

    image: float = 1.0
    start: float = 0.0

    def __post_init__(self) -> None:
        check_positive("image", self.image)
        check_not_negative("start", self.start)


@dataclass(frozen=True)
class Rung:
    """A part of a candidate's run: it ends after `images`, which are `intervals` intervals."""

    images: Whole
    intervals: Whole
    is_last: bool
    """Whether the run is finished there."""


@dataclass(frozen=True)
class HalvingPlan:
    """The rungs of a search, in images that D sees, and the candidates that the budget leaves out, with the reason.

    A candidate ends at a rung after whole steps, so somewhat before it, see `rung_of`.
    """

    rungs: tuple[Positive, ...]
    left_out: dict[str, str]
    cost: float
    """The most that the search can cost, in units of the budget."""

    def __post_init__(self) -> None:
        check(bool(self.rungs), "rungs", "one or more rungs", self.rungs)
        pairs = zip(self.rungs, self.rungs[1:])
        check(all(first < second for first, second in pairs), "rungs", "rungs that increase", self.rungs)


@checked
def plan_halving(
    lengths: Mapping[str, int],
    budget: float,
    paces: Mapping[str, Pace] | None = None,
    *,
    per_step: Mapping[str, int] | None = None,
) -> HalvingPlan:
    """Returns the plan with the fewest halvings whose cost cannot exceed a budget, whoever continues.

    The last rung is the length of the longest run, and each rung before it is half of the next one, rounded down.
    Without a halving, all candidates train to their end. There are at most as many halvings as lead to a single
    candidate, and so few that candidates which are compared have seen about as many images: all have made a step, and
    none has fewer than `COMPARABLE` times the images of another one. If no such plan is within the budget, the
    candidate that costs most is left out, and so on.

    Args:
        lengths: length of each candidate's run, in images.
        budget: images or, with `paces` in seconds, seconds.
        paces: what each candidate costs. None: one for each image.
        per_step: images of a train step of each candidate. None: one.

    Raises `InputError` if the budget is lower than the cost of the cheapest candidate.
    """
    pace = {name: Pace() if paces is None else paces[name] for name in lengths}
    steps = {name: 1 if per_step is None else per_step[name] for name in lengths}
    whole = {name: pace[name].start + pace[name].image * length for name, length in lengths.items()}
    cheapest = min(whole, key=lambda name: (whole[name], name))
    if whole[cheapest] > budget:
        unit = "images" if paces is None else "s"
        raise InputError(
            "The budget is lower than the cost of the cheapest candidate",
            expected=f"--budget of {math.ceil(whole[cheapest]):,} {unit} or more, the cost of {cheapest}",
            received=f"{budget:,.0f} {unit}",
        )
    kept, left_out = dict(lengths), dict[str, str]()
    while True:
        for halvings in range(math.ceil(math.log2(len(kept))) + 1):
            longest = max(kept.values())
            rungs = tuple(longest // 2**k for k in range(halvings, -1, -1))
            if rungs[0] == 0:
                break
            ends = {name: _rungs_of(rungs, length, steps[name]) for name, length in kept.items()}
            cost = _most_cost(ends, pace)
            if cost <= budget and _is_comparable(ends.values()):
                return HalvingPlan(rungs, left_out, cost)
        dearest = max(kept, key=lambda name: (whole[name], name))
        left_out[dearest] = f"too long for the budget: {lengths[dearest]:,} images"
        del kept[dearest]


def _is_comparable(ends: Collection[Sequence[Rung]]) -> bool:
    """Returns whether all candidates that are compared at a rung have seen about as many images there.

    ends: the rungs of each candidate.
    """
    for rungs in zip(*ends):
        images = [rung.images for rung in rungs if not rung.is_last]
        if images and min(images) < max(1, COMPARABLE * max(images)):
            return False
    return True


def _most_cost(ends: Mapping[str, Sequence[Rung]], pace: Mapping[str, Pace]) -> float:
    """Returns a bound of the cost of a search: at each rung, those take part for which it is dearest.

    ends: the rungs of each candidate.
    """
    total, most = 0.0, len(ends)
    for number in range(len(next(iter(ends.values())))):
        costs = []
        for name, rungs in ends.items():
            before = rungs[number - 1] if number else None
            if before is None or not before.is_last:
                images = rungs[number].images - (before.images if before else 0)
                costs.append(pace[name].start + pace[name].image * images)
        total += sum(sorted(costs, reverse=True)[:most])
        unfinished = sum(not rungs[number].is_last for rungs in ends.values())
        most = math.ceil(min(most, unfinished) / 2)
    return total


@checked
def rung_of(plan: HalvingPlan, number: int, *, length: int, per_step: int) -> Rung:
    """Returns where a candidate's part of a rung ends: the last interval that ends at the rung or before it.

    A run that is not longer than the rung is finished there. The images are 0 if a step is longer than the rung; no
    plan of `plan_halving` has such a rung for a candidate that takes part.

    Args:
        plan: the plan.
        number: number of the rung, from 0.
        length: length of the candidate's run, in images.
        per_step: images of a train step.
    """
    return _rungs_of(plan.rungs, length, per_step)[number]


def interval_images(plan: HalvingPlan, *, length: int, per_step: int) -> int:
    """Returns the images of an interval of a candidate: whole steps, and a whole part of its images at the first rung.

    A run has `INTERVALS` intervals or more, unless it has fewer steps. Of the numbers of intervals up to twice the
    lowest one, that is chosen whose end is nearest to the first rung.

    Args:
        plan, length, per_step: as for `rung_of`.
    """
    return _interval_images(plan.rungs[0], length, per_step)


@lru_cache(100_000)
def _rungs_of(rungs: tuple[int, ...], length: int, per_step: int) -> tuple[Rung, ...]:
    each = _interval_images(rungs[0], length, per_step)
    whole = Rung(length, math.ceil(length / each), is_last=True)
    return tuple(whole if length <= rung else Rung(rung // each * each, rung // each, is_last=False) for rung in rungs)


def _interval_images(first_rung: int, length: int, per_step: int) -> int:
    first = min(first_rung, length)
    steps, fewest = first // per_step, math.ceil(INTERVALS * first / length)
    if steps <= fewest:
        return per_step
    parts = max(range(fewest, min(2 * fewest, steps + 1)), key=lambda parts: (steps // parts * parts, -parts))
    return steps // parts * per_step
