"""Prints the table of `gan export --table`."""

from pathlib import Path

from rich import box
from rich.table import Table

from gan.cli.output import print_result, print_table
from gan.deployment.table import Artifact, ArtifactTable
from gan.evaluation.report import samples_text

TITLES = {"keras": "Keras", "saved_model": "SavedModel", "onnx": "ONNX", "litert": "LiteRT"}
"""Format -> name for people, as short as a column of a narrow terminal needs."""

COLUMNS = ("", "error rate", "Frechet", "coverage", "KiB", "ms", "MiB", "verdict")


def print_artifacts(table: ArtifactTable, path: Path) -> None:
    """Prints the rows in at most 80 columns, then the conditions of the measurement and the failures.

    Args:
        table: the table.
        path: its file.
    """
    title = f"{table.name}: {samples_text(table.num, table.compared)} against the test images of {table.dataset}"
    shown = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for column in COLUMNS:
        shown.add_column(column, justify="right" if column not in ("", "verdict") else "left")
    for artifact in table.artifacts:
        shown.add_row(f"{TITLES[artifact.format]}\n{artifact.weights}", *_cells(artifact))
    print_table(shown)
    failures = {f"{one.format} {one.weights}": f"failed: {one.failure}" for one in table.artifacts if one.failure}
    floor = "not known" if table.frechet_floor is None else _number(table.frechet_floor)
    real = "not known" if table.real_coverage is None else f"{table.real_coverage:.3f}"
    idle = _mebibytes(table.idle_memory_bytes)
    rounds = max((one.cost.rounds for one in table.artifacts if one.cost), default=0)
    print_result(
        {
            **failures,
            "error rate": "95 % interval below it",
            "Frechet": f"in floors below it; the floor, of training images, is {floor}",
            "coverage": f"{real} for validation images",
            "ms": f"for {table.batch} samples: median of {rounds} rounds, fastest-slowest below it",
            "MiB": f"peak memory of the process, {idle} of it before it loads the engine",
            "verdict": f"for a tolerance of {table.tolerance:g}",
            "CPU": f"{table.cpu}, {table.cores} cores",
            "table": str(path),
        },
        as_json=False,
    )


def _cells(artifact: Artifact) -> tuple[str, ...]:
    file, quality, cost = artifact.file, artifact.quality, artifact.cost
    size = f"{file.bytes / 2**10:,.0f}" if file else ""
    if quality is None or cost is None:
        return "failed", "", "", size, "", "", ""
    return (
        f"{100 * quality.error_rate:.2f} %\n{100 * quality.error_rate_lower:.2f}-{100 * quality.error_rate_upper:.2f}",
        f"{_number(quality.frechet_distance)}\n{_number(quality.frechet_in_floors)}",
        "-" if quality.coverage is None else f"{quality.coverage:.3f}",
        size,
        f"{_number(cost.milliseconds)}\n{_number(cost.milliseconds_fastest)}-{_number(cost.milliseconds_slowest)}",
        _mebibytes(cost.peak_memory_bytes),
        quality.verdict,
    )


def _number(value: float | None) -> str:
    """Returns a number with three digits, or with all digits before its point."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 99.95 else f"{value:#.3g}"


def _mebibytes(number: int | None) -> str:
    return "-" if number is None else f"{number / 2**20:,.0f}"
