"""Base class of benchmarks: options, a resumable measurement, a record, a table and a plot."""

import abc
import dataclasses
import json
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks import machine
from benchmarks.summary import Table
from gan.distributed import cluster
from gan.errors import InputError
from gan.saving import files, training_state
from gan.saving.files import null_for_nan
from gan.utils import tensorflow as runtime

if TYPE_CHECKING:
    from benchmarks.plot import Figure

RESULTS, TABLE, PLOT = "results.json", "table.md", "plot.png"

Log = Callable[[str], None]


class BenchmarkInterruptedError(Exception):
    """A signal interrupted a benchmark. `signal` is its number. The same command resumes the benchmark."""

    def __init__(self, signal: int) -> None:
        super().__init__(
            f"interrupted by signal {signal}; run the same command again to resume after the last complete run"
        )
        self.signal = signal


class Record:
    """Runs of a benchmark by key, with their shared settings and the sessions that made them.

    results.json is written after every run, so that an interrupted benchmark can be resumed.

    `content`: {"benchmark", "settings", "sessions": [machine facts], "facts": {name: value shared by all runs}, "runs":
    {key: {"session", "config", and measured values}}}. It has JSON types only (null for NaN and infinity).
    """

    def __init__(self, folder: Path, benchmark: str, settings: Mapping[str, Any]) -> None:
        """Loads the record in `folder`, or starts a new one. Raises `InputError` if its settings differ."""
        self.folder = folder
        self.path = folder / RESULTS
        same = plain({"benchmark": benchmark, "settings": settings})
        self.content: dict[str, Any] = {**same, "sessions": [], "facts": {}, "runs": {}}
        if self.path.exists():
            found = files.read_json(self.path)
            if not (isinstance(found, dict) and set(found) == set(self.content)):
                raise InputError("Not a record of a benchmark", expected="another --out", received=str(self.path))
            _check_same({name: found[name] for name in same}, same, what=str(folder))
            self.content = found

    def begin_session(self, facts: Mapping[str, Any]) -> None:
        """Records the machine that makes the following runs."""
        self.content["sessions"].append(plain(facts))

    def has(self, key: str, config: Mapping[str, Any]) -> bool:
        """Returns whether run `key` is recorded. Raises `InputError` if its configuration differs."""
        found = self.content["runs"].get(key)
        if found is not None:
            _check_same(found["config"], plain(config), what=f"{key} in {self.folder}")
        return found is not None

    def add(self, key: str, config: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """Adds a run, and writes the file."""
        session = len(self.content["sessions"]) - 1
        self.content["runs"][key] = plain({"session": session, "config": config, **result})
        files.write_json(self.path, self.content)

    def note(self, name: str, value: Any) -> None:
        """Adds a value that is measured once for all runs, and writes the file."""
        self.content["facts"][name] = plain(value)
        files.write_json(self.path, self.content)


class Benchmark(abc.ABC):
    """A frozen dataclass of options, including `out`, with methods that measure and report.

    A new benchmark is a subclass with `name`, `settings`, `check`, `measure`, `table` and `figure`. It also needs a
    line in `benchmarks.cli.BENCHMARKS`. Its module imports TensorFlow only inside functions, because options are read
    first.
    """

    name: ClassVar[str]
    uses_tensorflow: ClassVar[bool] = True
    """Whether `measure` uses TensorFlow in this process."""
    out: Path

    @abc.abstractmethod
    def settings(self) -> Mapping[str, Any]:
        """Returns the settings that all runs of one table must share."""

    @abc.abstractmethod
    def check(self) -> None:
        """Raises `InputError` for bad options that can be detected before TensorFlow is imported."""

    @abc.abstractmethod
    def measure(self, record: Record, log: Log) -> None:
        """Makes the runs that are missing in `record`, and adds each one immediately.

        Raises `InputError` before the first run if something cannot be measured. Raises `BenchmarkInterruptedError` if
        a signal arrives.
        """

    @abc.abstractmethod
    def table(self, content: Mapping[str, Any]) -> Table:
        """Returns the table of a record's content."""

    @abc.abstractmethod
    def figure(self, content: Mapping[str, Any]) -> "Figure":
        """Returns the plot of a record's content."""

    def run(self, log: Log) -> dict[str, Any]:
        """Measures, and writes results.json, table.md and plot.png into `out`. Returns the content of results.json.

        Recorded runs are not made again. Raises the errors of `check` and `measure`. Raises `InputError` if `out` holds
        other settings, or the same run with another configuration.
        """
        if cluster.from_environment() is not None:
            raise InputError("Benchmarks run in one process only", expected="no TF_CONFIG", received="several workers")
        self.check()
        files.check_writable(self.out / TABLE)
        record = Record(self.out, self.name, self.settings())
        self.out.mkdir(parents=True, exist_ok=True)
        if self.uses_tensorflow:
            runtime.load_tensorflow()
        with training_state.locked(self.out):
            record.begin_session(machine.facts(self.command()))
            self.measure(record, log)
        self.report(record)
        return record.content

    def report(self, record: Record) -> None:
        """Writes table.md and plot.png of a record."""
        from benchmarks.plot import write_png

        markdown = self.table(record.content).markdown()
        files.write(self.out / TABLE, lambda beside: beside.write_text(markdown, encoding="utf-8"))
        write_png(self.out / PLOT, self.figure(record.content))

    def command(self) -> str:
        """Returns the command line with these options. Options with their default value are left out."""
        words = ["python", "-m", "benchmarks", self.name]
        for option in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, option.name)
            default = option.default if option.default_factory is dataclasses.MISSING else option.default_factory()
            if value != default:
                words += [f"--{option.name.replace('_', '-')}"]
                words += [str(part) for part in (value if isinstance(value, tuple) else (value,))]
        return shlex.join(words)


def provenance(content: Mapping[str, Any]) -> list[str]:
    """Returns lines with the machines and commands that made the runs of a record."""
    used = sorted({run["session"] for run in content["runs"].values()})
    sessions = [content["sessions"][number] for number in used]
    machines = dict.fromkeys(machine.sentence(session) for session in sessions)
    commands = dict.fromkeys(session["command"] for session in sessions)
    return [*(f"Measured on {machine}." for machine in machines), *(f"    {command}" for command in commands)]


def plain(value: Any) -> Any:
    """Converts a value to JSON types: null for NaN and infinity, lists for tuples, text for paths."""
    return null_for_nan(json.loads(json.dumps(value, default=str)))


def _check_same(before: Any, now: Any, *, what: str) -> None:
    changed = _differences(before, now)
    if changed:
        raise InputError(
            f"{what} was measured with other options",
            expected=", ".join(f"{name}={old!r}" for name, (old, _) in changed.items()) + ", or another --out",
            received=", ".join(f"{name}={new!r}" for name, (_, new) in changed.items()),
        )


def _differences(before: Any, now: Any, prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """Returns {name: (before, now)} of all differences. An option that one side lacks counts as null there."""
    if isinstance(before, dict) and isinstance(now, dict):
        found: dict[str, tuple[Any, Any]] = {}
        for name in dict.fromkeys([*before, *now]):
            found |= _differences(before.get(name), now.get(name), f"{prefix}.{name}" if prefix else name)
        return found
    return {} if before == now else {prefix: (before, now)}
