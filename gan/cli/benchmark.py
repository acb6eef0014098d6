"""gan benchmark: says where the benchmarks are now."""

import shlex
import sys
from dataclasses import dataclass

from tyro.conf import Positional

from gan.cli.exit_status import BAD_INPUT


@dataclass(frozen=True)
class Benchmark:
    """Moved: run python -m benchmarks NAME [--option value ...] from a checkout."""

    words: Positional[tuple[str, ...]] = ()
    """Name and options of a benchmark."""

    def run(self) -> int:
        """Prints the new command on stderr; returns `BAD_INPUT`."""
        command = shlex.join(["python", "-m", "benchmarks", *self.words])
        print(f"gan benchmark was moved: run {command} from a checkout", file=sys.stderr)
        return BAD_INPUT
