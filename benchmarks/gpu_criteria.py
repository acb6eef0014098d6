"""What `python -m benchmarks gpu` should show on a card, and whether the recorded rows show it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from statistics import median
from typing import Any

from benchmarks.gpu_floors import seconds_to
from benchmarks.summary import Table

Runs = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Criterion:
    """A bound on a value of the best row whose name matches a pattern.

    `value`: number of a recorded row; None: it has none. `least`, `most`: the bound, exactly one of them.
    `rank`: number by which the best row is chosen, the highest counts; None: the value itself.
    """

    text: str
    unit: str
    rows: str
    value: Callable[[Mapping[str, Any]], float | None]
    least: float | None = None
    most: float | None = None
    rank: Callable[[Mapping[str, Any]], float | None] | None = None

    def best(self, runs: Runs) -> tuple[str, float] | None:
        """Returns the name and the value of the best row. None: no row has a value."""
        found = {}
        for name, run in runs.items():
            value = self.value(run) if fnmatchcase(name, self.rows) and not {"failed", "not_run"} & set(run) else None
            rank = value if self.rank is None or value is None else self.rank(run)
            if value is not None and rank is not None:
                found[name] = (rank if self.rank or self.least is not None else -rank, value)
        return max(((name, pair[1]) for name, pair in found.items()), key=lambda one: found[one[0]][0], default=None)

    def is_met(self, value: float) -> bool:
        """Returns whether a value is within the bound."""
        return value <= self.most if self.most is not None else value >= (self.least or 0.0)


def steps_per_second(run: Mapping[str, Any]) -> float | None:
    """Returns the median of a row's steps per second."""
    rates = run.get("steps_per_second")
    return median(rates) if rates else None


def images_per_second(run: Mapping[str, Any]) -> float | None:
    """Returns the median of a row's images per second."""
    steps = steps_per_second(run)
    return None if steps is None else steps * run["images_per_step"]


def first_seconds(run: Mapping[str, Any]) -> float | None:
    """Returns the seconds of the first execution of a row's graph, which begins with its compilation."""
    found = run.get("first_seconds")
    return None if found is None else float(found)


def seconds_to_floors(most: float) -> Callable[[Mapping[str, Any]], float | None]:
    """Returns a function that takes the training seconds to `most` floors from a row."""
    return lambda run: seconds_to(run.get("curve", ()), most)


CRITERIA = (
    Criterion("mnist, batch 64", "steps/s", "mnist/64/*", steps_per_second, least=1_260.0),
    Criterion("tf-tutorial, batch 256", "steps/s", "tf-tutorial/256/*", steps_per_second, least=545.0),
    Criterion("mnist, batch 1,024", "images/s", "mnist/1024/*", images_per_second, least=320_000.0),
    Criterion("first steps of the fastest row of mnist, batch 64, with compilation", "s", "mnist/64/*", first_seconds,
              most=20.0, rank=steps_per_second),
    Criterion("training of mnist to 3 floors", "s", "floors/*/mnist", seconds_to_floors(3.0), most=5.0),
    Criterion("training of a preset to 1.2 floors", "s", "floors/*", seconds_to_floors(1.2), most=30.0),
)  # fmt: skip
"""Targets on one card of a data center. The step rates are those of PyTorch with one CUDA graph a step on an H100."""


def table(runs: Runs) -> Table:
    """Returns the table of all criteria."""
    rows = []
    for criterion in CRITERIA:
        bound = f">= {criterion.least:,g}" if criterion.least is not None else f"<= {criterion.most:,g}"
        best = criterion.best(runs)
        cells = ["-", "not measured", "-"]
        if best is not None:
            name, value = best
            form = ",.0f" if value >= 100 else ".1f"
            cells = [f"{value:{form}}", "met" if criterion.is_met(value) else "not met", name]
        rows.append([criterion.text, f"{bound} {criterion.unit}", *cells])
    return Table("Targets on a card:", ["what", "target", "measured", "", "best row"], rows)
