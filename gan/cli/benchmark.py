"""gan benchmark."""

import sys
from dataclasses import dataclass
from typing import Annotated, Any, Union

from tyro.conf import arg, subcommand

from gan.benchmark import BENCHMARKS, PLOT, RESULTS, TABLE, BrokenOffError
from gan.cli.output import SIGNALLED, print_result

_ANY: Any = Union[tuple(Annotated[kind, subcommand(name)] for name, kind in BENCHMARKS.items())]  # noqa: UP007


@dataclass(frozen=True)
class Benchmark:
    """Measure what the README claims, on this machine: gan benchmark NAME [--option value ...]."""

    benchmark: Annotated[_ANY, arg(name="")]
    json: bool = False
    """Print exactly one JSON object on stdout."""

    def run(self) -> int:
        """Measures, with progress on stderr, and prints the table."""
        benchmark = self.benchmark
        try:
            content = benchmark.run(lambda line: print(f"benchmark: {line}", file=sys.stderr))
        except BrokenOffError as error:
            print(f"gan: {error}", file=sys.stderr)
            return SIGNALLED + error.signal
        files = {name: str(benchmark.out / name) for name in (RESULTS, TABLE, PLOT)}
        if self.json:
            print_result({**content, "files": files}, as_json=True)
        else:
            print((benchmark.out / TABLE).read_text(encoding="utf-8"), end="")
            print("\nWritten: " + ", ".join(files.values()), file=sys.stderr)
        return 0
