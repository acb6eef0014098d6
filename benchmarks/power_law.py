"""How fast something grows: the straight line through its points where both axes are logarithmic."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class PowerLaw:
    """y = factor x^exponent, fitted by least squares to logarithms; `stderr` of the exponent (NaN of two points)."""

    factor: float
    exponent: float
    stderr: float

    @classmethod
    def of(cls, points: Points) -> "PowerLaw | None":
        """That of points (x, y), all positive; None when they have fewer than two different x."""
        if len({x for x, _ in points}) < 2:
            return None
        x, y = np.log(np.asarray(points, np.float64)).T
        deviation = x - x.mean()
        exponent = deviation @ y / (deviation @ deviation)
        residual = y - y.mean() - exponent * deviation
        free = len(points) - 2
        stderr = math.sqrt(residual @ residual / free / (deviation @ deviation)) if free else math.nan
        return cls(math.exp(y.mean() - exponent * x.mean()), float(exponent), stderr)

    def curve(self, points: Points, count: int = 60) -> list[tuple[float, float]]:
        """Points of the law over the range of x that `points` have."""
        ends = [x for x, _ in points]
        return [(float(x), float(self.factor * x**self.exponent)) for x in np.geomspace(min(ends), max(ends), count)]

    def written(self) -> str:
        """The exponent for people."""
        return f"{self.exponent:z.2f}" + ("" if math.isnan(self.stderr) else f" ± {self.stderr:.2f}")
