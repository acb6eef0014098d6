"""What a candidate costs: the kinds of cost, and the tasks that measure them. Does not import TensorFlow."""

from dataclasses import dataclass
from typing import Literal

from gan.config import TrainConfig
from gan.errors import InputError, Json, NotNegative, Positive, Whole, as_json, check_positive

CostName = Literal["train_seconds", "parameters", "bytes", "milliseconds", "price"]
"""Name of a cost, as in `gan select --cost`."""

UNITS: dict[CostName, str] = {
    "train_seconds": "s of training",
    "parameters": "parameters of G",
    "bytes": "bytes",
    "milliseconds": "ms for 64 samples",
    "price": "price of training",
}
"""Name of a cost -> its unit."""

OF_TRAINING: tuple[CostName, ...] = ("train_seconds", "price")
"""Costs that follow from the duration of the training."""


@dataclass(frozen=True, kw_only=True)
class TimedRun:
    """A candidate whose cost is measured."""

    name: str
    config: TrainConfig | None = None
    """Options of its training. None: it was trained before."""
    images: Whole = 0
    """Length of its run in images."""
    generator: str | None = None
    """File of its trained generator. None: it is not trained."""


@dataclass(frozen=True, kw_only=True)
class CostTask:
    """Measure the cost of candidates in one process, in rounds in which all of them take turns."""

    cost: CostName
    runs: tuple[TimedRun, ...]
    rounds: Positive = 5

    def as_dict(self) -> dict[str, Json]:
        """Returns the task in JSON types."""
        return as_json(self)


@dataclass(frozen=True, kw_only=True)
class CandidateCost:
    """The cost of a candidate: the median of the rounds, with the lowest and the highest of them.

    A cost that is counted, such as of parameters, has one round.
    """

    value: NotNegative
    lowest: NotNegative
    highest: NotNegative
    rounds: Positive = 1
    start: NotNegative = 0.0
    """Part of `value` that does not depend on the length of the run: seconds until the first step, measured once."""


@dataclass(frozen=True, kw_only=True)
class MeasuredCosts:
    """Costs by name of the candidate, and the machine that they were measured on."""

    costs: dict[str, CandidateCost]
    failures: dict[str, str]
    """Name of a candidate -> why its cost could not be measured."""
    machine: str

    def as_dict(self) -> dict[str, Json]:
        """Returns the costs in JSON types."""
        return as_json(self)

    def priced(self, per_hour: float) -> "MeasuredCosts":
        """Returns the price of costs in seconds, for a price of an hour."""
        each = per_hour / 3600.0
        priced = {
            name: CandidateCost(
                value=cost.value * each,
                lowest=cost.lowest * each,
                highest=cost.highest * each,
                rounds=cost.rounds,
                start=cost.start * each,
            )
            for name, cost in self.costs.items()
        }
        return MeasuredCosts(costs=priced, failures=self.failures, machine=self.machine)


def check_not_of_training(cost: CostName) -> None:
    """Raises `InputError` for a cost of training, which generators that were trained before do not have."""
    if cost in OF_TRAINING:
        expected = f"one of {[cost for cost in UNITS if cost not in OF_TRAINING]}"
        raise InputError("These generators are not trained here", expected=expected, received=f"cost={cost}")


def check_price(cost: CostName, price_per_hour: float | None) -> None:
    """Raises `InputError` unless there is a price exactly when the cost is a price."""
    if cost == "price" and price_per_hour is None:
        raise InputError("The price of an hour is not known", expected="--price-per-hour P", received="--cost price")
    if cost != "price" and price_per_hour is not None:
        raise InputError("A price has no effect", expected="--cost price", received=f"--cost {cost}")
    if price_per_hour is not None:
        check_positive("price_per_hour", price_per_hour)
