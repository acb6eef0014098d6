"""Measures what each format and weight width of a generator costs: quality, bytes, time and memory."""

import datetime
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from gan import sampling
from gan.data.load import DatasetLike, as_dataset
from gan.deployment.engine_process import BATCH
from gan.deployment.export import PACKAGES, export_generator
from gan.deployment.measured_engine import MeasuredEngine
from gan.deployment.names import export_name, public_name
from gan.deployment.table import Artifact, ArtifactFile, ArtifactFormat, ArtifactQuality, ArtifactTable, table_path
from gan.errors import InputError, check_seed, check_share, check_whole
from gan.evaluation.classifier.extractor import ClassifierLike, as_classifier
from gan.evaluation.error_rate import BLOCK
from gan.evaluation.evaluation import EVALUATION_SEED, check_generator
from gan.evaluation.reference import choose_labels, limit_images, most_samples, samples_to_compare
from gan.evaluation.sample_quality import QualityReference, SampleQuality
from gan.sampling.generators import as_engine
from gan.sampling.writers import cut
from gan.saving import files
from gan.saving.engines.card import FormatName, Weights
from gan.saving.engines.find import FORMATS
from gan.saving.metadata import ClassifierCard, check_card
from gan.saving.saved_generator import SavedGenerator, find_to_export
from gan.tolerance import verdict
from gan.utils import machine
from gan.utils import tensorflow as runtime
from gan.utils.arguments import checked
from gan.utils.commands import shell_command
from gan.utils.extras import import_extra
from gan.utils.json_process import ProcessFailure
from gan.utils.tensorflow import silent_stderr

MOST_SAMPLES = 10_000
"""Default number of samples, if each split of the dataset has as many images."""

ROUNDS = 15
"""Rounds of timed batches. All files take turns in each of them."""

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


@checked
def measure_artifacts(
    checkpoint: str | Path,
    dataset: DatasetLike,
    classifier: ClassifierLike,
    card: ClassifierCard | None = None,
    *,
    out: str | Path = "exported",
    num: int | None = None,
    tolerance: float = 0.02,
    seed: int = EVALUATION_SEED,
    rounds: int = ROUNDS,
    license: str | None = None,
    command: str | None = None,
    log: Callable[[str], None] | None = None,
) -> ArtifactTable:
    """Exports a generator in every format and weight width, and measures quality, bytes, time and memory of each file.

    The first row is the .keras file. All files draw the samples of the same latents and labels, which are compared
    with the same images: those of `evaluate` with the same `num` and `seed`. The memory does not depend on `num`. Each
    file is run by a process of its own, on the CPU. In each round, all processes time some batches, one after the
    other, so that a slow moment of the machine concerns all of them. Ten processes run at the same time: for the preset
    mnist, they use 3 GB of memory.

    A row that cannot be measured contains the reason; the others are measured.

    Args:
        checkpoint: run folder, .keras file or pretrained name.
        dataset: a dataset named by the classifier's card, or its name.
        classifier, card: from `load_classifier`, or what it loads, without a card.
        out: folder for all files, and for the table NAME-artifacts.json.
        num: number of samples, from 2 to 10 million, as for `evaluate`. None: `MOST_SAMPLES`, or the size of the
            smallest split.
        tolerance: the highest acceptable error rate, a share.
        seed: seed of the samples, the labels and the draws.
        rounds: number of rounds of timed batches, >= 1.
        license: license of the generator, see `export_generator`.
        command: the command line, for the table. None: that of `gan export --table`.
        log: receives what is done next, as text.

    Returns the table, which is also written. Raises `InputError` if generator, dataset and classifier do not match, a
    package is not installed, or the folder cannot be written. Then nothing is written.
    """
    say = log or (lambda text: None)
    check_share("tolerance", tolerance)
    check_seed(seed)
    check_whole("rounds", rounds, 1)
    saved, folder = find_to_export(checkpoint), files.as_path(out, "out")
    name = export_name(saved)
    path = table_path(folder, name)
    files.check_writable(path)
    dataset = as_dataset(dataset)
    classifier, card = as_classifier(classifier, card)
    check_card(dataset.name, card, dataset.image_shape)
    engine = as_engine(saved.file)
    check_generator(engine, dataset)
    num = min(MOST_SAMPLES, most_samples(dataset)) if num is None else num
    samples_to_compare(num, dataset)  # raises `InputError`
    with silent_stderr():
        for module in MODULES:
            import_extra(module, extra="export")

    labels = choose_labels(limit_images(dataset), num, seed) if engine.num_classes else None
    inputs = _Inputs(seed, engine.latent_dim, labels)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="gan-table-") as scratch, ExitStack() as at_end:
        rows = [_export(row, saved, folder, license, say) for row in ROWS]
        say("loading the generators")
        for row in rows:
            row.start(folder, Path(scratch), inputs.of(range(min(BATCH, num))))
            at_end.callback(row.close)
        for row in rows:
            row.ask(MeasuredEngine.finish_loading)
        for number in range(rounds):
            say(f"measuring times, round {number + 1} of {rounds}")
            for row in rows[:: -1 if number % 2 else 1]:
                row.ask(MeasuredEngine.time_round)
        say("computing the numbers of real images")
        reference = QualityReference.of(dataset, classifier, num=num, seed=seed)
        for row in rows:
            say(f"evaluating {row.title}")
            row.measure(reference, inputs)
            row.close()
    idle = [row.engine.idle_memory_bytes for row in rows if row.engine and row.engine.idle_memory_bytes]
    table = ArtifactTable(
        kind="artifacts",
        name=name,
        generator_sha256=saved.summary.sha256,
        dataset=public_name(dataset.name),
        classifier_sha256=card.sha256,
        tolerance=tolerance,
        num=num,
        compared=reference.compared,
        seed=seed,
        frechet_floor=reference.frechet_floor,
        real_coverage=reference.real_coverage,
        batch=BATCH,
        idle_memory_bytes=max(idle, default=None),
        artifacts=tuple(row.artifact(reference, tolerance) for row in rows),
        cpu=machine.cpu_model(),
        cores=machine.cores(),
        versions={package: runtime.installed_version(package) for package in (*PACKAGES, "onnxruntime", "numpy")},
        command=command or shell_command("gan", "export", str(checkpoint), "--table"),
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    table = files.null_for_nan(table)
    files.write_json(path, table.as_dict())
    return table


@dataclass(frozen=True)
class _Inputs:
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
class _Row:
    """A row of the table while it is measured. After a failure, nothing else is done for it."""

    format: ArtifactFormat
    weights: Weights
    file: ArtifactFile | None = None
    failure: str | None = None
    engine: MeasuredEngine | None = None
    quality: SampleQuality | None = None

    @property
    def title(self) -> str:
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

    def measure(self, reference: QualityReference, inputs: _Inputs) -> None:
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
) -> _Row:
    """Writes the file of a row."""
    format, weights = row
    made = _Row(format, weights)
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
        verdict=verdict(found.rate, tolerance, coverage=found.coverage, real_coverage=reference.real_coverage),
        frechet_distance=found.frechet_distance,
        frechet_in_floors=found.frechet_distance / floor if floor > 0 else None,
        coverage=found.coverage,
    )
