"""python -m benchmarks gpu: what this project does on the GPU of this machine, row by row."""

import math
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks import gpu_criteria, gpu_data
from benchmarks.benchmark import Benchmark, BenchmarkInterruptedError, Log, Record, plain, provenance
from benchmarks.gpu_checks import NO_GPU
from benchmarks.gpu_plan import (
    DEFAULT,
    GPU,
    TORCH,
    Row,
    flags_of,
    merged,
    missing_need,
    plan,
    selected,
    working_variant,
)
from benchmarks.gpu_process import last_line, run_row
from benchmarks.summary import Table, format_spread
from gan.errors import InputError, check_positive
from gan.utils import tensorflow as runtime

if TYPE_CHECKING:
    from benchmarks.plot import Figure

DEVICE, DATA = Row("device", "device", limit_s=90.0), Row("data", "data", limit_s=120.0)
DEVICE_FACTS = "device"
OUT_OF_TIME = "out of time"
ANOTHER_DEVICE = ("gpus", "driver", "tensorflow")
"""Facts of the device that all rows of a record share."""


@dataclass(frozen=True)
class Gpu(Benchmark):
    """Measure this machine's GPU: correctness, steps/s of each mode, PyTorch, training time, sampling, and checks.

    Each row runs in a process of its own with a time limit, the most important rows first, so a row that hangs costs
    only itself and says where. The dataset is read once, without the GPU. Results are written after every row. The same
    command resumes: rows with a result are not made again. Without a GPU, rows that need one say so.
    """

    minutes: float = 8.0
    """Time for all rows of this command. Rows that no longer fit are recorded as not run."""
    rows: tuple[str, ...] = ()
    """Names or patterns of the rows to make, such as 'mnist/64/*'. Without names: all."""
    seconds: float = 2.0
    """Approximate duration of each measurement of steps, in seconds; at least one execution of the graph."""
    dataset: str = "mnist"
    """Dataset of all rows."""
    out: Path = Path("benchmarks/results/gpu")
    """Folder for results.json, table.md and plot.png."""

    name: ClassVar[str] = "gpu"
    uses_tensorflow: ClassVar[bool] = False  # a process that uses a GPU keeps a part of its memory

    def check(self) -> None:
        check_positive("minutes", self.minutes)
        check_positive("seconds", self.seconds)
        for pattern in self.rows:
            if not selected(self._plan(), [pattern]):
                names = [row.name for row in self._plan()]
                raise InputError("No such row", expected=f"one of {names}, or a pattern", received=pattern)

    def settings(self) -> Mapping[str, Any]:
        return {"dataset": self.dataset, "seconds": self.seconds}

    def _plan(self) -> list[Row]:
        return plan(dataset=self.dataset, seconds=self.seconds)

    def measure(self, record: Record, log: Log) -> None:
        deadline = time.monotonic() + 60.0 * self.minutes
        rows = selected(self._plan(), self.rows)
        numbers = {row.name: number for number, row in enumerate(self._plan())}
        with _ended_by_sigterm(), tempfile.TemporaryDirectory(prefix="gan-gpu-data-") as folder:
            has = self._find_device(record, log, deadline)
            missing = [row for row in rows if not _has_result(record, row)]
            log(f"{len(rows)} rows; {len(rows) - len(missing)} already recorded in {record.path}")
            data = self._read_data(Path(folder), log, deadline) if missing else {}
            for row in missing:
                found = _make(row, has, deadline, record.content["runs"], data)
                record.add(row.name, row.config, {"number": numbers[row.name], **found})
                if "seconds" in found:  # a drawing for each row that was not started would take the time of a row
                    self.report(record)
                log(f"{row.name}: {' · '.join(cell for cell in _cells(found) if cell != '-')}")

    def _find_device(self, record: Record, log: Log, deadline: float) -> dict[str, bool]:
        """Records the device of this machine. Returns what it has: {need of a row: whether this machine has it}.

        Rows of a record without a GPU are made again on a machine with one. Raises `InputError` if the rows were made
        with another GPU.
        """
        limit = min(DEVICE.limit_s, deadline - time.monotonic())
        ended = run_row(DEVICE.kind, {}, limit_s=limit)
        found = plain({**ended.values, "tensorflow": runtime.installed_version("tensorflow"), "failed": ended.failed})
        if found["failed"] is None:
            _check_device(record, found, log)
            log("device: " + describe_device(found))
        else:
            log(f"device: {found['failed']}. All rows are tried")
        if found["failed"] is None or DEVICE_FACTS not in record.content["facts"]:
            record.note(DEVICE_FACTS, found)
        unknown = found["failed"] is not None
        return {GPU: unknown or bool(found["gpus"]), TORCH: unknown or found["torch"] is not None}

    def _read_data(self, folder: Path, log: Log, deadline: float) -> dict[str, str]:
        """Reads the dataset in a process without a GPU. Returns the variables of a row that reads its arrays.

        Returns none if that failed: each row then reads the dataset itself. Raises `InputError` if it is not available.
        """
        path = folder / "dataset.npz"
        limit = min(DATA.limit_s, deadline - time.monotonic())
        options = {"dataset": self.dataset, "path": str(path)}
        ended = run_row(DATA.kind, options, limit_s=limit, environment=NO_GPU)
        if "no_dataset" in ended.values:
            raise InputError(
                "The dataset is not available", expected="--dataset mnist5k", received=f"--dataset {self.dataset}"
            )
        if ended.failed is not None:
            log(f"data: {ended.failed}. Each row reads the dataset itself. The end of the output:\n{ended.output}")
            return {}
        return {gpu_data.VARIABLE: str(path)}

    def table(self, content: Mapping[str, Any]) -> Table:
        rows = [[name, *_cells(run)] for name, run in _in_order(content["runs"])]
        settings = content["settings"]
        return Table(
            f"{describe_device(content['facts'][DEVICE_FACTS])}. Dataset {settings['dataset']}, measurements of about "
            f"{settings['seconds']:g} s: median (minimum to maximum).",
            ["row", "result", "steps/s", "images/s", "first steps (s)", "details"],
            rows,
            [
                "mnist/64/xla/float32: preset, batch size, mode, precision, variant. Images: real images seen by D. "
                "First steps: the first call of the graph, which compiles. `differs`: a check found more than its "
                "tolerance. `failed`: the row was started and has no result. `not run`: no time was left for the row; "
                "the same command makes it.",
                *_describe_flags(content["runs"]),
                *_targets(content),
                "",
                *provenance(content),
            ],
        )

    def figure(self, content: Mapping[str, Any]) -> "Figure":
        from benchmarks.plot import bars

        groups: dict[str, dict[str, list[float]]] = {}
        for name, run in _in_order(content["runs"]):
            if run.get("steps_per_second") and "preset" in run["config"]["options"]:
                options = run["config"]["options"]
                panel = f"steps/s, {options['preset']}, batch {options['batch_size']}"
                label = name.replace(f"{options['preset']}/{options['batch_size']}/", "")
                groups.setdefault(panel, {})[label] = run["steps_per_second"]
        return bars(groups or {"steps/s": {}}, title=describe_device(content["facts"][DEVICE_FACTS]), stacked=True)


