"""Command line: python -m benchmarks NAME [--option value ...]. Does not import TensorFlow."""

import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Annotated, Any, Generic, TypeVar, Union

import tyro

from benchmarks.benchmark import PLOT, RESULTS, TABLE, Benchmark, BenchmarkInterruptedError
from gan.cli.exit_status import DONE, after_signal
from gan.cli.main import run
from gan.cli.output import print_result

PROG = "python -m benchmarks"
DESCRIPTION = "Reproduce the measurements of the documentation on this machine."

BENCHMARKS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "headline": ("benchmarks.headline", "Headline"),
        "recipes": ("benchmarks.recipes", "Recipes"),
        "stacked-mnist": ("benchmarks.stacked_mnist", "StackedMnist"),
        "step": ("benchmarks.step", "Step"),
        "gpu": ("benchmarks.gpu", "Gpu"),
        "pytorch": ("benchmarks.pytorch", "PyTorch"),
        "growth": ("benchmarks.growth", "Growth"),
        "sampling": ("benchmarks.sampling", "Sampling"),
        "serve": ("benchmarks.serve", "Serve"),
        "start": ("benchmarks.start", "Start"),
        "train-on-synthetic": ("benchmarks.train_on_synthetic", "TrainOnSynthetic"),
        "fit-checks": ("benchmarks.fit_checks", "FitChecks"),
        "read-digits": ("benchmarks.read_digits", "ReadDigits"),
        "rejection": ("benchmarks.rejection", "Rejection"),
        "little-data": ("benchmarks.little_data", "LittleData"),
        "text": ("benchmarks.text", "Text"),
        "feedback": ("benchmarks.feedback", "Feedback"),
        "stopping-rules": ("benchmarks.stopping_rules", "StoppingRules"),
        "stopping": ("benchmarks.stopping", "Stopping"),
    }
)
"""Module and class of each benchmark, by its name on the command line. A module is imported when needed."""

Options = TypeVar("Options", bound=Benchmark)


@dataclass(frozen=True)
class Command(Generic[Options]):
    """A benchmark with its options, and the format of its output."""

    benchmark: Annotated[Options, tyro.conf.arg(name="")]
    json: bool = False
    """Print one JSON object on stdout."""

    def run(self) -> int:
        """Measures, prints progress on stderr and the table on stdout, and returns the exit status."""
        benchmark = self.benchmark
        try:
            content = benchmark.run(lambda line: print(f"benchmark: {line}", file=sys.stderr))
        except BenchmarkInterruptedError as error:
            print(f"benchmarks: {error}", file=sys.stderr)
            return after_signal(error.signal)
        files = {name: str(benchmark.out / name) for name in (RESULTS, TABLE, PLOT)}
        if self.json:
            print_result({**content, "files": files}, as_json=True)
        else:
            print((benchmark.out / TABLE).read_text(encoding="utf-8"), end="")
            print("\nWritten: " + ", ".join(files.values()), file=sys.stderr)
        return DONE


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one benchmark, and returns its exit status as `gan.cli.main.main` does."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    return run(lambda: parse(arguments).run(), prog="benchmarks")


def parse(arguments: Sequence[str]) -> Command[Any]:
    """Parses the name of a benchmark and its options. Exits with status 2 and a message if they are invalid."""
    name, *options = arguments or ("--help",)
    if name not in BENCHMARKS:  # help, or an unknown name
        kinds = tuple(Annotated[load_benchmark(known), tyro.conf.subcommand(known)] for known in BENCHMARKS)
        every: Any = Union[kinds]  # noqa: UP007
        return Command(tyro.cli(every, prog=PROG, description=DESCRIPTION, args=arguments))
    kind: Any = load_benchmark(name)
    config = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff)
    description = inspect.getdoc(kind)
    command: Any = Command[kind]
    return tyro.cli(command, prog=f"{PROG} {name}", description=description, args=options, config=config)


def load_benchmark(name: str) -> type[Benchmark]:
    """Returns the class of a benchmark. Raises KeyError for an unknown name."""
    module, kind = BENCHMARKS[name]
    found: type[Benchmark] = getattr(import_module(module), kind)
    return found
