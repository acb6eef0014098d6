"""Trains a language model: options, a new run, and a resumed one."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras

from gan.saving import files
from gan.saving.training_state import State
from gan.text.corpora import load_corpus
from gan.text.corpus import Corpus, TextSplit
from gan.text.fitting import Examples, FitResult, fit_epochs
from gan.text.language_config import LanguageModelConfig
from gan.text.language_model import (
    LanguageModel,
    build_language_network,
    example_inputs,
    example_targets,
    nats_per_text,
)
from gan.text.text_run import NETWORK, TextRecord, load_record
from gan.text.training_run import OpenRun, new_run, resumed_run
from gan.training.callbacks import ToleranceEarlyStopping
from gan.utils import tensorflow as runtime

Log = Callable[[str], None]


@dataclass(frozen=True)
class LanguageModelRun:
    """A run folder after a training. `signal` is the number of the signal that interrupted it, or None."""

    folder: Path
    record: TextRecord
    signal: int | None = None


def train_language_model(
    config: LanguageModelConfig, *, output: str | Path | None = None, log: Log = print
) -> LanguageModelRun:
    """Trains a language model in a new run folder: `output`, or the next number in runs/.

    The weights of the epoch that is best on the validation texts are kept. The test texts are rated once, at the end.

    Raises `InputError` for texts that cannot be used, and `TrainingError` when the loss becomes NaN or infinite.
    """
    corpus = load_corpus(config.data, config.languages)
    device = runtime.start(seed=config.seed, deterministic=config.deterministic)
    with new_run("model", config, corpus, output=output, device=device) as run:
        return _train(run, log)


def resume_language_model(folder: str | Path, *, log: Log = print) -> LanguageModelRun:
    """Resumes an interrupted run after its last complete epoch. A finished run is returned as it is.

    Raises `InputError`, and changes nothing, for a folder without such a run, other texts, and damaged states.
    """
    load = lambda config: load_corpus(config.data, config.languages)  # noqa: E731
    with resumed_run(folder, "model", LanguageModelConfig, load, log) as run:
        if run is None:
            return LanguageModelRun(Path(folder), load_record(Path(folder)))
        runtime.start(seed=run.config.seed, deterministic=run.config.deterministic)
        return _train(run, log)


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


def _train(run: OpenRun[LanguageModelConfig], log: Log) -> LanguageModelRun:
    config, corpus = run.config, run.corpus
    network, fitted = fit_language_network(config, corpus, folder=run.folder, saved=run.saved, log=log)
    if fitted.interrupted:
        return LanguageModelRun(run.folder, run.finish(fitted), fitted.signal)
    model = LanguageModel(network, run.record.corpus)
    numbers = {
        f"{split}_{name}": value
        for split in ("validation", "test")
        for name, value in model.measure(getattr(corpus, split)).items()
    }
    files.write(run.folder / NETWORK["model"], network.save)
    return LanguageModelRun(run.folder, run.finish(fitted, **numbers))
