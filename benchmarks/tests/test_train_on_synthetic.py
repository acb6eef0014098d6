import json
from dataclasses import replace

import numpy as np
import pytest
from helpers.comparison import size_of
from helpers.tiny import small_gan

from benchmarks.cli import main
from benchmarks.tests.tables import rows_of
from benchmarks.train_on_synthetic import Teaching
from gan.config import ClassifierConfig
from gan.data.images import to_uint8
from gan.data.split import Split

TINY = {"tiny": ClassifierConfig(width=2, blocks=1, epochs=3, batch_size=16)}


@pytest.fixture(scope="module")
def generators(tmp_path_factory):
    """Folder with a conditional and an unconditional generator."""
    folder = tmp_path_factory.mktemp("generators")
    for name, classes in (("asked", 10), ("free", 0)):
        (folder / name).mkdir()
        small_gan(classes).generator_ema.save(folder / name / "generator.keras")
    return folder


@pytest.fixture(scope="module")
def few(digits):
    """A few embedded digits of each split."""
    parts = {name: getattr(digits, name).at_most(40) for name in ("train", "validation", "test")}
    return replace(digits, **parts)


@pytest.fixture(scope="module")
def measured(few, generators, tmp_path_factory):
    """Folder of a benchmark with two tiny classifiers, and the function that measures them."""
    out = tmp_path_factory.mktemp("benchmark") / "taught"

    def measure(*more):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("gan.data.load.load_dataset", lambda name, fallback: {"mnist5k": few}[name])
            patch.setattr("benchmarks.train_on_synthetic.CLASSIFIERS", TINY)
            return main(["train-on-synthetic", "--checkpoint", str(generators / "asked"), "--num", "32",
                         "--seeds", "3", "--classifier", "tiny", "--epochs", "1", "--dataset", "mnist5k",
                         "--out", str(out), *more])  # fmt: skip

    return out, measure


@pytest.fixture(scope="module")
def taught(measured):
    """Folder, function to repeat it, and exit status of a benchmark with two tiny classifiers."""
    return *measured, measured[1]()


@pytest.mark.slow  # the parts are tested below
def test_both_classifiers_are_tested_on_real_images(taught, few):
    out, _, status = taught
    assert status == 0
    content = json.loads((out / "results.json").read_text())
    assert list(content["runs"]) == ["generated-3", "real-3"]
    for run in content["runs"].values():
        confusion = np.array(run["confusion"])
        assert confusion.sum() == run["tested"] == len(few.test)
        assert confusion.sum(axis=1).tolist() == np.bincount(few.test.labels, minlength=10).tolist()
        assert run["accuracy"] == pytest.approx(np.trace(confusion) / confusion.sum())
        right = (confusion[i, i] / confusion[i].sum() if confusion[i].any() else None for i in range(10))
        assert run["accuracy_by_class"] == pytest.approx(list(right))
        assert (run["config"]["epochs"], run["config"]["seed"], run["config"]["width"]) == (1, 3, 2)
    rows = rows_of((out / "table.md").read_text())
    accuracies = [f"{100 * run['accuracy']:.2f}" for run in content["runs"].values()]
    assert [row[:3] for row in rows[1:]] == [["generated", "1", accuracies[0]], ["real", "1", accuracies[1]]]
    width, height = size_of(out / "plot.png")
    assert width > height > 100


@pytest.mark.slow
def test_recorded_classifiers_are_not_trained_again(taught, monkeypatch, capsys):
    out, measure, _ = taught
    before, made = (out / "results.json").read_text(), []

    def interrupt(self, config):
        made.append(config.seed)
        raise KeyboardInterrupt

    monkeypatch.setattr(Teaching, "train_and_test", interrupt)
    assert measure() == 0
    assert (out / "results.json").read_text() == before
    assert measure("--seeds", "3", "5") == 130
    assert made == [5]
    assert json.loads((out / "results.json").read_text())["runs"] == json.loads(before)["runs"]
    capsys.readouterr()
    assert measure("--num", "31") == 2
    assert "settings.num=32" in capsys.readouterr().err
    assert measure("--epochs", "2") == 2
    assert "epochs=1" in capsys.readouterr().err


def test_generated_splits_hold_samples_only_in_equal_shares(few, generators):
    from gan import generate, load_generator

    generator = load_generator(generators / "asked")
    taught = Teaching.of("generated", generator, few, num=30, seed=7)
    assert np.bincount(taught.train.labels).tolist() == [3] * 10
    every = to_uint8(generate(generator, 70, seed=7))
    apart = np.abs(np.concatenate([taught.train.images, taught.validation.images]).astype(int) - every)
    assert apart.max() <= 1  # batches of other sizes round differently
    assert taught.validation.labels.tolist() == [(30 + i) % 10 for i in range(40)]
    assert taught.test is few.test
    real = Teaching.of("real", generator, few, num=30, seed=7)
    assert (len(real.train), real.validation, real.test) == (30, few.validation, few.test)


def test_accuracies_by_hand(few, monkeypatch):
    monkeypatch.setattr("gan.evaluation.classifier.training.trained", lambda *_, **__: None)
    labels = np.array([0, 1, 1, 0], np.int32)
    split = Split(np.zeros((4, 2, 2, 1), np.uint8), labels)
    answers = iter([(np.array([0, 1, 1, 1]), None), (np.array([0, 1, 0, 0]), None)])
    monkeypatch.setattr("gan.evaluation.classifier.extractor.classify", lambda *_: next(answers))
    found = Teaching(split, split, split, 3).train_and_test(TINY["tiny"])
    assert (found["accuracy"], found["accuracy_by_class"]) == (0.75, [1.0, 0.5, None])
    assert found["confusion"] == [[2, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert found["chosen_accuracy"] == 0.75


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--seeds",), "at least one"),
        (("--num", "0"), "Bad `num`"),
        (("--num", "15"), "from 16 to 40"),
        (("--epochs", "0"), "Bad `epochs`"),
        (("--classifier", "nonsense"), "Unknown classifier"),
        (("--checkpoint", "nonsense"), "No such checkpoint"),
        (("--checkpoint", "free"), "must be conditional"),
    ],
)
def test_bad_input_is_rejected_before_a_classifier_is_trained(more, message, measured, generators, tmp_path, capsys):
    _, measure = measured
    more = [str(generators / word) if word == "free" else word for word in more]
    assert measure(*more, "--out", str(tmp_path / "out")) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out" / "results.json").exists()
