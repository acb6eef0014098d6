"""Training of a recognizer: typos, exact resume, report, verdict, and pools of several."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.recognizers import TINY, tiny_config, tiny_corpus

from gan.cli.text_recognizer import TrainRecognizer
from gan.errors import InputError
from gan.evaluation.classifier.pool import Score
from gan.evaluation.robustness.typos import mistyped
from gan.saving import log_file
from gan.text.data.alphabet import REPLACEMENT
from gan.text.data.corpus import Corpus, TextSplit
from gan.text.recognition import recognizer_training
from gan.text.recognition.recognizer import Recognition, Recognizer, load_recognizer
from gan.text.recognition.recognizer_config import RecognizerConfig
from gan.text.recognition.recognizer_pool import fit_pool
from gan.text.recognition.recognizer_training import (
    TypoExamples,
    class_metrics,
    fit_shares,
    mean_cross_entropy,
    recognizer_error_rate,
    resume_recognizer,
    train_recognizer,
)
from gan.text.runs.report import TextReport, load_text_report
from gan.text.runs.text_run import load_record


def silent(line: str) -> None:
    """Prints nothing."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return tiny_corpus(tmp_path_factory.mktemp("texts"))


def test_typos_are_a_function_of_seed_epoch_and_index(corpus: Corpus) -> None:
    examples = TypoExamples(corpus, share=0.2, seed=3)
    letters = corpus.alphabet.letters + REPLACEMENT
    texts = corpus.train.texts
    by_hand = [mistyped(text, 0.2, letters, np.random.default_rng([3, 5, i])) for i, text in enumerate(texts)]
    assert examples.texts(5) == by_hand
    assert TypoExamples(corpus, share=0.2, seed=3).texts(5) == by_hand
    assert by_hand not in (list(texts), examples.texts(6), TypoExamples(corpus, share=0.2, seed=4).texts(5))
    numbers, labels = examples(5)
    np.testing.assert_array_equal(numbers, corpus.alphabet.encode(by_hand, corpus.length))
    np.testing.assert_array_equal(labels, corpus.train.labels)
    assert TypoExamples(corpus, share=0.0, seed=3).texts(5) == list(texts)


def test_training_uses_the_typos(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Seen(Exception):
        pass

    def fit(model: object, examples: TypoExamples, *arguments: object, **options: object) -> None:
        raise Seen(examples)

    monkeypatch.setattr(recognizer_training, "fit_epochs", fit)
    config = RecognizerConfig(**TINY, typos=0.3, seed=7)
    with pytest.raises(Seen) as seen:
        train_recognizer(config, corpus=corpus, output=tmp_path / "run", log=silent)
    assert seen.value.args[0].texts(2) == TypoExamples(corpus, share=0.3, seed=7).texts(2)
    assert not (tmp_path / "run").exists()


def test_the_loss_is_the_mean_cross_entropy_of_the_members() -> None:
    logits = np.log(np.array([[[0.5, 0.5], [0.8, 0.2]], [[0.9, 0.1], [0.4, 0.6]]], np.float32))
    expected = [-np.log([0.5, 0.8]).mean(), -np.log([0.1, 0.6]).mean()]
    np.testing.assert_allclose(mean_cross_entropy(2)(np.array([0, 1]), logits), expected, rtol=1e-6)
    smooth = 0.9 * expected[0] + 0.1 * -np.log([0.5, 0.5, 0.8, 0.2]).mean()
    np.testing.assert_allclose(mean_cross_entropy(2, 0.1)(np.array([0, 1]), logits)[0], smooth, rtol=1e-6)


def test_shares_of_the_members() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 4_000)
    good = np.log(0.7 * np.eye(3)[labels] + 0.1)  # in which the true category has the probability 0.8 ...
    moved = rng.random(4_000) < 0.3  # ... and is right for seven in ten, and by chance for a third of the others
    good[moved] = good[rng.permutation(np.flatnonzero(moved))]
    noise = rng.normal(size=(4_000, 3))
    shares = fit_shares(np.stack([good, noise], axis=1), labels)
    assert shares[1] == pytest.approx(0, abs=0.05)
    doubled = fit_shares(np.stack([2 * good, noise], axis=1), labels)
    assert doubled[0] == pytest.approx(shares[0] / 2, rel=1e-3)
    share = np.bincount(np.argmax(good, axis=1) == labels)[1] / len(labels)
    assert np.exp(shares[0] * np.log(0.8)) / (
        np.exp(shares[0] * np.log(0.8)) + 2 * np.exp(shares[0] * np.log(0.1))
    ) == pytest.approx(share, abs=0.01)  # calibrated: the probability is the share of right answers


