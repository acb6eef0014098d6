"""python -m benchmarks pytorch: `fit` of a preset and the same train step in PyTorch, in turns."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from benchmarks import turns
from benchmarks.benchmark import Benchmark, Log, Record, provenance
from benchmarks.summary import Table, format_spread
from gan.errors import InputError, check, check_different, check_whole

if TYPE_CHECKING:
    from benchmarks.plot import Figure

FIT = "fit"
EVERY = 80
"""Steps of a turn are a multiple of it: whole executions of the graph, and whole intervals of the lazy penalty."""
MODES = {
    "eager": {"channels_last": False, "compiled": False},
    "channels-last": {"channels_last": True, "compiled": False},
    "compiled": {"channels_last": False, "compiled": True},
    "compiled-channels-last": {"channels_last": True, "compiled": True},
}
Mode = Literal["eager", "channels-last", "compiled", "compiled-channels-last"]
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class PyTorch(Benchmark):
    """Compare `fit` of a preset with the same networks, losses, lazy penalty and batches in PyTorch.

    Each loop has a process of its own, which is started once. The processes take turns, round by round, and one works
    at a time. `fit` is compared with each mode of PyTorch; the fastest of them counts.
    """

    preset: Literal["mnist", "tf-tutorial"] = "mnist"
    """Preset (see `gan presets`)."""
    precisions: tuple[Precision, ...] = ("float32", "bfloat16")
    """Precision of both libraries. bfloat16: mixed_bfloat16, and autocast in PyTorch."""
    modes: tuple[Mode, ...] = ("eager", "channels-last", "compiled", "compiled-channels-last")
    """Modes of PyTorch. compiled: torch.compile, except for the penalty, whose second derivative it does not have."""
    torch_python: Path | None = None
    """Python interpreter of an environment with PyTorch. None: this one."""
    rounds: int = 7
    """Turns of each loop."""
    steps: int = 160
    """Train steps of each turn, a multiple of 80."""
    batch_size: int = 64
    """Images per batch."""
    dataset: str = "mnist"
    """Dataset of `fit`. PyTorch gets random images that are in memory already."""
    out: Path = Path("benchmarks/results/pytorch")
    """Folder for results.json, table.md and plot.png."""

    name: ClassVar[str] = "pytorch"
    uses_tensorflow: ClassVar[bool] = False  # its threads would share the cores with those that are timed

    def check(self) -> None:
        check_whole("rounds", self.rounds, 1)
        check_whole("batch_size", self.batch_size, 1)
        check_whole("steps", self.steps, EVERY)
        check(self.steps % EVERY == 0, "steps", f"a multiple of {EVERY}", self.steps)
        for name in ("precisions", "modes"):
            check_different(name, getattr(self, name))
            check(len(getattr(self, name)) > 0, name, "at least one", list(getattr(self, name)))
        torch_version(self._python)

    def settings(self) -> Mapping[str, Any]:
        return {
            "preset": self.preset,
            "batch_size": self.batch_size,
            "dataset": self.dataset,
            "steps": self.steps,
            "modes": list(self.modes),
        }

    def command(self) -> str:
        """Returns the command line with these options. The path of another interpreter means nothing elsewhere."""
        here = replace(self, torch_python=None)
        return super(PyTorch, here).command() + (" --torch-python PYTHON" if self.torch_python is not None else "")

    @property
    def _python(self) -> str:
        return sys.executable if self.torch_python is None else str(self.torch_python)

    def measure(self, record: Record, log: Log) -> None:
        for precision in self.precisions:
            keys = {number: f"{precision}/round-{number}" for number in range(self.rounds)}
            missing = [number for number, key in keys.items() if not record.has(key, {})]
            if not missing:
                continue
            log(f"{precision}: the processes start")
            with turns.runners(self._asked(precision)) as started:
                record.note("libraries", list(dict.fromkeys(one.facts["description"] for one in started.values())))
                for number in missing:
                    seconds = turns.take_turns(started, self.steps, number)
                    rates = {name: self.batch_size * self.steps / taken for name, taken in seconds.items()}
                    record.add(keys[number], {}, {"precision": precision, "images_per_second": rates})
                    said = ", ".join(f"{name} {rate:,.0f}" for name, rate in rates.items())
                    log(f"{precision}: round {number + 1} of {self.rounds}, images/s: {said}")

    def _asked(self, precision: Precision) -> dict[str, tuple[str, dict[str, Any]]]:
        """Returns the interpreter and the arguments of each loop's process."""
        same: dict[str, Any] = {
            "preset": self.preset,
            "batch_size": self.batch_size,
            "bfloat16": precision == "bfloat16",
        }
        asked = {FIT: (sys.executable, {"kind": "fit", "dataset": self.dataset, **same})}
        for mode in self.modes:
            asked[mode] = (self._python, {"kind": "pytorch", **same, **MODES[mode]})
        return asked

    def table(self, content: Mapping[str, Any]) -> Table:
        settings, rows, below = content["settings"], [], []
        for precision, loops in rates_of(content).items():
            best = fastest(loops)
            for name, rates in loops.items():
                ratios = [ours / theirs for ours, theirs in zip(loops[FIT], rates)]
                rows.append(
                    [
                        f"{precision}: {name if name == FIT else f'PyTorch, {name}'}",
                        f"{len(rates)}",
                        format_spread(rates, ",.0f"),
                        "-" if name == FIT else format_spread(ratios, ".2f"),
                    ]
                )
            ratios = [ours / theirs for ours, theirs in zip(loops[FIT], loops[best])]
            times = format_spread(ratios, ".2f")
            below.append(f"* {precision}: {times} times the images of PyTorch in its fastest mode, {best}.")
        return Table(
            f"Train steps of {settings['preset']}, batches of {settings['batch_size']}, {settings['steps']} steps a "
            "turn: median (minimum to maximum) of n rounds. The loops take turns.",
            ["loop", "n", "images/s", "fit relative to it"],
            rows,
            [
                "Images: real images seen by D. Each ratio is computed within one round. `fit` trains on the dataset "
                "and PyTorch on random images; both have them in memory. `fit` made:",
                "",
                *below,
                "",
                f"{'; '.join(content['facts']['libraries'])}.",
                "",
                *provenance(content),
            ],
        )

    def figure(self, content: Mapping[str, Any]) -> "Figure":
        from benchmarks.plot import bars

        shown = {f"images/s, {precision}": loops for precision, loops in rates_of(content).items()}
        return bars(shown, title=f"Train steps of {content['settings']['preset']}: fit and PyTorch", stacked=True)


def rates_of(content: Mapping[str, Any]) -> dict[str, dict[str, list[float]]]:
    """Returns the images/s of a record: {precision: {loop: one value per round}}."""
    found: dict[str, dict[str, list[float]]] = {}
    for run in content["runs"].values():
        loops = found.setdefault(run["precision"], {})
        for name, rate in run["images_per_second"].items():
            loops.setdefault(name, []).append(rate)
    return found


def fastest(loops: Mapping[str, list[float]]) -> str:
    """Returns the mode of PyTorch with the highest median of images/s."""
    return max((name for name in loops if name != FIT), key=lambda name: median(loops[name]))


def torch_version(python: str) -> str:
    """Returns the version of PyTorch of an interpreter. Raises `InputError` if it has none."""
    program = "from importlib.metadata import version; print(version('torch'))"
    try:
        done = subprocess.run([python, "-c", program], capture_output=True, encoding="utf-8", check=False)
    except OSError as error:
        raise InputError("Not a Python interpreter", expected="--torch-python PATH", received=python) from error
    if done.returncode:
        raise InputError(
            "There is no PyTorch", expected="--torch-python with the Python of an environment with it", received=python
        )
    return done.stdout.strip()
