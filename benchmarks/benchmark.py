"""What every benchmark is: options, a measurement that can be broken off, a table and a plot."""

import abc
import dataclasses
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks import machine
from benchmarks.record import Record
from benchmarks.table import Table
from gan import checkpoints, cluster, runtime, state
from gan.errors import InputError

if TYPE_CHECKING:
    from benchmarks.plot import Figure

TABLE, PLOT = "table.md", "plot.png"

Say = Callable[[str], None]


class BrokenOffError(Exception):
    """A signal ended a benchmark on its way; `signal` is its number. The same command goes on."""

    def __init__(self, signal: int) -> None:
        super().__init__(f"broken off by signal {signal}; the same command goes on from the last complete run")
        self.signal = signal


class Benchmark(abc.ABC):
    """A frozen dataclass of options, `out` among them, that can measure itself.

    A new benchmark is a subclass with `name`, `settings`, `check`, `measure`, `table` and `figure`, and a line in
    `BENCHMARKS`. It imports TensorFlow inside `measure` only: the command line reads its options before that.
    """

    name: ClassVar[str]
    out: Path

    @abc.abstractmethod
    def settings(self) -> Mapping[str, Any]:
        """What runs that stand in one table must have in common."""

    @abc.abstractmethod
    def check(self) -> None:
        """Raises `InputError` for what can be refused before TensorFlow is imported."""

    @abc.abstractmethod
    def measure(self, record: Record, say: Say) -> None:
        """Makes the runs that `record` does not have yet, entering each as soon as it is made.

        Raises `InputError` for what cannot be measured, before the first run; `BrokenOffError` for a signal.
        """

    @abc.abstractmethod
    def table(self, content: Mapping[str, Any]) -> Table:
        """The table of a record's content."""

    @abc.abstractmethod
    def figure(self, content: Mapping[str, Any]) -> "Figure":
        """The plot of a record's content."""

    def run(self, say: Say) -> dict[str, Any]:
        """Measures, and writes results.json, table.md and plot.png into `out`; returns the content of the first.

        A run that is recorded there already is not made again. Raises as `check` and `measure`; and `InputError` when
        `out` holds other settings, or the same run with another configuration.
        """
        from benchmarks.plot import write_png

        if cluster.from_environment() is not None:
            raise InputError("A benchmark is of one process", expected="no TF_CONFIG", received="several workers")
        self.check()
        checkpoints.check_writable(self.out / TABLE)
        record = Record(self.out, self.name, self.settings())
        self.out.mkdir(parents=True, exist_ok=True)
        runtime.load_tensorflow()
        with state.locked(self.out):
            record.begin_session(machine.facts(self.command()))
            self.measure(record, say)
        markdown = self.table(record.content).markdown()
        checkpoints.write(self.out / TABLE, lambda beside: beside.write_text(markdown, encoding="utf-8"))
        write_png(self.out / PLOT, self.figure(record.content))
        return record.content

    def command(self) -> str:
        """The command line with these options, without those that have their default."""
        words = ["python", "-m", "benchmarks", self.name]
        for option in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, option.name)
            default = option.default if option.default_factory is dataclasses.MISSING else option.default_factory()
            if value != default:
                words += [f"--{option.name.replace('_', '-')}"]
                words += [str(part) for part in (value if isinstance(value, tuple) else (value,))]
        return shlex.join(words)


def provenance(content: Mapping[str, Any]) -> list[str]:
    """Lines about where the runs of a record were made, and by which command."""
    used = sorted({run["session"] for run in content["runs"].values()})
    sessions = [content["sessions"][number] for number in used]
    machines = dict.fromkeys(machine.sentence(session) for session in sessions)
    commands = dict.fromkeys(session["command"] for session in sessions)
    return [*(f"Measured on {machine}." for machine in machines), *(f"    {command}" for command in commands)]
