"""python -m benchmarks sampling: what `gan sample` makes of its generator's speed, and how much memory it needs."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks import machine
from benchmarks.benchmark import Benchmark, Record, Say, provenance
from benchmarks.summary import Spread, Table, written
from gan.errors import check, check_positive, check_whole
from gan.saving import models
from gan.utils import tensorflow as runtime

if TYPE_CHECKING:
    from benchmarks.plot import Figure

BATCHES = tuple(2**power for power in range(5, 11))
BARE = "bare generator"
OUTPUTS = {"samples.npz": (), "samples/": ("--shard",)}
"""What is written, and the options that it needs."""


@dataclass(frozen=True)
class Sampling(Benchmark):
    """Measure `gan sample` against its bare generator, a compiled graph in a loop over latents that are there already.

    The loop's batch is the fastest of 32, 64, ..., 1,024 in the same run. Each command, from the end of its imports to
    its last file, follows such a loop, in a process of its own, whose largest resident memory is told, too. Rounds that
    are done are kept in --out, and may be added.
    """

    checkpoint: str = "mnist"
    """A run folder, a .keras file, or a pretrained name."""
    nums: tuple[int, ...] = (100_000, 1_000_000)
    """Pictures of each command: into samples.npz, and into a folder of shards."""
    shard: int = 65_536
    """Pictures of a shard."""
    rounds: int = 5
    """How often each is measured."""
    seconds: float = 5.0
    """About how long the bare generator is measured each time, and half of that for each batch size; one batch at
    least."""
    out: Path = Path("benchmarks/results/sampling")
    """Folder for results.json, table.md and plot.png, and for what is drawn, until it is measured."""

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

    def measure(self, record: Record, say: Say) -> None:
        from benchmarks.loops import BareGenerator
        from gan import load_generator

        missing = [number for number in range(self.rounds) if not record.has(f"round-{number}", {})]
        if not missing:
            return
        runtime.start()
        bare = BareGenerator(load_generator(self.checkpoint))
        rates = {batch: bare.rate(batch, self.seconds / 2) for batch in BATCHES}
        best = max(rates, key=rates.__getitem__)
        say(f"{BARE}, pictures/s by batch: " + ", ".join(f"{batch}: {rate:,.0f}" for batch, rate in rates.items()))
        for number in missing:
            commands = []
            for num in self.nums:
                for output in OUTPUTS:
                    rate = bare.rate(best, self.seconds)
                    found = {"num": num, "output": output, "bare_rate": rate, **self._command(num, output)}
                    commands.append(found)
                    say(
                        f"round {number + 1} of {self.rounds}, {num:,} into {output}: {found['rate']:,.0f} pictures/s, "
                        f"{BARE} {rate:,.0f}, {found['megabytes']} MB"
                    )
            record.add(f"round-{number}", {}, {"batch": best, "rates_by_batch": rates, "commands": commands})

    def _command(self, num: int, output: str) -> dict[str, Any]:
        """{"rate", "seconds", "wall_seconds", "megabytes"} of `gan sample`."""
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
        rows = [[f"{BARE}, batch {', '.join(map(str, batches))}", f"{len(rates)}", written(rates, ",.0f"), "1", "-"]]
        rows += [
            [
                name,
                f"{len(commands)}",
                written((command["rate"] for command in commands), ",.0f"),
                written((command["rate"] / command["bare_rate"] for command in commands), ".3f"),
                written((command["megabytes"] for command in commands), ",.0f"),
            ]
            for name, commands in _by_command(content).items()
        ]
        return Table(
            f"gan sample {content['settings']['checkpoint']}, from the end of its imports to its last file: median "
            "(least to most) of n.",
            ["what draws", "n", "pictures/s", "of the bare generator", "memory (MB)"],
            rows,
            [
                "Ratios are to the bare generator just before. Memory: the most that the process held, TensorFlow and "
                f"all. Shards are of {content['settings']['shard']:,} pictures.",
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
        return bars({"pictures/s": {**bare, **drawn}, "memory (MB)": memory}, title="gan sample")


def _by_command(content: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """{`1,000 into samples.npz`: what was measured, one a round}."""
    found: dict[str, list[dict[str, Any]]] = {}
    for run in content["runs"].values():
        for command in run["commands"]:
            found.setdefault(f"{command['num']:,} into {command['output']}", []).append(command)
    return found


def _growth(content: Mapping[str, Any]) -> list[str]:
    """How much more memory the most pictures take than the fewest, in words, for each output."""
    nums = sorted(content["settings"]["nums"])
    said = []
    for output in OUTPUTS:
        spreads = [
            Spread.of(command["megabytes"] for command in _by_command(content).get(f"{num:,} into {output}", ()))
            for num in (nums[0], nums[-1])
        ]
        if nums[0] < nums[-1] and None not in spreads:
            more = spreads[1].median - spreads[0].median  # type: ignore[union-attr]
            said.append(f"{nums[-1]:,} into {output} take {more:+,.0f} MB beside {nums[0]:,}.")
    return said
