"""python -m benchmarks start: start-up time of commands."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks import machine
from benchmarks.benchmark import Benchmark, Log, Record, provenance
from benchmarks.summary import Table, format_spread
from gan.errors import check_whole
from gan.saving import models

if TYPE_CHECKING:
    from benchmarks.plot import Figure

HELP, IMPORT = "gan --help", "import tensorflow"


@dataclass(frozen=True)
class Start(Benchmark):
    """Measure the time of `gan --help`, of `gan sample` with a few samples, and of importing TensorFlow alone.

    Each command runs in a separate process, and the commands take turns. Finished rounds are saved in --out; rounds may
    be added.
    """

    checkpoint: str = "mnist"
    """A run folder, a .keras file, or a pretrained name."""
    num: int = 64
    """Number of samples."""
    rounds: int = 7
    """Measurements of each command."""
    out: Path = Path("benchmarks/results/start")
    """Folder for results.json, table.md and plot.png."""

    name: ClassVar[str] = "start"

    def check(self) -> None:
        check_whole("num", self.num, 1)
        check_whole("rounds", self.rounds, 1)
        models.find_generator(self.checkpoint)

    def settings(self) -> Mapping[str, Any]:
        return {
            "checkpoint": self.checkpoint,
            "num": self.num,
            "generator_sha256": models.describe(self.checkpoint).sha256,
        }

    def measure(self, record: Record, log: Log) -> None:
        with tempfile.TemporaryDirectory() as folder:
            grid = str(Path(folder) / "samples.png")
            commands = {
                HELP: ("-m", "gan", "--help"),
                IMPORT: ("-c", "import tensorflow"),
                self._sample: ("-m", "gan", "sample", self.checkpoint, "--num", str(self.num), "--out", grid),
            }
            for number in range(self.rounds):
                key = f"round-{number}"
                if record.has(key, {}):
                    continue
                seconds = {name: machine.run_python(*words).seconds for name, words in commands.items()}
                record.add(key, {}, {"seconds": seconds})
                took = ", ".join(f"{name} {taken:.2f} s" for name, taken in seconds.items())
                log(f"round {number + 1} of {self.rounds}: {took}")

    @property
    def _sample(self) -> str:
        return f"gan sample {self.checkpoint} --num {self.num}"

    def table(self, content: Mapping[str, Any]) -> Table:
        rows = [
            [
                name,
                f"{len(seconds)}",
                format_spread(seconds, ".2f"),
                format_spread((mine - other for mine, other in zip(seconds, _seconds(content)[IMPORT])), ".2f"),
            ]
            for name, seconds in _seconds(content).items()
        ]
        return Table(
            "Wall time of commands in separate processes, taking turns: median (minimum to maximum) of n rounds.",
            ["command", "n", "seconds", "minus importing TensorFlow (s)"],
            rows,
            ["Each difference is computed within one round.", "", *provenance(content)],
        )

    def figure(self, content: Mapping[str, Any]) -> "Figure":
        from benchmarks.plot import bars

        return bars({"wall time (s)": _seconds(content)}, title="Wall time of commands")


def _seconds(content: Mapping[str, Any]) -> dict[str, list[float]]:
    """Returns {command: seconds, one per round}."""
    rounds = [run["seconds"] for run in content["runs"].values()]
    return {name: [seconds[name] for seconds in rounds] for name in (rounds[0] if rounds else ())}
