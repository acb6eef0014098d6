"""Measurements that a user can repeat: each is a dataclass of options that measures itself. See `Benchmark`."""

from collections.abc import Mapping
from types import MappingProxyType

from gan.benchmark.benchmark import PLOT, TABLE, Benchmark, BrokenOffError
from gan.benchmark.growth import Growth
from gan.benchmark.headline import Headline
from gan.benchmark.recipes import Recipes
from gan.benchmark.record import RESULTS
from gan.benchmark.sampling import Sampling
from gan.benchmark.stacked_mnist import StackedMnist
from gan.benchmark.start import Start
from gan.benchmark.step import Step
from gan.benchmark.train_on_synthetic import TrainOnSynthetic

BENCHMARKS: Mapping[str, type[Benchmark]] = MappingProxyType(
    {kind.name: kind for kind in (Headline, Recipes, StackedMnist, Step, Growth, Sampling, Start, TrainOnSynthetic)}
)
"""Benchmarks by name: `gan benchmark NAME`."""

__all__ = [
    "BENCHMARKS",
    "PLOT",
    "RESULTS",
    "TABLE",
    "Benchmark",
    "BrokenOffError",
    "Growth",
    "Headline",
    "Recipes",
    "Sampling",
    "StackedMnist",
    "Start",
    "Step",
    "TrainOnSynthetic",
]
