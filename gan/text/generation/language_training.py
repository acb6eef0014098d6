"""Trains a language model: options, a new run, and a resumed one."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras

from gan.saving import files, run_folder
from gan.saving.training_state import State
from gan.text.data.corpora import load_corpus
from gan.text.data.corpus import Corpus, TextSplit
from gan.text.data.names import NAMES
from gan.text.generation.language_config import LanguageModelConfig
from gan.text.generation.language_model import (
    LanguageModel,
    build_language_network,
    example_inputs,
    example_targets,
    load_language_model,
    nats_per_text,
)
from gan.text.generation.quality import TextReference
from gan.text.recognition.recognizer import load_recognizer
from gan.text.runs.fitting import Examples, FitResult, Log, fit_epochs
from gan.text.runs.report import TextReport, load_text_report
from gan.text.runs.text_run import NETWORK, Kind, TextRecord, find_run
from gan.text.runs.training_run import OpenRun, new_run, resumed_run
from gan.training.callbacks import ToleranceEarlyStopping
from gan.utils import tensorflow as runtime
from gan.utils.arguments import checked
from gan.utils.global_state import restored

KIND: Kind = "model"
REPORT_SEED = 1
"""Seed of the texts of the report."""


@dataclass(frozen=True)
class LanguageModelTraining:
    """What a training of a language model has left."""

    folder: Path
    record: TextRecord
    report: TextReport | None = None
    """Errors of generated names. None: the training was interrupted, or there is no recognizer of its texts."""
    signal: int | None = None
    """Signal that interrupted the training."""


@restored()
@checked
def train_language_model(
    config: LanguageModelConfig | None = None,
    *,
    output: str | Path | None = None,
    corpus: Corpus | None = None,
    log: Log = print,
) -> LanguageModelTraining:
    """Trains a language model, and measures it on the validation texts and once on the test texts.

    The weights of the epoch that is best on the validation texts are kept. Writes model.keras, text.json, log.csv and
    state/, and report.json if there is a recognizer of its texts.

    Args:
        config: options. None: their defaults.
        output: folder to create. None: the next number in runs/.
        corpus: texts in place of those that the options name. Such a run cannot be resumed.
        log: prints a line.

    Raises `InputError` for texts and a folder that cannot be used, and `TrainingError` when the loss becomes NaN.
    """
    config = config or LanguageModelConfig()
    run_folder.check_output(output)
    corpus = load_corpus(config.data, config.languages) if corpus is None else corpus
    device = runtime.start(seed=config.seed, deterministic=config.deterministic)
    judge = _load_judge(config, corpus)
    with new_run(KIND, config, corpus, output=output, device=device) as run:
        return _train(run, judge, log)


@restored()
@checked
def resume_language_model(folder: str | Path, *, log: Log = print) -> LanguageModelTraining:
    """Resumes an interrupted training after its last complete epoch. A finished one is returned as it is.

    A finished one whose report is missing is measured again. The result is that of a training without the interruption.

    Raises `InputError`, and changes nothing, for a folder without such a run, other texts, and damaged states.
    """

    def load(config: LanguageModelConfig) -> Corpus:
        return load_corpus(config.data, config.languages)

    with resumed_run(folder, KIND, LanguageModelConfig, load, log) as run:
        if run is None:
            return _finished(*find_run(folder, KIND), load)
        runtime.start(seed=run.config.seed, deterministic=run.config.deterministic)
        return _train(run, _load_judge(run.config, run.corpus), log)


def fit_language_network(
    config: LanguageModelConfig, corpus: Corpus, *, folder: Path, saved: State | None = None, log: Log = print
) -> tuple[keras.Model, FitResult]:
    """Trains a new network on the texts of a corpus in a locked run folder. Returns it, not compiled, and the result.

    The loss is the mean of `nats_per_text`, in the log as `loss` and `val_loss`.
    """
    network = build_language_network(
        corpus.alphabet.size, corpus.num_classes, width=config.width, layers=config.layers, dropout=config.dropout
    )
    trained = keras.Model(network.input, network.output)  # the saved network is without loss and optimizer
    steps = config.epochs * math.ceil(len(corpus.train) / config.batch_size)
    rate = keras.optimizers.schedules.CosineDecay(config.learning_rate, steps, alpha=0.01)
    trained.compile(keras.optimizers.Adam(rate), nats_per_text)
    train, validation = (_examples(corpus, split) for split in (corpus.train, corpus.validation))
    fitted = fit_epochs(
        trained,
        lambda epoch: train,
        validation,
        folder=folder,
        epochs=config.epochs,
        batch_size=config.batch_size,
        seed=config.seed,
        stopping=ToleranceEarlyStopping("val_loss", "min", patience=config.patience, log=log),
        saved=saved,
        log=log,
    )
    return network, fitted


def _examples(corpus: Corpus, split: TextSplit) -> Examples:
    numbers = corpus.encode(split)
    return example_inputs(numbers, split.labels), example_targets(numbers)


def _load_judge(config: LanguageModelConfig, corpus: Corpus) -> TextReference | None:
    """Returns the judge and the numbers of real texts, before the training, so that it does not fail at the end."""
    is_default = config.judge is None and config.tolerance is None
    if config.judge_name is None or (is_default and corpus.name != NAMES):
        return None
    reference = TextReference(corpus, load_recognizer(config.judge_name), num=config.num)
    keras.utils.set_random_seed(config.seed)
    return reference


def _train(run: OpenRun[LanguageModelConfig], judge: TextReference | None, log: Log) -> LanguageModelTraining:
    config = run.config
    network, fitted = fit_language_network(config, run.corpus, folder=run.folder, saved=run.saved, log=log)
    if fitted.interrupted:
        return LanguageModelTraining(run.folder, run.finish(fitted), signal=fitted.signal)
    model = LanguageModel(network, run.record.corpus)
    splits = {"validation": run.corpus.validation, "test": run.corpus.test}
    measured = {f"{split}_{name}": value for split in splits for name, value in model.measure(splits[split]).items()}
    files.write(run.folder / NETWORK[KIND], network.save)
    report = None
    if judge is None:
        log("There is no recognizer of these texts, so no report of errors.")
    else:  # before the record, so that a finished run has its report
        report = _report(run.folder, config, model, judge)
    return LanguageModelTraining(run.folder, run.finish(fitted, **measured), report, fitted.signal)


def _finished(folder: Path, record: TextRecord, load: Callable[[LanguageModelConfig], Corpus]) -> LanguageModelTraining:
    """Returns what a finished training has left. A report that is missing is measured again."""
    config, report = record.options(LanguageModelConfig, folder), None
    if (folder / run_folder.REPORT).is_file():
        report = load_text_report(folder)
    elif config.judge_name is not None:
        corpus = load(config)
        corpus.check_same(record.corpus)
        judge = _load_judge(config, corpus)
        if judge is not None:
            report = _report(folder, config, load_language_model(folder, record), judge)
    return LanguageModelTraining(folder, record, report)


def _report(folder: Path, config: LanguageModelConfig, model: LanguageModel, judge: TextReference) -> TextReport:
    """Measures generated texts, and writes the report."""
    assert config.judge_name is not None
    sha256 = files.sha256(folder / NETWORK[KIND])
    quality = judge.measure_generator(model, seed=REPORT_SEED)
    report = quality.report(KIND, judge=config.judge_name, sha256=sha256, tolerance=config.tolerance)
    report.save(folder)
    return report