def describe_device(facts: Mapping[str, Any]) -> str:
    """Describes the device and its versions in one line."""
    if facts.get("failed"):
        return f"The device is not known ({facts['failed']})"
    if not facts["gpus"]:
        return "No GPU"
    cudnn = facts["cudnn"]
    versions = {
        "driver": facts["driver"],
        "CUDA": facts["build"]["cuda_version"],
        "cuDNN": f"{cudnn // 10_000}.{cudnn // 100 % 100}.{cudnn % 100}" if cudnn else facts["build"]["cudnn_version"],
        "TensorFlow": facts["tensorflow"],
        "PyTorch": facts["torch"],
    }
    names = ", ".join(facts["gpus"])
    return ", ".join([names, *(f"{name} {version}" for name, version in versions.items() if version is not None)])


def _check_device(record: Record, found: Mapping[str, Any], log: Log) -> None:
    """Forgets rows without a GPU if there is one now. Raises `InputError` if rows were made with another device."""
    before = record.content["facts"].get(DEVICE_FACTS)
    if before is None or before["failed"] is not None or not record.content["runs"]:
        return
    if found["gpus"] and not before["gpus"]:
        log("the recorded rows were made without a GPU, and are made again")
        record.content["runs"].clear()
        return
    mine, theirs = ({name: facts.get(name) for name in ANOTHER_DEVICE} for facts in (found, before))
    if mine != theirs:
        raise InputError(
            f"{record.path} was measured with another device or another TensorFlow",
            expected=f"{theirs}, or another --out",
            received=f"{mine}",
        )


