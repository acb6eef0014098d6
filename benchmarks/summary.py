"""Measurements in a few numbers: the spread of several, the power law that they follow, and tables of them."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from tabulate import tabulate

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Spread:
    """Median and range of `n` finite values."""

    n: int
    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float | None]) -> "Spread | None":
        """That of the values that are finite numbers; None when there are none."""
        known = sorted(value for value in values if value is not None and math.isfinite(value))
        if not known:
            return None
        return cls(len(known), statistics.median(known), known[0], known[-1])

    def written(self, form: str = ".3g") -> str:
        """For people: `median (least to most)`, or one number where they are the same."""
        middle, least, most = (_number(value, form) for value in (self.median, self.least, self.most))
        return middle if least == most else f"{middle} ({least} to {most})"


def _number(value: float, form: str) -> str:
    """As `format`, but large numbers without an exponent: 1,090, not 1.09e+03."""
    text = format(value, form)
    return f"{float(text):,.0f}" if "e+" in text else text


def written(values: Iterable[float | None], form: str = ".3g", *, scale: float = 1.0) -> str:
    """The spread of values, each times `scale`, for people; `-` when there are none."""
    spread = Spread.of(value if value is None else value * scale for value in values)
    return "-" if spread is None else spread.written(form)


@dataclass(frozen=True)
class PowerLaw:
    """y = factor x^exponent, fitted by least squares to logarithms; `stderr` of the exponent (NaN of two points)."""

    factor: float
    exponent: float
    stderr: float

    @classmethod
    def of(cls, points: Points) -> "PowerLaw | None":
        """That of points (x, y), all positive; None when they have fewer than two different x."""
        from scipy import stats  # slow to import

        if len({x for x, _ in points}) < 2:
            return None
        x, y = np.log(np.asarray(points, np.float64)).T
        line = stats.linregress(x, y)
        stderr = float(line.stderr) if len(points) > 2 else math.nan  # SciPy says 0 of two points
        return cls(math.exp(line.intercept), float(line.slope), stderr)

    def curve(self, points: Points, count: int = 60) -> list[tuple[float, float]]:
        """Points of the law over the range of x that `points` have."""
        ends = [x for x, _ in points]
        return [(float(x), float(self.factor * x**self.exponent)) for x in np.geomspace(min(ends), max(ends), count)]

    def written(self) -> str:
        """The exponent for people."""
        return f"{self.exponent:z.2f}" + ("" if math.isnan(self.stderr) else f" ± {self.stderr:.2f}")


@dataclass(frozen=True)
class Table:
    """A title, columns, rows of as many cells, and notes that stand below. The first column is aligned left."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"Expected {len(self.columns)} cells. Received: {row!r}.")

    def markdown(self) -> str:
        """The table as Markdown that is aligned, too, where letters have one width."""
        header, *rows = [[cell.replace("|", "\\|") for cell in row] for row in (self.columns, *self.rows)]
        aligned = ("left", *["right"] * (len(self.columns) - 1))
        lines = tabulate(rows, header, tablefmt="pipe", disable_numparse=True, colalign=aligned)
        return "\n".join([self.title, "", lines, *([""] if self.notes else []), *self.notes]) + "\n"
