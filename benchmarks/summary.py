"""Several measurements of one thing, in a few numbers."""

import math
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Spread:
    """Median and range of `n` finite values, and the standard error of their mean (NaN of one value)."""

    n: int
    median: float
    least: float
    most: float
    stderr: float

    @classmethod
    def of(cls, values: Iterable[float | None]) -> "Spread | None":
        """That of the values that are finite numbers; None when there are none."""
        known = sorted(value for value in values if value is not None and math.isfinite(value))
        if not known:
            return None
        stderr = statistics.stdev(known) / math.sqrt(len(known)) if len(known) > 1 else math.nan
        return cls(len(known), statistics.median(known), known[0], known[-1], stderr)

    def written(self, form: str = ".3g") -> str:
        """For people: `median (least to most)`, or one number where they are the same."""
        middle, least, most = (_number(value, form) for value in (self.median, self.least, self.most))
        return middle if least == most else f"{middle} ({least} to {most})"

    def as_dict(self) -> dict[str, float | None]:
        """As JSON types: None for NaN."""
        return {name: value if math.isfinite(value) else None for name, value in asdict(self).items()}


def _number(value: float, form: str) -> str:
    """As `format`, but large numbers without an exponent: 1,090, not 1.09e+03."""
    text = format(value, form)
    return f"{float(text):,.0f}" if "e+" in text else text


def written(values: Iterable[float | None], form: str = ".3g", *, scale: float = 1.0) -> str:
    """The spread of values, each times `scale`, for people; `-` when there are none."""
    spread = Spread.of(value if value is None else value * scale for value in values)
    return "-" if spread is None else spread.written(form)
