"""Which pictures a judge is shown: plans, each a function of a seed and a position.

A plan decides from its seed alone, never from what was judged before. So neither a judge nor the order of requests can
select what is counted.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np

from gan.errors import check, check_seed, check_share_below_one, check_whole

Kind = Literal["sample", "gold"]
Truth = Literal["right", "wrong"]
Mode = Literal["audit", "stratified", "report"]
"""`audit`: random pictures, for the estimate. `stratified`: those of `StratifiedPlan`. `report`: free browsing."""


@dataclass(frozen=True)
class Picture:
    """A picture and the class that is asked with it: a sample of the generator, or a real image (gold)."""

    kind: Kind
    seed: int
    """Seed of a sample; that of the plan for gold."""
    index: int
    """Index of a sample of its seed, or of a real image in the test split."""
    label: int | None
    """The class that is asked; None: any class, of an unconditional generator."""
    truth: Truth | None = None
    """Whether a real image has the class that is asked; None: a sample, of which this is to be judged."""
    is_flagged: bool = False
    """Whether the classifier has read another class; only the plan of `stratified` knows it."""


class Plan(Protocol):
    """The pictures of a mode, in the order in which they are shown."""

    @property
    def size(self) -> int | None:
        """Number of pictures; None: no end."""

    def picture(self, place: int) -> Picture:
        """Returns the picture at a place of the plan, from 0."""


def uniform(seed: int, purpose: str, *counters: int | str) -> float:
    """Returns a number in [0, 1) that is a function of its arguments, on every machine and with every version."""
    text = "/".join(map(str, (seed, purpose, *counters)))
    number = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
    return (number >> 11) / 2**53


def seed_of_mode(seed: int, mode: Mode | Literal["gold"]) -> int:
    """Returns the seed of the pictures of a mode, or of gold: `seed` for `audit`, one derived from it for the others.

    So no sample of one mode is one of another.
    """
    check_seed(seed)
    return seed if mode == "audit" else int(uniform(seed, "seed", mode) * 2**32)


def shuffled(number: int, size: int, seed: int, *purpose: int | str) -> int:
    """Returns the number at a position of a random order of 0, ..., size - 1, without the order.

    It is a Feistel network of four rounds, applied again until its result is below `size` (cycle walking; Black and
    Rogaway 2002, doi:10.1007/3-540-45760-7_9).

    Args:
        number: the position, from 0 to size - 1.
        size: >= 1.
        seed, purpose: what the order depends on.
    """
    check_whole("size", size, 1)
    check_whole("number", number, 0, size - 1)
    side = 1
    while side * side < size:
        side += 1
    while True:
        left, right = divmod(number, side)
        for turn in range(4):
            left, right = right, (left + int(uniform(seed, "shuffle", *purpose, turn, right) * side)) % side
        number = left * side + right
        if number < size:
            return number


def label_of(seed: int, index: int, num_classes: int) -> int | None:
    """Returns the class that a sample is asked with: all classes are equally likely, independently of other samples.

    None: an unconditional generator, with 0 classes.
    """
    return int(uniform(seed, "label", index) * num_classes) if num_classes else None


@dataclass(frozen=True)
class AuditPlan:
    """The samples 0, 1, 2, ... of a seed, each with a random class: independent draws from the generator."""

    seed: int
    num_classes: int

    def __post_init__(self) -> None:
        check_seed(self.seed)
        check_whole("num_classes", self.num_classes, 0)

    @property
    def size(self) -> None:
        """No end."""
        return None

    def picture(self, place: int) -> Picture:
        """Returns the sample at a place."""
        return Picture("sample", self.seed, place, label_of(self.seed, place, self.num_classes))


@dataclass(frozen=True)
class StratifiedPlan:
    """All flagged samples of `num`, and a random choice of the others, in random order.

    Args:
        seed: seed of the samples 0, ..., num - 1 and of their classes.
        num_classes: 0 for an unconditional generator.
        num: number of samples that the classifier has read.
        flagged: indices of those that it read as another class than asked.
        num_unflagged: number of the other samples to judge.
    """

    seed: int
    num_classes: int
    num: int
    flagged: tuple[int, ...]
    num_unflagged: int

    def __post_init__(self) -> None:
        check_seed(self.seed)
        check_whole("num", self.num, 1)
        in_order = list(self.flagged) == sorted(set(self.flagged))
        in_range = not self.flagged or (self.flagged[0] >= 0 and self.flagged[-1] < self.num)
        check(in_order and in_range, "flagged", f"indices from 0 to {self.num - 1} in order", self.flagged[:5])
        check_whole("num_unflagged", self.num_unflagged, 0, self.num - len(self.flagged))

    @property
    def size(self) -> int:
        """Number of samples to judge."""
        return len(self._order)

    @cached_property
    def _order(self) -> tuple[tuple[int, bool], ...]:
        flagged = frozenset(self.flagged)
        others = [index for index in range(self.num) if index not in flagged]
        chosen = sorted(others, key=lambda index: uniform(self.seed, "choice", index))[: self.num_unflagged]
        both = [*((index, True) for index in self.flagged), *((index, False) for index in chosen)]
        return tuple(sorted(both, key=lambda one: uniform(self.seed, "order", one[0])))

    @cached_property
    def places(self) -> dict[int, int]:
        """Index of a sample -> its place."""
        return {index: place for place, (index, _) in enumerate(self._order)}

    def picture(self, place: int) -> Picture:
        """Returns the sample at a place."""
        index, is_flagged = self._order[place]
        label = label_of(self.seed, index, self.num_classes)
        return Picture("sample", self.seed, index, label, is_flagged=is_flagged)


@dataclass(frozen=True)
class GoldPlan:
    """Real test images between the samples: half of them with their class, half with another one.

    Args:
        seed: seed of the choice.
        share: share of the shown pictures that are gold, in [0, 1).
        labels: classes of the test images, int [M].
        num_classes: number of classes, >= 2.
    """

    seed: int
    share: float
    labels: Sequence[int] | np.ndarray
    num_classes: int

    def __post_init__(self) -> None:
        check_seed(self.seed)
        check_share_below_one("share", self.share)
        check_whole("num_classes", self.num_classes, 2)
        check(len(self.labels) > 0, "labels", "the classes of one test image or more", "none")

    @property
    def size(self) -> int:
        """Number of real images."""
        return len(self.labels)

    def is_due(self, judge: str, turn: int) -> bool:
        """Returns whether the picture that a judge is shown at a turn is gold."""
        return uniform(self.seed, "gold", judge, turn) < self.share

    def picture(self, judge: str, number: int) -> Picture:
        """Returns the real image that is the judge's number `number`, from 0 to size - 1: another one for each number.

        It has its class or another one.
        """
        index = shuffled(number, self.size, self.seed, "gold image", judge)
        label, moved = int(self.labels[index]), 0
        if uniform(self.seed, "gold truth", judge, number) < 0.5:
            moved = 1 + int(uniform(self.seed, "gold class", judge, number) * (self.num_classes - 1))
        asked = (label + moved) % self.num_classes
        return Picture("gold", self.seed, index, asked, "wrong" if moved else "right")
