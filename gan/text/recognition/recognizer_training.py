"""Trains a recognizer, writes its run folder, and reports its errors on the test texts."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import ops

from gan.errors import Json, as_json
from gan.evaluation.classifier.calibration import log_softmax
from gan.evaluation.metrics import ClassifierErrorRate
from gan.evaluation.robustness.typos import mistyped
from gan.saving import files, run_folder
from gan.text.data.alphabet import REPLACEMENT
from gan.text.data.corpus import Corpus, TextSplit
from gan.text.data.labeled_corpus import check_corpus, load_labeled
from gan.text.recognition.recognizer import BATCH, Recognizer, load_recognizer
from gan.text.recognition.recognizer_config import RecognizerConfig
from gan.text.recognition.recognizer_network import TrainableRecognizer, build_recognizer, frequent_ngrams
from gan.text.runs.fitting import Examples, FitResult, Log, fit_epochs
from gan.text.runs.report import TextReport, load_text_report
from gan.text.runs.text_run import NETWORK, Kind, TextRecord, find_run
from gan.text.runs.training_run import OpenRun, new_run, resumed_run
from gan.tolerance import ErrorRate, worst_class
from gan.training.callbacks import ToleranceEarlyStopping
from gan.utils import tensorflow as runtime
from gan.utils.arguments import checked
from gan.utils.global_state import restored
from gan.utils.types import Tensor

KIND: Kind = "recognizer"
MONITOR = "val_error_rate_upper"
MOST_SHARE = 20.0
"""Largest share of a member. Without errors on the validation texts, no share would be large enough."""


@dataclass(frozen=True)
class RecognizerTraining:
    """What a training of a recognizer has left."""

    folder: Path
    report: TextReport | None
    """Errors on the test texts. None: the training was interrupted."""
    signal: int | None = None
    """Signal that interrupted the training."""


@restored()
@checked
def train_recognizer(
    config: RecognizerConfig | None = None,
    *,
    output: str | Path | None = None,
    corpus: Corpus | None = None,
    log: Log = print,
) -> RecognizerTraining:
    """Trains a recognizer of categories, and measures it once on the test texts.

    The weights of the epoch with the fewest errors on the validation texts are kept. The shares of the members, and
    with them the calibration of the probabilities, are fitted on the validation texts too. Writes recognizer.keras,
    text.json, log.csv, report.json and state/.

    Args:
        config: options. None: their defaults.
        output: folder to create. None: the next number in runs/.
        corpus: texts with categories, in place of those that the options name. A run of others cannot be resumed.
        log: prints a line.

    Raises `InputError` for texts without categories, a folder that cannot be used, and windows that are too long.
    """
    config = config or RecognizerConfig()
    run_folder.check_output(output)
    corpus = load_labeled(config) if corpus is None else corpus
    check_corpus(config, corpus)
    device = runtime.start(seed=config.seed, deterministic=config.deterministic)
    with new_run(KIND, config, corpus, output=output, device=device) as run:
        return _train(run, log)


@restored()
@checked
def resume_recognizer(folder: str | Path, *, log: Log = print) -> RecognizerTraining:
    """Resumes an interrupted training of a recognizer: the result is that of a training without the interruption.

    A finished run stays as it is, but a report that is missing is measured again. Raises `InputError` for a folder of
    another kind, other texts, and damaged states.
    """
    with resumed_run(folder, KIND, RecognizerConfig, load_labeled, log) as run:
        if run is None:
            return RecognizerTraining(*_finished(*find_run(folder, KIND)))
        runtime.start(seed=run.config.seed, deterministic=run.config.deterministic)
        return _train(run, log)


class TypoExamples:
    """Training texts with other typos in each epoch: a function of (seed, epoch, index of the text).

    A character is mistyped with probability `share`, see `gan.evaluation.robustness.typos`. What replaces a character
    is in the alphabet or, as rarely as any other, unknown to it.
    """

    def __init__(self, corpus: Corpus, *, share: float, seed: int) -> None:
        self.corpus = corpus
        self.share = share
        self.seed = seed

    def texts(self, epoch: int) -> list[str]:
        """Returns the texts of an epoch."""
        if not self.share:
            return list(self.corpus.train.texts)
        letters = self.corpus.alphabet.letters + REPLACEMENT
        return [
            mistyped(text, self.share, letters, np.random.default_rng([self.seed, epoch, index]))
            for index, text in enumerate(self.corpus.train.texts)
        ]

    def __call__(self, epoch: int) -> Examples:
        """Returns (numbers int32 [N, L], labels int32 [N]) of an epoch."""
        return self.corpus.alphabet.encode(self.texts(epoch), self.corpus.length), self.corpus.train.labels


class MeanErrorRate(ClassifierErrorRate):
    """Error rate of the mean logits of several members: [B, members, categories]. See `ClassifierErrorRate`."""

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> None:
        """Counts the predictions against the labels."""
        super().update_state(y_true, ops.mean(y_pred, axis=1), sample_weight)


def mean_cross_entropy(num_classes: int, label_smoothing: float = 0.0) -> Callable[[Tensor, Tensor], Tensor]:
    """Returns the loss of several members: labels [B], logits [B, members, K] -> mean of their cross-entropies [B]."""

    def loss(labels: Tensor, logits: Tensor) -> Tensor:
        wanted = ops.one_hot(ops.cast(ops.reshape(labels, (-1, 1)), "int32"), num_classes)
        wanted = wanted * (1 - label_smoothing) + label_smoothing / num_classes
        return -ops.mean(ops.sum(wanted * ops.log_softmax(logits), axis=-1), axis=-1)

    return loss


def _train(run: OpenRun[RecognizerConfig], log: Log) -> RecognizerTraining:
    config, corpus = run.config, run.corpus
    ngrams = frequent_ngrams(corpus, config.ngrams)
    built = build_recognizer(corpus.alphabet.size, corpus.length, corpus.num_classes, config, ngrams)
    steps = -(-len(corpus.train) // config.batch_size)
    built.trainer.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(config.learning_rate, config.epochs * steps)),
        mean_cross_entropy(corpus.num_classes, config.label_smoothing),
        metrics=[MeanErrorRate()],
        jit_compile=False,
    )
    stopping = ToleranceEarlyStopping(
        MONITOR, "min", target=config.tolerance, patience=config.patience, noise_sigmas=0.0, log=log
    )
    fitted = fit_epochs(
        built.trainer,
        TypoExamples(corpus, share=config.typos, seed=config.seed),
        (corpus.encode(corpus.validation), corpus.validation.labels),
        folder=run.folder,
        epochs=config.epochs,
        batch_size=config.batch_size,
        seed=config.seed,
        stopping=stopping,
        saved=run.saved,
        log=log,
    )
    if fitted.interrupted:
        run.finish(fitted)
        return RecognizerTraining(run.folder, None, fitted.signal)
    return RecognizerTraining(run.folder, _report(run, built, fitted))


def _report(run: OpenRun[RecognizerConfig], built: TrainableRecognizer, fitted: FitResult) -> TextReport:
    """Writes the network and the report of its errors on the test texts."""
    corpus = run.corpus
    assert corpus.validation.labels is not None
    members = built.trainer.predict(corpus.encode(corpus.validation), batch_size=BATCH, verbose=0)
    shares = fit_shares(members, corpus.validation.labels)
    built.finish(shares)
    recognizer = Recognizer(built.network, corpus.describe())
    files.write(run.folder / NETWORK[KIND], built.network.save)
    validation = recognizer_error_rate(recognizer, corpus.validation)
    report = _write_report(run.folder, recognizer, corpus, run.config)  # before the record: a finished run has both
    run.finish(fitted, weights=built.network.count_params(), shares=shares, validation=validation.value)
    return report


def _finished(folder: Path, record: TextRecord) -> tuple[Path, TextReport]:
    """Returns the folder of a finished run, and its report. One that is missing is measured again."""
    if (folder / run_folder.REPORT).is_file():
        return folder, load_text_report(folder)
    config = record.options(RecognizerConfig, folder)
    corpus = load_labeled(config)
    corpus.check_same(record.corpus)
    return folder, _write_report(folder, load_recognizer(folder), corpus, config)


def _write_report(folder: Path, recognizer: Recognizer, corpus: Corpus, config: RecognizerConfig) -> TextReport:
    """Measures a recognizer on the test texts, and writes the report."""
    report = TextReport.of(
        KIND,
        recognizer_error_rate(recognizer, corpus.test),
        sha256=files.sha256(folder / NETWORK[KIND]),
        tolerance=config.tolerance,
        metrics=class_metrics(recognizer, corpus.test),
    )
    report.save(folder)
    return report


def fit_shares(members: np.ndarray, labels: np.ndarray) -> list[float]:
    """Finds the shares of members in the sum of their logits with the smallest log loss: numbers >= 0.

    The loss is convex. The sum of the shares acts like an inverse temperature, so the probabilities are calibrated.
    Hinton 2002, Training products of experts, section 1, on such logarithmic pools; arXiv:1706.04599 on temperatures.

    Args:
        members: logits of each member [N, members, categories], of texts that they were not trained on.
        labels: int [N], the true categories.
    """
    from scipy.optimize import minimize  # slow to import

    logits = members.astype(np.float64)
    chosen = logits[np.arange(len(labels)), :, labels]

    def loss(shares: np.ndarray) -> tuple[float, np.ndarray]:
        logs = log_softmax(np.einsum("nmk,m->nk", logits, shares))
        expected = np.einsum("nmk,nk->nm", logits, np.exp(logs))
        return -float(logs[np.arange(len(labels)), labels].mean()), (expected - chosen).mean(axis=0)

    count = logits.shape[1]
    found = minimize(loss, np.full(count, 1 / count), jac=True, bounds=[(0.0, MOST_SHARE)] * count, method="L-BFGS-B")
    return found.x.tolist()


def recognizer_error_rate(recognizer: Recognizer, split: TextSplit) -> ErrorRate:
    """Returns the error rate of a recognizer on texts with categories. An abstention is an error."""
    return ErrorRate.of(_answers(recognizer, split) != split.labels)


def class_metrics(recognizer: Recognizer, split: TextSplit) -> dict[str, Json]:
    """Returns the numbers of each category of a split, in JSON types.

    `by_class`: scikit-learn's classification report. `error_rate_by_class`: error rate with its Wilson 95 % interval.
    `worst_class`: the category with the highest error rate, see `gan.tolerance.worst_class`.
    """
    from sklearn.metrics import classification_report  # slow to import

    assert split.labels is not None
    names = recognizer.class_names
    answers = _answers(recognizer, split)
    labels = range(len(names))
    by_class = classification_report(
        split.labels, answers, labels=labels, target_names=names, output_dict=True, zero_division=0.0
    )
    num = np.bincount(split.labels, minlength=len(names)).tolist()
    wrong = np.bincount(split.labels[answers != split.labels], minlength=len(names)).tolist()
    rates = {names[label]: ErrorRate(wrong[label], num[label]) for label in labels if num[label]}
    worst = worst_class(wrong, num)
    return {
        "by_class": by_class,
        "error_rate_by_class": {
            name: {"error_rate": rate.value, "lower": rate.interval[0], "upper": rate.interval[1], "num": rate.n}
            for name, rate in rates.items()
        },
        "worst_class": None if worst is None else {"category": names[worst.label], **as_json(worst)},
    }


def _answers(recognizer: Recognizer, split: TextSplit) -> np.ndarray:
    """Returns the category of each text: int [N]. -1: none."""
    labels = {name: label for label, name in enumerate(recognizer.class_names)}
    return np.array([labels.get(found.category or "", -1) for found in recognizer.recognize(split.texts)])
