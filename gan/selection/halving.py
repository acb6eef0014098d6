"""Synchronous successive halving in images: a budget, its rungs, and who continues. Does not import TensorFlow.

All candidates train to the first rung. When all are there, the better half continues to the next one, which is twice as
far, and so on. A candidate whose run is shorter than a rung is finished there. A rung is decided when all its
candidates have arrived, so the decision does not depend on who arrives first (arXiv:1502.07943).
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gan.errors import InputError, Positive, check_not_negative, check_positive
from gan.utils.arguments import checked

UNITS = {"images": None, "s": 1.0, "min": 60.0, "h": 3600.0}
"""Unit of a budget -> its seconds; None: images."""

INTERVALS = 8
"""Intervals of a candidate's run, at least. A process that ends loses one interval at most."""


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
    """Reads a budget: 600s, 10min, 0.5h, or a number of images such as 2000000, 2e6 or 2e6images.

    Raises `InputError` for other text, and for a budget that is not positive.
    """
    found = re.fullmatch(r"\s*([\d_,]*\.?\d+(?:[eE]\+?\d+)?)\s*([a-z]*)\s*", text)
    unit = (found[2] or "images") if found else ""
    if found is None or unit not in UNITS:
        expected = "seconds such as 600s, 10min or 2h, or images such as 2000000 or 2e6"
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
    """A part of a candidate's run: it ends after `images`, which are `intervals` complete intervals."""

    images: Positive
    intervals: Positive
    is_last: bool
    """Whether the run is finished there."""


@dataclass(frozen=True)
class HalvingPlan:
    """The rungs of a search, in images that D sees, and the candidates that the budget leaves out, with the reason."""

    rungs: tuple[Positive, ...]
    parts: Positive
    """Intervals up to the first rung, or somewhat more: an interval is a whole number of steps."""
    left_out: dict[str, str]
    cost: float
    """The most that the search can cost, in units of the budget."""


@checked
def plan_halving(lengths: Mapping[str, int], budget: float, paces: Mapping[str, Pace] | None = None) -> HalvingPlan:
    """Returns the plan with the fewest halvings whose cost cannot exceed a budget, whoever continues.

    The last rung is the length of the longest run, and each rung before it is half of the next one. Without a halving,
    all candidates train to their end. There are at most as many halvings as lead to a single candidate. If that is not
    enough, the candidate that costs most is left out, and so on.

    Args:
        lengths: length of each candidate's run, in images.
        budget: images or, with `paces` in seconds, seconds.
        paces: what each candidate costs. None: one for each image.

    Raises `InputError` if the budget is lower than the cost of the cheapest candidate.
    """
    pace = {name: Pace() if paces is None else paces[name] for name in lengths}
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
            rungs = tuple(max(1, -(-longest // 2**k)) for k in range(halvings, -1, -1))
            cost = _most_cost(kept, pace, rungs)
            if cost <= budget:
                return HalvingPlan(rungs, _parts(rungs[0], max(kept.values())), left_out, cost)
        dearest = max(kept, key=lambda name: (whole[name], name))
        left_out[dearest] = f"too long for the budget: {lengths[dearest]:,} images"
        del kept[dearest]


def _parts(first: int, longest: int) -> int:
    return max(1, math.ceil(INTERVALS * first / longest))


def _most_cost(lengths: Mapping[str, int], pace: Mapping[str, Pace], rungs: Sequence[int]) -> float:
    """Returns the most that a search can cost: at each rung, the dearest ones continue."""
    total, before = 0.0, 0
    unfinished = list(lengths)
    for rung in rungs:
        cost = {name: pace[name].start + pace[name].image * (min(rung, lengths[name]) - before) for name in unfinished}
        total += sum(cost.values())
        left = [name for name in unfinished if lengths[name] > rung]
        remaining = {name: pace[name].start + pace[name].image * (lengths[name] - rung) for name in left}
        unfinished = sorted(left, key=lambda name: -remaining[name])[: math.ceil(len(left) / 2)]
        before = rung
    return total


@checked
def rung_of(plan: HalvingPlan, number: int, *, length: int, per_step: int) -> Rung:
    """Returns where a candidate's part of a rung ends: the last interval that ends at the rung or before it.

    It is at least one interval, which is longer than a rung if a single step is.

    Args:
        plan: the plan.
        number: number of the rung, from 0.
        length: length of the candidate's run, in images.
        per_step: images of a train step.
    """
    each = interval_images(plan, per_step)
    intervals, total = max(1, plan.rungs[number] // each), math.ceil(length / each)
    is_last = intervals >= total or number == len(plan.rungs) - 1
    return Rung(length if is_last else intervals * each, total if is_last else intervals, is_last)


def interval_images(plan: HalvingPlan, per_step: int) -> int:
    """Returns the images of an interval of a candidate: whole steps, at most a part of the first rung."""
    return per_step * max(1, plan.rungs[0] // (plan.parts * per_step))
