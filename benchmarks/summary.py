"""Summaries of measurements: spreads, power laws and tables."""

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
        """Computes the spread of all finite values. None: no value is finite."""
        known = sorted(value for value in values if value is not None and math.isfinite(value))
        if not known:
            return None
        return cls(len(known), statistics.median(known), known[0], known[-1])

    def format(self, form: str = ".3g") -> str:
        """Formats the spread as `median (minimum to maximum)`, or as one number if all are equal."""
        middle, least, most = (_number(value, form) for value in (self.median, self.least, self.most))
        return middle if least == most else f"{middle} ({least} to {most})"


def _number(value: float, form: str) -> str:
    """Formats a number, large numbers without an exponent: 1,090 instead of 1.09e+03."""
    text = format(value, form)
    return f"{float(text):,.0f}" if "e+" in text else text


def format_spread(values: Iterable[float | None], form: str = ".3g", *, scale: float = 1.0) -> str:
    """Formats the spread of values times `scale`. Returns `-` without values."""
    spread = Spread.of(value if value is None else value * scale for value in values)
    return "-" if spread is None else spread.format(form)


@dataclass(frozen=True)
class PowerLaw:
    """y = factor x^exponent, fitted to logarithms by least squares. `stderr`: of the exponent (NaN for two points)."""

    factor: float
    exponent: float
    stderr: float

    @classmethod
    def of(cls, points: Points) -> "PowerLaw | None":
        """Fits a law to points (x, y), all positive. None: fewer than two different x."""
        from scipy import stats  # slow to import

        if len({x for x, _ in points}) < 2:
            return None
        x, y = np.log(np.asarray(points, np.float64)).T
        line = stats.linregress(x, y)
        stderr = float(line.stderr) if len(points) > 2 else math.nan  # SciPy returns 0 for two points
        return cls(math.exp(line.intercept), float(line.slope), stderr)

    def curve(self, points: Points, count: int = 60) -> list[tuple[float, float]]:
        """Returns `count` points of the law over the x range of `points`."""
        ends = [x for x, _ in points]
        return [(float(x), float(self.factor * x**self.exponent)) for x in np.geomspace(min(ends), max(ends), count)]

    def format(self) -> str:
        """Formats the exponent with its standard error."""
        return f"{self.exponent:z.2f}" + ("" if math.isnan(self.stderr) else f" ± {self.stderr:.2f}")


@dataclass(frozen=True)
class Table:
    """A table: title, columns, rows with one cell per column, and notes below. The first column is left-aligned."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"Expected {len(self.columns)} cells. Received: {row!r}.")

    def markdown(self) -> str:
        """Returns the table as Markdown, aligned for a monospaced font."""
        header, *rows = [[cell.replace("|", "\\|") for cell in row] for row in (self.columns, *self.rows)]
        aligned = ("left", *["right"] * (len(self.columns) - 1))
        lines = tabulate(rows, header, tablefmt="pipe", disable_numparse=True, colalign=aligned)
        return "\n".join([self.title, "", lines, *([""] if self.notes else []), *self.notes]) + "\n"