def _has_result(record: Record, row: Row) -> bool:
    """Returns whether a row has a result. Raises `InputError` if that of another configuration is recorded."""
    run = record.content["runs"].get(row.name)
    return run is not None and not ({"failed", "not_run"} & set(run)) and record.has(row.name, row.config)


def _make(
    row: Row, has: Mapping[str, bool], deadline: float, runs: Mapping[str, Any], data: Mapping[str, str]
) -> dict[str, Any]:
    """Makes a row. Returns {"seconds", measured values, "failed": reason if it failed}, or {"not_run": reason}.

    data: variables of its process that say where its dataset is.

    A row that follows has the variant of XLA in "variant", unless that is XLA as it is installed.
    """
    need = missing_need(row, has)
    if need is not None:
        return {"not_run": f"needs {need}"}
    if row.after_failure is not None and "failed" not in runs.get(row.after_failure, {}):
        return {"not_run": "not needed"}
    variant = working_variant(runs) if row.follows else DEFAULT
    if variant is None:
        return {"not_run": "no variant of XLA works"}
    left = deadline - time.monotonic()
    if left < row.usual_s:
        return {"not_run": OUT_OF_TIME}
    environment = {**merged(flags_of(variant), row.environment), **data}
    ended = run_row(row.kind, row.options, limit_s=min(row.limit_s, left), environment=environment)
    log = f"; the last line of its log: {last_line(ended.output)}" if row.logs else ""
    failed = {} if ended.failed is None else {"failed": f"{ended.failed}{log}", "output": ended.output}
    used = {} if variant == DEFAULT else {"variant": variant}
    return {"seconds": ended.seconds, **used, **ended.values, **failed}


def _cells(run: Mapping[str, Any]) -> list[str]:
    """Returns the cells of a row of the table, without its name."""
    rates, images, first = (
        run.get("steps_per_second", []),
        run.get("images_per_step", math.nan),
        run.get("first_seconds"),
    )
    variant = f"flags of {run['variant']}" if "variant" in run else None
    said = [text for text in (variant, run.get("details"), run.get("failed")) if text]
    if "not_run" in run:
        result = run["not_run"] if run["not_run"] != OUT_OF_TIME else f"not run: {OUT_OF_TIME}"
    elif "failed" in run:
        result = "failed"
    else:
        result = {None: "measured", True: "passed", False: "differs"}[run.get("passed")]
    return [
        result,
        format_spread(rates, ",.1f"),
        format_spread((rate * images for rate in rates), ",.0f"),
        "-" if first is None else f"{first:.1f}",
        "; ".join(said) or "-",
    ]


def _describe_flags(runs: Mapping[str, Any]) -> list[str]:
    """Returns a line for each row that was started with variables of its own."""
    lines = []
    for name, run in _in_order(runs):
        variables = run["config"]["environment"] or run["config"]["options"].get("flags", {})
        if variables and "not_run" not in run:
            lines.append(f"{name}: `{' '.join(f'{variable}={text!r}' for variable, text in variables.items())}`")
    return ["", "Variables of rows:", "", *(f"* {line}" for line in lines)] if lines else []


def _targets(content: Mapping[str, Any]) -> list[str]:
    """Returns the table of the targets on a card, if there is one."""
    device = content["facts"][DEVICE_FACTS]
    return ["", *gpu_criteria.table(content["runs"]).markdown().splitlines()] if device.get("gpus") else []


def _in_order(runs: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Returns the recorded rows in the order of their plan."""
    return sorted(runs.items(), key=lambda pair: pair[1]["number"])


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM raises `BenchmarkInterruptedError` inside, so that the process of a row is killed as well."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: object) -> None:
        raise BenchmarkInterruptedError(number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
