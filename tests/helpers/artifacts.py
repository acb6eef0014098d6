"""Tables of exported files with given numbers, for the choice of a file."""

import shutil
from dataclasses import replace

from gan.deployment.table import Artifact, ArtifactCost, ArtifactFile, ArtifactQuality, ArtifactTable
from gan.saving import files
from gan.saving.saved_generator import find_saved
from gan.tolerance import ErrorRate


def row(name, wrong, milliseconds, *, weights="float32", coverage=0.9, size=1_000, memory=10**8, sha256="0" * 64):
    """Returns a row of a table: `wrong` of 1,000 samples, and the milliseconds for a batch."""
    rate = ErrorRate(wrong, 1_000)
    lower, upper = rate.interval
    quality = ArtifactQuality(
        wrong=wrong, num=1_000, error_rate=rate.value, error_rate_lower=lower, error_rate_upper=upper,
        verdict="within", frechet_distance=None, frechet_in_floors=None, coverage=coverage,
    )  # fmt: skip
    cost = ArtifactCost(
        milliseconds=milliseconds, milliseconds_fastest=milliseconds, milliseconds_slowest=milliseconds, rounds=1,
        batches=1, peak_memory_bytes=memory,
    )  # fmt: skip
    file = ArtifactFile(name=name, bytes=size, content_sha256=sha256)
    return Artifact(format="keras", weights=weights, file=file, quality=quality, cost=cost)


def write_table(run, rows, *, path="exported/tiny-artifacts.json", **changes):
    """Writes a table of files that are copies of the generator, and returns its path."""
    sha256 = find_saved(run).summary.sha256
    path = run.parent / path
    path.parent.mkdir(exist_ok=True)
    rows = tuple(replace(one, file=replace(one.file, content_sha256=sha256)) if one.file else one for one in rows)
    for one in rows:
        if one.file:
            shutil.copyfile(run / "generator.keras", path.parent / one.file.name)
    table = ArtifactTable(
        kind="artifacts", name="tiny", generator_sha256=sha256, dataset="mnist", classifier_sha256="ab",
        tolerance=0.02, num=1_000, seed=7, frechet_floor=None, real_coverage=0.95, batch=64, idle_memory_bytes=None,
        artifacts=rows, cpu="", cores=2, command="", date="",
    )  # fmt: skip
    files.write_json(path, replace(table, **changes).as_dict())
    return path