@pytest.mark.slow
def test_resume_is_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-in among the quick tests: `test_a_finished_run_is_not_trained_again`, and exact resume of `fit_epochs`."""
    config = tiny_config(tmp_path, epochs=3, typos=0.1, seed=4, deterministic=True, members=2)
    whole = train_recognizer(config, output=tmp_path / "whole", log=silent)
    draw = TypoExamples.__call__

    def interrupted(self: TypoExamples, epoch: int) -> object:
        if epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return draw(self, epoch)

    monkeypatch.setattr(TypoExamples, "__call__", interrupted)
    status = TrainRecognizer(config, output=tmp_path / "run", json=True).run()
    assert status == 128 + signal.SIGTERM
    assert not (tmp_path / "run" / "recognizer.keras").exists()
    monkeypatch.setattr(TypoExamples, "__call__", draw)
    resumed = resume_recognizer(tmp_path / "run", log=silent)
    ours, theirs = (load_recognizer(folder).network.get_weights() for folder in (resumed.folder, whole.folder))
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(our, their)
    rows = [log_file.rows(folder / "log.csv") for folder in (resumed.folder, whole.folder)]
    assert [{**row, "seconds": 0} for row in rows[0]] == [{**row, "seconds": 0} for row in rows[1]]
    assert load_record(resumed.folder).resumed == (1,)
    again = resume_recognizer(tmp_path / "run", log=silent)  # a finished run stays as it is
    assert again.report == resumed.report
    assert load_record(resumed.folder).resumed == (1,)


def test_a_finished_run_has_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, config = tmp_path / "run", tiny_config(tmp_path, epochs=1, tolerance=0.5)

    def interrupted(self: TextReport, folder: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TextReport, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train_recognizer(config, output=folder, log=silent)
    assert load_record(folder).result is None
    resumed = resume_recognizer(folder, log=silent)
    assert load_record(folder).result is not None
    assert resumed.report is not None
    assert resumed.report.verdict is not None
    (folder / "report.json").unlink()
    again = resume_recognizer(folder, log=silent)  # measures it again
    assert again.report == load_text_report(folder) == resumed.report


def answering(*answers: str | None) -> SimpleNamespace:
    """Returns a recognizer that gives these answers."""
    found = [Recognition("", answer, None, {}) for answer in answers]
    return SimpleNamespace(class_names=("a", "b", "c"), recognize=lambda texts: found)


def test_the_numbers_of_each_category() -> None:
    split = TextSplit(tuple("uvwxyz"), np.array([0, 0, 0, 0, 1, 1], np.int32))
    recognizer = answering("a", "a", "b", None, "b", "a")
    assert recognizer_error_rate(recognizer, split).wrong == 3  # type: ignore[arg-type]
    metrics = class_metrics(recognizer, split)  # type: ignore[arg-type]
    by_class, rates, worst = (metrics[name] for name in ("by_class", "error_rate_by_class", "worst_class"))
    assert isinstance(by_class, dict)
    assert (by_class["a"]["recall"], by_class["a"]["precision"]) == (0.5, pytest.approx(2 / 3))
    assert isinstance(rates, dict)
    assert {name: (rate["error_rate"], rate["num"]) for name, rate in rates.items()} == {"a": (0.5, 4), "b": (0.5, 2)}
    assert rates["a"]["lower"] < 0.5 < rates["a"]["upper"]
    assert isinstance(worst, dict)
    assert (worst["category"], worst["wrong"], worst["n"]) == ("a", 2, 4)


def noisy(corpus: Corpus, seed: int) -> Recognizer:
    """Returns a recognizer whose logits are right with noise, as an object with `outputs`."""
    rng = np.random.default_rng(seed)
    right = np.eye(2)[corpus.validation.labels] * 2
    logits = (right + rng.normal(0, 2, right.shape)).astype(np.float32)
    recognizer = Recognizer.__new__(Recognizer)
    recognizer.corpus = corpus.describe()
    recognizer.outputs = lambda texts: {"logits": logits}  # type: ignore[method-assign]
    return recognizer


def test_a_pool_is_not_worse_than_its_best_member(corpus: Corpus) -> None:
    members = [noisy(corpus, seed) for seed in range(3)]
    labels = corpus.validation.labels
    assert labels is not None
    pool = fit_pool(members, corpus.validation)
    assert sum(pool.weights) == pytest.approx(1)
    assert min(pool.weights) >= 0
    assert pool.class_names == corpus.class_names
    losses = [Score.of(one.outputs(())["logits"], labels).log_loss for one in members]
    assert Score.of(pool.logits(corpus.validation.texts), labels).log_loss <= min(losses) + 1e-9


def test_pools_are_checked(corpus: Corpus) -> None:
    member, other = noisy(corpus, 0), noisy(corpus, 1)
    with pytest.raises(InputError, match="two or more"):
        fit_pool([member], corpus.validation)
    with pytest.raises(InputError, match="texts alone"):
        fit_pool([member, other], TextSplit(corpus.validation.texts))
    other.corpus = replace(other.corpus, class_names=("east", "north"))
    with pytest.raises(InputError, match="The categories differ"):
        fit_pool([member, other], corpus.validation)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"windows": ()}, "one length or more"),
        ({"windows": (2, 2)}, "unique"),
        ({"dropout": 1.0}, "< 1"),
        ({"typos": 1.5}, "from 0 to 1"),
        ({"members": 0}, ">= 1"),
        ({"ngrams": -1}, "from 0"),
        ({"tolerance": 2.0}, "from 0 to 1"),
        ({"data": "x.csv", "languages": ("fi", "sv")}, "no languages"),
    ],
)
def test_bad_options(options: dict[str, object], expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        RecognizerConfig(**options)  # type: ignore[arg-type]
