"""python -m benchmarks sampling: speed of `gan sample` relative to its generator, and memory."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks import machine
from benchmarks.benchmark import Benchmark, Log, Record, provenance
from benchmarks.summary import Spread, Table, format_spread
from gan.errors import check, check_positive, check_whole
from gan.saving import models
from gan.utils import tensorflow as runtime

if TYPE_CHECKING:
    from benchmarks.plot import Figure

BATCHES = tuple(2**power for power in range(5, 11))
BARE = "bare generator"
OUTPUTS = {"samples.npz": (), "samples/": ("--shard",)}
"""Kinds of output, and the options that they need."""


@dataclass(frozen=True)
class Sampling(Benchmark):
    """Compare `gan sample` with its bare generator: a compiled graph in a loop over latents in memory.

    The loop uses the fastest batch size of 32, 64, ..., 1,024. Each command runs after one loop, in a separate process.
    It is timed from the end of its imports to its last file, and its peak memory is reported. Finished rounds are saved
    in --out; rounds may be added.
    """

    checkpoint: str = "mnist"
    """A run folder, a .keras file, or a pretrained name."""
    nums: tuple[int, ...] = (100_000, 1_000_000)
    """Numbers of samples. Each is written to samples.npz, and to a folder of shards."""
    shard: int = 65_536
    """Samples in a shard."""
    rounds: int = 5
    """Measurements of each command."""
    seconds: float = 5.0
    """Approximate duration of each measurement of the bare generator, in seconds; at least one batch. Half of it for
    each batch size."""
    out: Path = Path("benchmarks/results/sampling")
    """Folder for results.json, table.md, plot.png and temporary samples."""

    name: ClassVar[str] = "sampling"

    def check(self) -> None:
        check(0 < len(set(self.nums)) == len(self.nums), "nums", "at least one, each once", list(self.nums))
        for num in self.nums:
            check_whole("nums", num, 1)
        check_whole("shard", self.shard, 1)
        check_whole("rounds", self.rounds, 1)
        check_positive("seconds", self.seconds)
        models.find_generator(self.checkpoint)

    def settings(self) -> Mapping[str, Any]:
        return {
            "checkpoint": self.checkpoint,
            "nums": self.nums,
            "shard": self.shard,
            "seconds": self.seconds,
            "generator_sha256": models.describe(self.checkpoint).sha256,
        }

    def measure(self, record: Record, log: Log) -> None:
        from benchmarks.loops import BareGenerator
        from gan import load_generator

        missing = [number for number in range(self.rounds) if not record.has(f"round-{number}", {})]
        if not missing:
            return
        runtime.start()
        bare = BareGenerator(load_generator(self.checkpoint))
        rates = {batch: bare.rate(batch, self.seconds / 2) for batch in BATCHES}
        best = max(rates, key=rates.__getitem__)
        log(f"{BARE}, samples/s by batch size: " + ", ".join(f"{batch}: {rate:,.0f}" for batch, rate in rates.items()))
        for number in missing:
            commands = []
            for num in self.nums:
                for output in OUTPUTS:
                    rate = bare.rate(best, self.seconds)
                    found = {"num": num, "output": output, "bare_rate": rate, **self._command(num, output)}
                    commands.append(found)
                    log(
                        f"round {number + 1} of {self.rounds}, {num:,} into {output}: {found['rate']:,.0f} samples/s, "
                        f"{BARE} {rate:,.0f}, {found['megabytes']} MB"
                    )
            record.add(f"round-{number}", {}, {"batch": best, "rates_by_batch": rates, "commands": commands})

    def _command(self, num: int, output: str) -> dict[str, Any]:
        """Runs `gan sample`, and returns {"rate", "seconds", "wall_seconds", "megabytes"}."""
        with tempfile.TemporaryDirectory(dir=self.out, prefix=".drawn-") as folder:
            options = [word for option in OUTPUTS[output] for word in (option, str(self.shard))]
            words = ["sample", self.checkpoint, "--num", str(num), "--out", f"{folder}/{output}", *options, "--json"]
            ended = machine.run_python("-m", "gan", *words)
        seconds = json.loads(ended.stdout)["seconds"]
        return {"rate": num / seconds, "seconds": seconds, "wall_seconds": ended.seconds, "megabytes": ended.megabytes}

    def table(self, content: Mapping[str, Any]) -> Table:
        runs = list(content["runs"].values())
        rates = [command["bare_rate"] for run in runs for command in run["commands"]]
        batches = sorted({run["batch"] for run in runs})
        rows = [
            [f"{BARE}, batch {', '.join(map(str, batches))}", f"{len(rates)}", format_spread(rates, ",.0f"), "1", "-"]
        ]
        rows += [
            [
                name,
                f"{len(commands)}",
                format_spread((command["rate"] for command in commands), ",.0f"),
                format_spread((command["rate"] / command["bare_rate"] for command in commands), ".3f"),
                format_spread((command["megabytes"] for command in commands), ",.0f"),
            ]
            for name, commands in _by_command(content).items()
        ]
        return Table(
            f"gan sample {content['settings']['checkpoint']}, from the end of its imports to its last file: median "
            "(minimum to maximum) of n.",
            ["command", "n", "samples/s", "relative to bare generator", "memory (MB)"],
            rows,
            [
                "Ratios compare with the bare generator measured just before. Memory: peak of the process, including "
                f"TensorFlow. Each shard has {content['settings']['shard']:,} samples.",
                *_growth(content),
                "",
                *provenance(content),
            ],
        )

    def figure(self, content: Mapping[str, Any]) -> "Figure":
        from benchmarks.plot import bars

        runs, commands = content["runs"].values(), _by_command(content)
        bare = {BARE: [command["bare_rate"] for run in runs for command in run["commands"]]}
        drawn = {name: [command["rate"] for command in each] for name, each in commands.items()}
        memory = {name: [command["megabytes"] for command in each] for name, each in commands.items()}
        return bars({"samples/s": {**bare, **drawn}, "memory (MB)": memory}, title="gan sample")


def _by_command(content: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Returns {`1,000 into samples.npz`: measurements, one per round}."""
    found: dict[str, list[dict[str, Any]]] = {}
    for run in content["runs"].values():
        for command in run["commands"]:
            found.setdefault(f"{command['num']:,} into {command['output']}", []).append(command)
    return found


def _growth(content: Mapping[str, Any]) -> list[str]:
    """Returns one sentence per output: additional memory of the largest number of samples over the smallest."""
    nums = sorted(content["settings"]["nums"])
    sentences = []
    for output in OUTPUTS:
        spreads = [
            Spread.of(command["megabytes"] for command in _by_command(content).get(f"{num:,} into {output}", ()))
            for num in (nums[0], nums[-1])
        ]
        if nums[0] < nums[-1] and None not in spreads:
            more = spreads[1].median - spreads[0].median  # type: ignore[union-attr]
            sentences.append(f"{nums[-1]:,} into {output} need {more:+,.0f} MB compared with {nums[0]:,}.")
    return sentences
