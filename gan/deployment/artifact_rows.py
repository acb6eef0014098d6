"""The rows of a table of artifacts: each format and weight width is exported, and timed in a process of its own."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from gan import sampling
from gan.deployment.export import export_generator
from gan.deployment.measured_engine import MeasuredEngine
from gan.deployment.names import export_name
from gan.deployment.table import Artifact, ArtifactCost, ArtifactFile, ArtifactFormat, ArtifactQuality
from gan.errors import InputError
from gan.evaluation.error_rate import BLOCK
from gan.evaluation.sample_quality import QualityReference, SampleQuality
from gan.sampling.writers import cut
from gan.saving import files
from gan.saving.engines.card import FormatName, Weights
from gan.saving.engines.find import FORMATS
from gan.saving.saved_generator import SavedGenerator
from gan.tolerance import verdict
from gan.utils.extras import import_extra
from gan.utils.json_process import ProcessFailure
from gan.utils.tensorflow import silent_stderr

MODULES = (
    "onnx",
    "onnxruntime",
    "tf2onnx",
    "ai_edge_litert.interpreter",
    "tensorflow_serving.apis.predict_pb2",
)
"""Modules of the extra `export`."""

WIDTHS: tuple[Weights, ...] = get_args(Weights)
"""Weight widths of each format."""
ROWS: list[tuple[ArtifactFormat, Weights]] = [
    ("keras", "float32"),
    *((form.name, weights) for form in FORMATS.values() for weights in WIDTHS),
]
"""Format and weight width of each row."""


@dataclass(frozen=True)
class TimedArtifact:
    """A format and weight width of a generator: its file, and the time that it takes."""

    format: ArtifactFormat
    weights: Weights
    path: Path | None = None
    """The file, or the folder of a SavedModel. None: the format cannot express the generator."""
    bytes: int | None = None
    cost: ArtifactCost | None = None
    """None: not timed, or failed."""
    failure: str | None = None
    """Why there is no file, or no time."""

    @property
    def name(self) -> str:
        """Format and weight width, such as onnx-int8."""
        return f"{self.format}-{self.weights}"


def check_extra() -> None:
    """Raises `InputError` if a package of the extra `export` is not installed."""
    with silent_stderr():
        for module in MODULES:
            import_extra(module, extra="export")


def export_rows(saved: SavedGenerator, folder: Path, license: str | None, say: Callable[[str], None]) -> "list[Row]":
    """Writes the files of all rows."""
    folder.mkdir(parents=True, exist_ok=True)
    return [_export(row, saved, folder, license, say) for row in ROWS]


@contextmanager
def timed_rows(
    saved: SavedGenerator,
    folder: Path,
    timed: Mapping[str, np.ndarray],
    *,
    rounds: int,
    license: str | None,
    say: Callable[[str], None],
) -> "Iterator[list[Row]]":
    """Writes the files of all rows, and times a process for each of them. The processes end with the context.

    timed: inputs of the timed batches.
    """
    with tempfile.TemporaryDirectory(prefix="gan-table-") as scratch, ExitStack() as at_end:
        rows = export_rows(saved, folder, license, say)
        say("loading the generators")
        for row in rows:
            row.start(folder, Path(scratch), timed)
            at_end.callback(row.close)
        for row in rows:
            row.ask(MeasuredEngine.finish_loading)
        for number in range(rounds):
            say(f"measuring times, round {number + 1} of {rounds}")
            for row in rows[:: -1 if number % 2 else 1]:
                row.ask(MeasuredEngine.time_round)
        yield rows


@dataclass(frozen=True)
class Inputs:
    """What all files draw their samples of: the latents of a seed, and the requested labels int [num], or None."""

    seed: int
    latent_dim: int
    labels: np.ndarray | None

    def of(self, indices: range) -> dict[str, np.ndarray]:
        """Returns {name of an input: array} of some samples."""
        inputs = {"latents": sampling.latents(self.seed, np.asarray(indices), self.latent_dim)}
        if self.labels is not None:
            inputs["labels"] = self.labels[indices.start : indices.stop].astype(np.int32)
        return inputs


@dataclass
class Row:
    """A row while it is measured. After a failure, nothing else is done for it."""

    format: ArtifactFormat
    weights: Weights
    file: ArtifactFile | None = None
    failure: str | None = None
    engine: MeasuredEngine | None = None
    quality: SampleQuality | None = None

    @property
    def title(self) -> str:
        """Format and weight width, for messages."""
        return f"{self.format} {self.weights}"

    def start(self, folder: Path, scratch: Path, timed: Mapping[str, np.ndarray]) -> None:
        """Starts the process of the generator, which loads it. `timed`: inputs of the timed batches."""
        if self.file is None:
            return
        self.engine = MeasuredEngine(
            self.format, folder / self.file.name, timed, scratch / self.title.replace(" ", "-")
        )
        self.ask(MeasuredEngine.start_loading)

    def ask(self, question: Callable[[MeasuredEngine], None]) -> None:
        """Asks the process, and keeps the reason if it cannot answer."""
        if self.failure is None and self.engine is not None:
            try:
                question(self.engine)
            except ProcessFailure as error:
                self.failure = str(error)

    def measure(self, reference: QualityReference, inputs: Inputs) -> None:
        """Evaluates the samples of the process: those that are compared at once, the others in blocks."""

        def evaluate(engine: MeasuredEngine) -> None:
            first = engine.generate(inputs.of(range(reference.compared)))
            rest = cut(range(reference.compared, reference.num), BLOCK)
            others = (engine.generate(inputs.of(block)) for block in rest)
            try:
                self.quality = reference.measure(first, inputs.labels, others)
            except InputError as error:
                raise ProcessFailure(str(error)) from error

        self.ask(evaluate)

    def close(self) -> None:
        """Ends the process, if there is one."""
        if self.engine is not None:
            self.engine.close()

    def timed(self, folder: Path) -> TimedArtifact:
        """Returns file and time of the row, whose file is in a folder."""
        return TimedArtifact(
            format=self.format,
            weights=self.weights,
            path=None if self.file is None else folder / self.file.name,
            bytes=None if self.file is None else self.file.bytes,
            cost=None if self.engine is None or self.failure is not None else self.engine.cost,
            failure=self.failure,
        )

    def artifact(self, reference: QualityReference, tolerance: float) -> Artifact:
        """Returns the row of the table."""
        if self.engine is None or self.quality is None:
            return Artifact(format=self.format, weights=self.weights, file=self.file, failure=self.failure)
        quality = _quality(self.quality, reference, tolerance)
        return Artifact(
            format=self.format, weights=self.weights, file=self.file, quality=quality, cost=self.engine.cost
        )


def _export(
    row: tuple[ArtifactFormat, Weights],
    saved: SavedGenerator,
    folder: Path,
    license: str | None,
    log: Callable[[str], None],
) -> Row:
    """Writes the file of a row."""
    format, weights = row
    made = Row(format, weights)
    log(f"exporting {made.title}")
    try:
        made.file = _copy(saved, folder) if format == "keras" else _exported(format, weights, saved, folder, license)
    except InputError as error:
        made.failure = str(error)
    return made


def _exported(
    format: FormatName, weights: Weights, saved: SavedGenerator, folder: Path, license: str | None
) -> ArtifactFile:
    found = export_generator(saved.file.path, folder, format=format, weights=weights, license=license)
    return ArtifactFile(
        name=found.path.relative_to(folder).as_posix(),
        bytes=found.bytes,
        content_sha256=found.card.content_sha256,
        max_difference=found.card.max_difference,
    )


def _copy(saved: SavedGenerator, folder: Path) -> ArtifactFile:
    """Copies the .keras file, so that the folder has all files."""
    target = folder / f"{export_name(saved)}.keras"
    if not (target.exists() and target.samefile(saved.file.path)):
        files.check_writable(target)
        files.write(target, lambda partial: shutil.copyfile(saved.file.path, partial))
    return ArtifactFile(name=target.name, bytes=target.stat().st_size, content_sha256=files.sha256(target))


def _quality(found: SampleQuality, reference: QualityReference, tolerance: float) -> ArtifactQuality:
    floor = reference.frechet_floor
    lower, upper = found.rate.interval
    return ArtifactQuality(
        wrong=found.rate.wrong,
        num=found.rate.n,
        error_rate=found.rate.value,
        error_rate_lower=lower,
        error_rate_upper=upper,
        verdict=verdict(
            found.rate,
            tolerance,
            coverage=found.coverage,
            real_coverage=reference.real_coverage,
            real=found.real_rate,
        ),
        frechet_distance=found.frechet_distance,
        frechet_in_floors=found.frechet_distance / floor if floor > 0 else None,
        coverage=found.coverage,
    )
