"""gan benchmark: prints the new command of a benchmark."""

import sys
from dataclasses import dataclass

from gan.cli.exit_status import BAD_INPUT
from gan.utils.commands import shell_command


@dataclass(frozen=True)
class Benchmark:
    """The former command `gan benchmark`, now `python -m benchmarks` in a checkout. The help does not list it."""

    words: tuple[str, ...] = ()
    """Name and options of the benchmark."""

    def run(self) -> int:
        """Prints the new command on stderr; returns `BAD_INPUT`."""
        command = shell_command("python", "-m", "benchmarks", *self.words)
        print(f"gan benchmark was moved: run {command} from a checkout", file=sys.stderr)
        return BAD_INPUT
