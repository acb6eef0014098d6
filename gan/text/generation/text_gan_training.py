"""Trains a text GAN with the training loop of all GANs, and measures its texts once at the end."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

import keras
from rich.console import Console

from gan.data.dataset import Dataset
from gan.errors import as_json
from gan.models.gan import GAN
from gan.saving import files, run_folder
from gan.text.data.corpora import load_corpus
from gan.text.data.corpus import Corpus
from gan.text.generation.quality import TextReference
from gan.text.generation.text_gan import load_text_gan
from gan.text.generation.text_gan_config import NO_RECOGNIZER, TextGanConfig
from gan.text.generation.text_images import image_dataset
from gan.text.generation.text_networks import build_text_discriminator, build_text_generator
from gan.text.generation.text_probe import make_text_probe
from gan.text.generation.text_sheet import TextSheet
from gan.text.recognition.recognizer import load_recognizer
from gan.text.runs.fitting import latest_state
from gan.text.runs.report import TextReport, load_text_report
from gan.text.runs.text_run import NETWORK, Kind, TextRecord, TextResult, find_run
from gan.training.monitoring import Probe
from gan.training.recovery import console_log
from gan.training.result import TrainingResult
from gan.training.train import resume, train
from gan.utils import tensorflow as runtime
from gan.utils.global_state import restored

KIND: Kind = "gan"
REPORT_SEED = 1
"""Seed of the texts of the report. No other texts of this seed are looked at while training."""


@dataclass(frozen=True)
class TextGanRun:
    """A run folder after a training."""

    folder: Path
    record: TextRecord
    report: TextReport | None
    """None: the training was interrupted, or has no judge."""
    signal: int | None = None
    """Number of the signal that interrupted it, or None."""


class _Objects(TypedDict):
    """What a text GAN gives to `gan.train` in place of what the options of images describe."""

    dataset: Dataset
    gan: GAN
    probe: Probe
    grid: TextSheet


@restored()
def train_text_gan(
    config: TextGanConfig | None = None,
    *,
    output: str | Path | None = None,
    console: Console | None = None,
    listeners: tuple[keras.callbacks.Callback, ...] = (),
) -> TextGanRun:
    """Trains a text GAN and writes a run folder: that of `gan.train`, text.json, and report.json of fresh texts.

    Args:
        config: options. None: their defaults.
        output: run folder. None: the next number in runs/.
        console, listeners: as for `gan.train`.

    Raises `InputError` before the first step for texts without categories, a judge that does not know them, and a
    folder that cannot be used. Otherwise the errors are those of `gan.train`.
    """
    config = config or TextGanConfig()
    run_folder.check_output(output)
    corpus = load_texts(config)
    device = runtime.start(seed=config.seed, deterministic=config.deterministic)
    record = TextRecord(
        kind=KIND,
        config=as_json(config),
        corpus=corpus.describe(),
        device=device,
        versions=runtime.versions(),
        git_revision=runtime.git_revision(),
    )
    reference = _load_reference(config, corpus)
    result = train(
        config.train_config(),
        **_objects(config, corpus, record),
        output=output,
        name="text-gan",
        console=console,
        listeners=listeners,
    )
    return _finish(result, record, reference, config)


@restored()
def resume_text_gan(
    run: str | Path,
    *,
    console: Console | None = None,
    listeners: tuple[keras.callbacks.Callback, ...] = (),
) -> TextGanRun:
    """Resumes an interrupted run after its last complete interval, see `gan.resume`. A finished run is not changed.

    Raises `InputError`, and changes nothing, for a folder without such a run, other texts, and damaged states.
    """
    folder, record = find_run(run, KIND)
    if record.result is not None and not record.result.interrupted:
        console_log(console or Console(stderr=True))(f"{folder} is finished: {record.result.epochs} intervals")
        return _finished(folder, record)
    config = record.options(TextGanConfig, folder)
    corpus = load_texts(config)
    corpus.check_same(record.corpus)
    saved = latest_state(folder, console_log(console or Console(stderr=True)))
    runtime.start(seed=config.seed, deterministic=config.deterministic)
    reference = _load_reference(config, corpus)
    resumed = (*record.resumed, saved.interval if saved else 0)
    record = replace(record, resumed=resumed, result=None, sha256=None)
    result = resume(folder, **_objects(config, corpus, record), console=console, listeners=listeners)
    return _finish(result, record, reference, config)


def load_texts(config: TextGanConfig) -> Corpus:
    """Loads the texts that the options name. Raises `InputError` if they have no categories, or too few for a batch."""
    corpus = load_corpus(config.data, config.languages)
    config.check_fit(corpus)
    return corpus


def build_text_gan(config: TextGanConfig, corpus: Corpus) -> GAN:
    """Builds the two networks for the texts of a corpus, with new weights."""
    length, size, classes = corpus.length, corpus.alphabet.size, corpus.num_classes
    return GAN(
        build_text_generator(length, size, config.latent_dim, classes, width=config.width),
        build_text_discriminator(length, size, classes, width=config.width),
        ema_half_life=config.ema_half_life,
        seed=config.seed,
    )


def _objects(config: TextGanConfig, corpus: Corpus, record: TextRecord) -> _Objects:
    dataset = image_dataset(corpus)
    probe = Probe()
    if config.probe != NO_RECOGNIZER:
        _, found = find_run(config.probe, "recognizer")
        probe = make_text_probe(load_recognizer(config.probe), corpus, dataset, sha256=found.sha256)
    keras.utils.set_random_seed(config.seed)
    return _Objects(dataset=dataset, gan=build_text_gan(config, corpus), probe=probe, grid=TextSheet(record))


def _load_reference(config: TextGanConfig, corpus: Corpus) -> TextReference | None:
    """Returns the numbers of real texts, before the training, so that it does not fail at the end."""
    if config.judge == NO_RECOGNIZER:
        return None
    return TextReference(corpus, load_recognizer(config.judge), num=config.num)


def _finish(
    result: TrainingResult,
    record: TextRecord,
    reference: TextReference | None,
    config: TextGanConfig,
) -> TextGanRun:
    """Measures the texts of a finished training, and completes text.json."""
    folder, logs = result.folder, result.logs
    ended = TextResult(
        epochs=int(logs.get("interval", 0)),
        seconds=result.seconds,
        interrupted=result.interrupted,
        stopped_by="collapse" if result.stopped_by == "collapse" else None,
        numbers={name: value for name, value in logs.items() if name.startswith("val_")},
    )
    report = None
    if not result.interrupted and reference is not None:  # before the record, so that a finished run has its report
        report = _report(folder, record, reference, config)
    return TextGanRun(folder, record.finish(folder, ended), report, result.signal)


def _finished(folder: Path, record: TextRecord) -> TextGanRun:
    """Returns a finished run. A report that is missing is measured again."""
    if (folder / run_folder.REPORT).is_file():
        return TextGanRun(folder, record, load_text_report(folder))
    config = record.options(TextGanConfig, folder)
    corpus = load_texts(config)
    corpus.check_same(record.corpus)
    reference = _load_reference(config, corpus)
    report = None if reference is None else _report(folder, record, reference, config)
    return TextGanRun(folder, record, report)


def _report(folder: Path, record: TextRecord, reference: TextReference, config: TextGanConfig) -> TextReport:
    """Measures fresh texts of a finished training, and writes the report."""
    quality = reference.measure_generator(load_text_gan(folder, record), seed=REPORT_SEED)
    sha256 = files.sha256(folder / NETWORK[KIND])
    report = quality.report(KIND, judge=config.judge, sha256=sha256, tolerance=config.tolerance)
    report.save(folder)
    return report
