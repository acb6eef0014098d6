"""Training of the language model: exact resume, what a run folder holds, and convergence to a known language."""

import json
import math
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from helpers.recognizers import write_table

from gan.errors import InputError
from gan.text.generation.language_config import LanguageModelConfig
from gan.text.generation.language_model import load_language_model
from gan.text.generation.language_training import resume_language_model, train_language_model
from gan.text.generation.markov import MarkovLanguage, empirical, sample_variation, total_variation
from gan.text.runs.report import TextReport, load_text_report
from gan.text.runs.text_run import find_run

TINY = LanguageModelConfig(
    width=8, layers=1, dropout=0.2, epochs=3, batch_size=32, learning_rate=0.02, deterministic=True
)


def silent(line: str) -> None:
    pass


@pytest.fixture(scope="module")
def texts_file(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("texts") / "lines.txt"
    language = MarkovLanguage.drawn("abcd", 6, seed=4)
    file.write_text("\n".join(dict.fromkeys(filter(None, language.sample(300, seed=1)))), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def whole(texts_file, tmp_path_factory) -> Path:
    """A training of the tiny options without interruption."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    config = LanguageModelConfig(**{**vars(TINY), "data": str(texts_file)})
    train_language_model(config, output=folder, log=silent)
    return folder


def test_the_run_folder_has_the_numbers_of_its_network(whole):
    folder, record = find_run(whole, "model")
    model = load_language_model(folder, record)
    assert sorted(path.name for path in folder.iterdir()) == ["log.csv", "model.keras", "state", "text.json"]
    assert record.result is not None
    numbers = record.result.numbers
    assert set(numbers) == {
        f"{split}_{name}"
        for split in ("validation", "test")
        for name in ("nats_per_text", "bits_per_character", "perplexity")
    }
    rows = (folder / "log.csv").read_text(encoding="utf-8").splitlines()
    best = min(float(row.split(",")[rows[0].split(",").index("val_loss")]) for row in rows[1:])
    assert numbers["validation_nats_per_text"] == pytest.approx(best, rel=1e-5)
    assert len(model.generate(5)) == 5


@pytest.mark.slow  # two more trainings; test_text_fitting.py has the same of a smaller network
def test_an_interrupted_training_resumes_exactly(whole, texts_file, tmp_path, monkeypatch):
    from gan.text.generation import language_training

    fit = language_training.fit_epochs
    import keras

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 0:
                os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(language_training, "fit_epochs", lambda *a, **k: fit(*a, **k, listeners=[Stop()]))
        config = LanguageModelConfig(**{**vars(TINY), "data": str(texts_file)})
        run = train_language_model(config, output=tmp_path / "run", log=silent)
    assert run.signal == signal.SIGINT
    assert run.record.result is not None
    assert run.record.result.interrupted
    with pytest.raises(InputError, match="no network yet"):
        load_language_model(*find_run(tmp_path / "run"))
    resumed = resume_language_model(tmp_path / "run", log=silent)
    assert resumed.record.resumed == (1,)
    ours, theirs = (
        load_language_model(*find_run(folder)).network.get_weights() for folder in (tmp_path / "run", whole)
    )
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)
    assert resumed.record.result is not None
    assert resumed.record.result.numbers == find_run(whole)[1].result.numbers  # type: ignore[union-attr]


def test_a_finished_training_is_not_changed(whole):
    before = {path: path.stat().st_mtime_ns for path in whole.iterdir()}
    lines: list[str] = []
    again = resume_language_model(whole, log=lines.append)
    assert "is finished" in lines[0]
    assert again.record == find_run(whole)[1]
    assert before == {path: path.stat().st_mtime_ns for path in whole.iterdir()}


class FirstLetter:
    """A judge by hand: of the first category if the first letter is in the first half of the alphabet."""

    class_names = ("east", "west")

    def outputs(self, texts):
        features = np.array([[len(text), ord(text[0]) if text else 0] for text in texts], np.float32)
        logits = np.stack([features[:, 1] < ord("m"), features[:, 1] >= ord("m")], axis=1)
        return {"features": features, "logits": logits.astype(np.float32)}


def test_a_finished_run_has_its_report(tmp_path, monkeypatch):
    from gan.text.generation import language_training

    folder, table = tmp_path / "run", write_table(tmp_path / "names.csv", 600)
    options = {"data": str(table), "epochs": 1, "judge": "by hand", "num": 100, "tolerance": 0.9}
    config = LanguageModelConfig(**{**vars(TINY), **options})
    monkeypatch.setattr(language_training, "load_recognizer", lambda name: FirstLetter())

    def interrupted(self, folder):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TextReport, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train_language_model(config, output=folder, log=silent)
    assert find_run(folder)[1].result is None
    resumed = resume_language_model(folder, log=silent)
    assert resumed.record.result is not None
    assert resumed.report.verdict is not None
    (folder / "report.json").unlink()
    again = resume_language_model(folder, log=silent)  # measures it again
    assert again.report == load_text_report(folder) == resumed.report


def test_other_texts_are_refused_on_resume(whole, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    record = json.loads((whole / "text.json").read_text(encoding="utf-8"))
    (tmp_path / "other.txt").write_text("\n".join(f"text {i}" for i in range(50)), encoding="utf-8")
    record["config"]["data"], record["result"] = str(tmp_path / "other.txt"), None
    (folder / "text.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(InputError, match="texts have changed"):
        resume_language_model(folder, log=silent)


@pytest.mark.parametrize(
    "options",
    [
        {"width": 0},
        {"layers": 0},
        {"dropout": 1.0},
        {"learning_rate": 0.0},
        {"seed": -1},
        {"tolerance": 1.5},
        {"num": 99},
        {"data": "poems.txt", "tolerance": 0.1},
        {"judge": "none", "tolerance": 0.1},
        {"tolerance": 0.0001},
        {"languages": ("fi", "fi")},
        {"data": " "},
        {"languages": ("fi", "pt"), "tolerance": 0.1},
    ],
)
def test_bad_options_are_refused(options):
    with pytest.raises(InputError):
        LanguageModelConfig(**options)


def test_an_untrained_folder_is_removed_after_bad_texts(tmp_path):
    with pytest.raises(InputError, match="No such texts"):
        train_language_model(LanguageModelConfig(data=str(tmp_path / "none.txt")), output=tmp_path / "run", log=silent)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_trained_model_approaches_the_known_language(tmp_path):
    """It is nearer to the language than the texts that it learned from, and than a table of the shares of all texts.

    The mean excess of such a table of T texts, estimated from n, is (T - 1) / 2n nats per text for large n.
    """
    language = MarkovLanguage.drawn("abc", 6, seed=1)
    truth = language.distribution()
    config = LanguageModelConfig(width=24, dropout=0.0, epochs=15, batch_size=128, learning_rate=0.01, patience=15)
    excess, distance = [], []
    for num in (500, 10_000):
        folder = tmp_path / str(num)
        train_language_model(config, corpus=language.corpus(num, 2_000, 2_000), output=folder, log=silent)
        model = load_language_model(*find_run(folder))
        nats = model.log_likelihood(list(truth))
        learned = dict(zip(truth, np.exp(nats).tolist()))
        excess.append(-sum(p * value for p, value in zip(truth.values(), nats)) - language.entropy)
        distance.append(total_variation(truth, learned))
        assert distance[-1] <= math.sqrt(excess[-1] / 2)  # Pinsker
        assert distance[-1] < sample_variation(truth, num)
        assert 0 < excess[-1] < (len(truth) - 1) / (2 * num)
    assert excess[1] < excess[0] / 2
    assert distance[1] < distance[0]
    generated = total_variation(truth, empirical(model.generate(10_000)))
    luck = math.sqrt(math.log(1e6) / (2 * 10_000))  # McDiarmid: one text changes the distance by at most 1 / 10,000
    assert generated < distance[1] + sample_variation(learned, 10_000) + luck
