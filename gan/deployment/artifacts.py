"""Measures what each format and weight width of a generator costs: quality, bytes, time and memory."""

import datetime
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gan.data.load import DatasetLike, as_dataset
from gan.deployment.artifact_rows import Inputs, TimedArtifact, check_extra, export_rows, timed_rows
from gan.deployment.engine_process import BATCH
from gan.deployment.export import PACKAGES
from gan.deployment.names import export_name, public_name
from gan.deployment.table import ArtifactTable, table_path
from gan.errors import check_seed, check_share, check_whole
from gan.evaluation.classifier.extractor import ClassifierLike, as_classifier
from gan.evaluation.evaluation import EVALUATION_SEED, check_generator
from gan.evaluation.reference import choose_labels, limit_images, most_samples, samples_to_compare
from gan.evaluation.sample_quality import QualityReference
from gan.sampling.generators import as_engine
from gan.sampling.labels import labels_for
from gan.saving import files
from gan.saving.known_images import check_card
from gan.saving.metadata import ClassifierCard
from gan.saving.saved_generator import find_to_export
from gan.utils import machine
from gan.utils import tensorflow as runtime
from gan.utils.arguments import checked
from gan.utils.commands import shell_command

MOST_SAMPLES = 10_000
"""Default number of samples, if each split of the dataset has as many images."""

ROUNDS = 15
"""Rounds of timed batches. All files take turns in each of them."""


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
    check_card(dataset, card)
    engine = as_engine(saved.file)
    check_generator(engine, dataset)
    num = min(MOST_SAMPLES, most_samples(dataset)) if num is None else num
    samples_to_compare(num, dataset)  # raises `InputError`
    check_extra()
    labels = choose_labels(limit_images(dataset), num, seed) if engine.num_classes else None
    inputs = Inputs(seed, engine.latent_dim, labels)
    with timed_rows(saved, folder, inputs.of(range(min(BATCH, num))), rounds=rounds, license=license, say=say) as rows:
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


@checked
def time_artifacts(
    checkpoint: str | Path,
    out: str | Path = "exported",
    *,
    timed: bool = True,
    rounds: int = ROUNDS,
    license: str | None = None,
    log: Callable[[str], None] | None = None,
) -> tuple[TimedArtifact, ...]:
    """Exports a generator in every format and weight width, and measures bytes and time of each file.

    Files and times are those of `measure_artifacts`. Nothing else is measured.

    Args:
        checkpoint, out, rounds, license, log: as for `measure_artifacts`.
        timed: whether to measure times. Without, no process is started.

    Returns a row for each of `ROWS`, with the reason if it failed. Raises `InputError` for a checkpoint that is not a
    generator, a package that is not installed, or a folder that cannot be written.
    """
    check_whole("rounds", rounds, 1)
    saved, folder = find_to_export(checkpoint), files.as_path(out, "out")
    files.check_writable(folder / f"{export_name(saved)}.keras")
    check_extra()
    engine, say = as_engine(saved.file), log or (lambda text: None)
    inputs = Inputs(0, engine.latent_dim, labels_for(np.arange(BATCH), engine.num_classes, None))
    if not timed:
        return tuple(row.timed(folder) for row in export_rows(saved, folder, license, say))
    with timed_rows(saved, folder, inputs.of(range(BATCH)), rounds=rounds, license=license, say=say) as rows:
        return tuple(row.timed(folder) for row in rows)
