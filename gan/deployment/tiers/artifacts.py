"""The cheapest exported file that is within a bound, from the table of `gan export --table`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gan.deployment.table import Artifact, ArtifactQuality, ArtifactTable
from gan.deployment.tiers.table import Tier
from gan.errors import InputError, Json, as_json
from gan.saving.saved_generator import find_saved
from gan.tolerance import covers
from gan.utils.commands import shell_command

Cost = Literal["milliseconds", "bytes", "memory"]
"""What is cheap: time for a batch, size on disk, or peak memory of the process."""


def _milliseconds(row: Artifact) -> float | None:
    return row.cost.milliseconds if row.cost else None


def _bytes(row: Artifact) -> float | None:
    return row.file.bytes if row.file else None


def _memory(row: Artifact) -> float | None:
    return row.cost.peak_memory_bytes if row.cost else None


COSTS: dict[Cost, Callable[[Artifact], float | None]] = {
    "milliseconds": _milliseconds,
    "bytes": _bytes,
    "memory": _memory,
}
"""Cost -> its number in a row of the table; None: not measured."""


@dataclass(frozen=True, kw_only=True)
class ChosenArtifact:
    """The file to deploy, and what was measured of it."""

    path: str
    format: str
    weights: str
    error_rate_upper: float
    milliseconds: float
    """For a batch of the table, 64 samples."""
    bytes: int
    peak_memory_bytes: int | None
    confirm: str | None
    """Command that measures the file on fresh samples; None: it draws the samples of the generator itself.

    The table measures several files with the same samples, and the choice among them may favor a lucky one. So rounded
    weights are confirmed by samples that were not used for the choice.
    """

    def as_dict(self) -> dict[str, Json]:
        """Returns the choice in JSON types."""
        return as_json(self)


def cheapest_within(
    table: ArtifactTable, folder: Path, tier: Tier, tolerance: float, cost: Cost
) -> tuple[ChosenArtifact | None, list[str]]:
    """Returns the cheapest file within the range of a tier and with enough coverage, and what was passed over.

    A file that has changed since it was measured, or that is not there, is passed over. None: no file is left, or the
    tier has no upper end.
    """
    number = COSTS[cost]
    priced = [(price, row) for row in table.artifacts if (price := number(row)) is not None]
    passed_over = []
    for _, row in sorted(priced, key=lambda pair: pair[0]):
        if row.quality is None or row.cost is None or row.file is None or not _is_within(row.quality, table, tier,
                                                                                         tolerance):  # fmt: skip
            continue
        path = folder / row.file.name
        if not _is_as_measured(path, row):
            passed_over.append(f"{path} is not the file that was measured")
            continue
        chosen = ChosenArtifact(
            path=str(path),
            format=row.format,
            weights=row.weights,
            error_rate_upper=row.quality.error_rate_upper,
            milliseconds=row.cost.milliseconds,
            bytes=row.file.bytes,
            peak_memory_bytes=row.cost.peak_memory_bytes,
            confirm=None if row.weights == "float32" else _confirmation(path, table, tier.limit(tolerance)),
        )
        return chosen, passed_over
    return None, passed_over


def _is_within(quality: ArtifactQuality, table: ArtifactTable, tier: Tier, tolerance: float) -> bool:
    if tier.up_to is None or quality.coverage is None or table.real_coverage is None:
        return False
    return tier.includes(quality.error_rate_upper, tolerance) and covers(quality.coverage, table.real_coverage)


def _is_as_measured(path: Path, row: Artifact) -> bool:
    if row.file is None or not path.exists():
        return False
    try:
        saved = find_saved(path)
    except InputError:  # damaged, or another program's
        return False
    return row.file.content_sha256 == (saved.summary.sha256 if saved.card is None else saved.card.content_sha256)


def _confirmation(path: Path, table: ArtifactTable, limit: float | None) -> str:
    fresh = ("--num", str(table.num), "--seed", str((table.seed + 1) % 2**32), "--tolerance", f"{limit or 1:g}")
    return shell_command("gan", "evaluate", path, *fresh, "--output", path.parent)
