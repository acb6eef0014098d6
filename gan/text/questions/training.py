"""Trains a reader of questions, writes its run folder, and reports its errors on the test exam."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from gan.saving import files, run_folder
from gan.text.data.alphabet import Alphabet
from gan.text.data.corpus import Corpus, TextSplit
from gan.text.questions.exam import exam_questions
from gan.text.questions.facts import LANGUAGES
from gan.text.questions.generation import Question, QuestionMaker, names_of
from gan.text.questions.options import QuestionsConfig
from gan.text.questions.reader import LENGTH, Reader, build_reader, load_reader
from gan.text.questions.report import KIND, measure_reader
from gan.text.questions.wordings import MEANINGS, Split, load_wordings
from gan.text.runs.fitting import Examples, Log, fit_epochs
from gan.text.runs.report import TextReport, load_text_report
from gan.text.runs.text_run import NETWORK, TextRecord, find_run
from gan.text.runs.training_run import OpenRun, new_run, resumed_run
from gan.training.callbacks import ToleranceEarlyStopping
from gan.utils import tensorflow as runtime
from gan.utils.arguments import checked
from gan.utils.global_state import restored

NAME = "questions"
"""Name of the corpus of questions."""
TAGS_WEIGHT = 20.0
"""Weight of the loss of the tags: it is a mean over all places, most of which are empty."""
HELD_OUT = 2_000
"""Validation questions of each epoch: as many, drawn from the exam of the validation split."""


def load_questions() -> Corpus:
    """Returns the texts that questions consist of: wordings, names, nouns and polite words, as a corpus.

    The questions themselves are drawn from them, see `QuestionMaker`. Raises `InputError` without Babel.
    """
    train = TextSplit(tuple(QuestionMaker(LENGTH).texts()))
    return Corpus(
        name=NAME,
        train=train,
        validation=_parts("validation"),
        test=_parts("test"),
        alphabet=Alphabet.of(form for text in train.texts for form in (text, text.lower(), text.upper())),
        length=LENGTH,
        class_names=MEANINGS,
    )


@dataclass(frozen=True)
class QuestionsTraining:
    """What a training of a reader has left."""

    folder: Path
    report: TextReport | None
    """Numbers on the test exam. None: the training was interrupted."""
    signal: int | None = None
    """Signal that interrupted the training."""


@restored()
@checked
def train_questions(
    config: QuestionsConfig | None = None, *, output: str | Path | None = None, log: Log = print
) -> QuestionsTraining:
    """Trains a reader of questions, chooses its threshold on the validation exam, and measures it on the test exam.

    Writes reader.keras, text.json, log.csv, report.json and state/.

    Args:
        config: options. None: their defaults.
        output: folder to create. None: the next number in runs/.
        log: prints a line.

    Raises `InputError` without Babel, and for a folder that cannot be used.
    """
    config = config or QuestionsConfig()
    run_folder.check_output(output)
    corpus = load_questions()
    device = runtime.start(seed=config.seed)
    with new_run(KIND, config, corpus, output=output, device=device) as run:
        return _train(run, log)


@restored()
@checked
def resume_questions(folder: str | Path, *, log: Log = print) -> QuestionsTraining:
    """Resumes an interrupted training of a reader: the result is that of a training without the interruption.

    A finished run stays as it is, but a report that is missing is measured again. Raises `InputError` for a folder of
    another kind, other texts, and damaged states.
    """
    with resumed_run(folder, KIND, QuestionsConfig, lambda _: load_questions(), log) as run:
        if run is None:
            return _finished(*find_run(folder, KIND))
        runtime.start(seed=run.config.seed)
        return _train(run, log)


def _finished(folder: Path, record: TextRecord) -> QuestionsTraining:
    """Returns what a finished training has left. A report that is missing is measured again."""
    if not (folder / run_folder.REPORT).is_file():
        tolerance = record.options(QuestionsConfig, folder).tolerance
        measured = measure_reader(load_reader(folder, record), sha256=record.sha256, tolerance=tolerance)
        measured.report.save(folder)
    return QuestionsTraining(folder, load_text_report(folder))


def _train(run: OpenRun[QuestionsConfig], log: Log) -> QuestionsTraining:
    config, corpus = run.config, run.corpus
    model = compiled_reader(config, corpus)
    maker = QuestionMaker(corpus.length)
    fitted = fit_epochs(
        model,
        lambda epoch: encode(maker.draw(config.examples, seed=config.seed, epoch=epoch), corpus),
        encode(_held_out(), corpus),
        folder=run.folder,
        epochs=config.epochs,
        batch_size=config.batch_size,
        seed=config.seed,
        stopping=ToleranceEarlyStopping("val_loss", "min", patience=config.patience, noise_sigmas=0.0, log=log),
        saved=run.saved,
        log=log,
    )
    if fitted.interrupted:
        run.finish(fitted)
        return QuestionsTraining(run.folder, None, fitted.signal)
    network = run.folder / NETWORK[KIND]
    bare = _network(config, corpus)  # without the optimizer, which is twice as large as the network
    bare.set_weights(model.get_weights())
    files.write(network, bare.save)
    reader = Reader(model, run.record.corpus)
    measured = measure_reader(reader, sha256=files.sha256(network), tolerance=config.tolerance)
    measured.report.save(run.folder)
    run.finish(fitted, thresholds=measured.thresholds)
    return QuestionsTraining(run.folder, measured.report)


def compiled_reader(config: QuestionsConfig, corpus: Corpus) -> keras.Model:
    """Returns a new network for a corpus, ready to train."""
    steps = config.epochs * -(-config.examples // config.batch_size)
    model = _network(config, corpus)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(config.learning_rate, steps, alpha=0.01)),
        loss={"meaning": "sparse_categorical_crossentropy", "tags": "sparse_categorical_crossentropy"},
        loss_weights={"meaning": 1.0, "tags": TAGS_WEIGHT},
        metrics={"meaning": ["accuracy"]},
    )
    return model


def _network(config: QuestionsConfig, corpus: Corpus) -> keras.Model:
    return build_reader(
        corpus.alphabet.size,
        corpus.length,
        width=config.width,
        embedding=config.embedding,
        blocks=config.blocks,
        dropout=config.dropout,
    )


def encode(questions: Sequence[Question], corpus: Corpus) -> Examples:
    """Returns questions as inputs int32 [N, length], and targets: `meaning` [N], `tags` [N, length]."""
    numbers = corpus.alphabet.encode([one.text for one in questions], corpus.length)
    meaning = np.array([MEANINGS.index(one.meaning) for one in questions], np.int32)
    tags = np.stack([one.tags(corpus.length) for one in questions])
    return numbers, {"meaning": meaning, "tags": tags}


def _held_out() -> list[Question]:
    """Returns validation questions, some of them with typos."""
    questions = [asked.question for asked in exam_questions("validation", varied=True)]
    order = np.random.default_rng(0).permutation(len(questions))[:HELD_OUT]
    return [questions[index] for index in order if len(questions[index].text) <= LENGTH]


def _parts(split: Split) -> TextSplit:
    names = [name for language in LANGUAGES for name in names_of(split, language)]
    return TextSplit((*(one.text for one in load_wordings(split).questions), *names))
