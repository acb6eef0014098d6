"""The commands of README.md, and what makes them short enough for a test."""

import re
import shlex
from dataclasses import dataclass, field

from helpers.commands import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")

TINY = (
    "--images 32 --eval-every 16 --batch-size 16 --latent-dim 4 --g-width 4 --d-width 4 --steps-per-execution 2 "
    "--probe none"
)
"""Behind an option of the README, an equal one takes its place."""

QUICK = {
    "make train": TINY,
    "gan train --resume runs/00001-mnist": "",
    "gan sample runs/00001-mnist --out digits.png": "",
    "gan sample runs/00001-mnist --num 64 --seed 0 --out digits.png": "",
    "gan sample mnist --label 7": "",
    "gan sample mnist --interpolate 0 9 --steps 10 --out walk.png": "",
    "gan sample mnist --num 1000000 --out digits.npz": "--num 100",
    "gan sample mnist --num 1000000 --out digits/ --shard 10000": "--num 100 --shard 40",
    "gan project mnist my-seven.jpg": "--steps 2 --restarts 1",
    "gan classify my-seven.jpg": "",
    "gan info mnist": "",
    "gan presets": "",
    "gan doctor": "",
    "gan train --batch-size 64": "--dry-run",  # on two machines: tests/distributed/test_devices.py has two
}
"""What `make test` runs: command -> options behind it. In the order of the README, but for the first."""

SLOW = {
    "gan train": TINY,
    "gan train mnist-mlp --epochs 3 --seed 1 --output runs/mlp": f"{TINY} --epochs 0.02",
    "gan train --dataset fashion_mnist": f"{TINY} --dataset mnist5k",
    "gan train r3gan --dataset cifar10 --epochs 30": f"{TINY} --dataset colour.npz --epochs 0.5",
    "gan train --loss hinge --d-norm spectral --penalties --conditioning concat": TINY,
    "gan evaluate runs/00001-mnist --tolerance 0.02": "--num 200",
    "gan compare mnist runs/00001-mnist": "",
    "gan train --tolerance 0.02": f"{TINY} --probe auto --eval-num 50",
    "gan train-classifier mnist-probe --output runs/probe": "--dataset mnist5k --width 4 --epochs 1",
    "python -m benchmarks recipes": (
        "--dataset mnist5k --presets mnist --seeds 0 --images 64 --num 200 --classifier mnist-probe"
    ),
    "python -m benchmarks step": "--dataset mnist5k --presets mnist --rounds 1 --seconds 0.01 --size 64",
    "python -m benchmarks headline": (
        "--dataset mnist5k --presets mnist-sprint --seeds 0 --epochs 0.01 --num 200 --classifier mnist-probe"
    ),
    "python -m benchmarks train-on-synthetic": (
        "--dataset mnist5k --classifier mnist-probe --num 200 --seeds 0 --epochs 1"
    ),
    "python -m benchmarks sampling": "--nums 100 --rounds 1 --seconds 0.01",
    "python -m benchmarks growth": "--batches 2 --widths --sizes --rounds 1 --seconds 0.01",
    "gan train --dataset pictures --image-size 64 --conditioning none --images 500000 --output runs/pictures": TINY,
    "gan sample runs/pictures --num 64 --out samples.png": "--num 4",
    "gan sample runs/pictures --num 1000 --out samples/": "--num 4",
}
"""What `make test-all` runs, too; `make test` asks these commands only whether they know their options."""

NOT_GOOD_ENOUGH = {"gan evaluate runs/00001-mnist --tolerance 0.02", "gan train --tolerance 0.02"}
"""So short, they end with the exit status of a tolerance that is exceeded."""

ELSEWHERE = {"make test", "make docs", "pip install ."}
"""Run as themselves by whoever works here, or by tests/project/test_docs.py and tests/project/test_packaging.py."""


@dataclass(frozen=True)
class Command:
    """A line of a block, and the variables that the block exports before it."""

    line: str
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def script(self) -> str | None:
        """The program of a benchmark; None: this is a command of `gan`."""
        return str(ROOT / "benchmarks" / "__main__.py") if self.line.startswith("python -m benchmarks ") else None

    def arguments(self, short: str) -> list[str]:
        """What the program is given, with options that make it short."""
        line = self.line.replace("make train", "gan train").replace("python -m benchmarks", "benchmarks")
        return shlex.split(f"{line} {short}")[1:]


def commands() -> list[Command]:
    """All lines of all blocks of commands."""
    found = []
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL):
        environment: dict[str, str] = {}
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["export"]:
                name, _, value = words[1].partition("=")
                environment[name] = value
            elif words:
                found.append(Command(" ".join(words).removeprefix(".venv/bin/"), environment))
    return found
