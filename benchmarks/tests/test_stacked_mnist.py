import json
import math
from dataclasses import replace

import keras
import numpy as np
import pytest
from helpers.comparison import size_of

from benchmarks import stacked_mnist
from benchmarks.cli import main
from benchmarks.judge import MODES, StackJudge, check_stacks, mode_kl, mode_shares, modes_reached
from gan.config import ModelConfig, OptimizationConfig, TrainConfig
from gan.data.dataset import Dataset
from gan.data.split import Split
from gan.errors import InputError
from gan.evaluation.classifier.extractor import Extractor, as_input, load_classifier

TINY = TrainConfig(
    model=ModelConfig(conditioning="none", latent_dim=8, g_width=4, d_width=4),
    optimization=OptimizationConfig(batch_size=16, steps_per_execution=4),
)


def stacked(split, count, seed):
    """Returns `count` stacks of digits as red, green and blue, with labels 100 r + 10 g + b."""
    rows = np.random.default_rng(seed).integers(len(split), size=(count, 3))
    pictures = np.moveaxis(split.images[rows][..., 0], 1, -1)
    return Split(pictures, (split.labels[rows] @ [100, 10, 1]).astype(np.int32))


@pytest.fixture(scope="module")
def stacks(digits):
    parts = [stacked(part, count, i) for i, (part, count) in enumerate(
        ((digits.train, 3_000), (digits.validation, 300), (digits.test, 1_500)))]  # fmt: skip
    return Dataset("stacked-mnist", MODES, *parts)


@pytest.fixture(scope="module")
def judge(stacks):
    classifier, _ = load_classifier("mnist-probe")
    return StackJudge(Extractor(classifier), mode_shares(stacks.train.labels))


def fixed(pictures):
    """Returns a "generator" with the same output for all latents: uint8 [28, 28, 3]."""
    latents = keras.Input((4,), name="latents")
    shown = keras.layers.Dense(
        28 * 28 * 3, kernel_initializer="zeros", bias_initializer=lambda *_, **__: as_input(pictures).ravel()
    )(latents)
    return keras.Model(latents, keras.layers.Reshape((28, 28, 3))(shown))


def test_modes_and_kl_by_closed_forms():
    uniform, one = np.full(1_000, 26), np.eye(1_000)[3]
    assert (modes_reached(uniform), mode_kl(uniform)) == (1_000, pytest.approx(0.0, abs=1e-12))
    assert (modes_reached(one), mode_kl(one)) == (1, pytest.approx(math.log(1_000)))
    data = np.array([1.0, 3.0, 0.0])
    assert mode_kl(np.array([2, 6, 0]), data) == pytest.approx(0.0, abs=1e-12)
    assert mode_kl(np.array([1, 1, 0]), data) == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3))
    assert mode_kl(np.array([0, 0, 1]), data) == math.inf
    assert math.isnan(mode_kl(np.zeros(3)))


def test_kl_of_samples_of_the_data_is_modes_over_twice_the_samples():
    counts = np.random.default_rng(0).multinomial(26_000, np.full(1_000, 1e-3))
    assert mode_kl(counts) == pytest.approx(999 / 52_000, rel=0.2)


def test_shares_of_modes_are_products_of_the_channels():
    labels = np.array([111, 112, 121, 122])  # red is 1; green and blue are 1 or 2, each half
    shares = mode_shares(labels)
    assert shares.shape == (1_000,)
    np.testing.assert_allclose(shares[labels], 0.25)
    assert shares.sum() == pytest.approx(1)
    np.testing.assert_allclose(mode_shares(np.arange(1_000)), 1e-3)


def test_a_generator_of_one_picture_reaches_one_mode(judge, stacks):
    digits, sure = judge._read(as_input(stacks.test.images))
    chosen = int(np.flatnonzero(sure.all(axis=1))[0])
    found = judge.of_generator(fixed(stacks.test.images[chosen]), 2_500)
    mode = int(digits[chosen] @ [100, 10, 1])
    assert (found["num"], found["modes"], found["sure"]) == (2_500, 1, 1.0)
    assert found["counts"][mode] == 2_500
    assert found["kl_uniform"] == pytest.approx(np.log(1_000))
    assert found["kl"] == pytest.approx(-np.log(judge.shares[mode]))


def test_real_stacks_are_read_as_labeled_and_reach_nearly_all_modes(judge, stacks):
    digits, _ = judge._read(as_input(stacks.test.images))
    read = (digits @ [100, 10, 1] == stacks.test.labels).mean()
    assert read > 0.9
    many, few = judge.of_real(stacks.test, 26_000, 1_000)
    assert many["modes"] > 990
    assert 0.015 < many["kl"] < 0.05  # 0.019 of finite samples, and errors
    assert (many["num"], few["num"]) == (26_000, 1_000)
    assert few["modes"] < many["modes"]
    assert mode_kl(np.array(many["counts"]), judge.shares) == pytest.approx(many["kl"])


def test_rejects_images_that_are_not_stacks():
    classifier, _ = load_classifier("mnist-probe")
    check_stacks((28, 28, 3), classifier)
    for shape in ((28, 28, 1), (32, 32, 3)):
        with pytest.raises(InputError, match="cannot read the channels"):
            check_stacks(shape, classifier)


@pytest.fixture
def _installed_stacks(stacks, monkeypatch):
    for module in ("gan.data.load", "gan.training.setup"):
        monkeypatch.setattr(f"{module}.load_dataset", lambda name, **_: {"stacked-mnist": stacks}[name])
    monkeypatch.setattr(stacked_mnist, "PRESETS", {"tiny": TINY, "classes": TrainConfig()})
    monkeypatch.setattr("benchmarks.runs.PRESETS", {"tiny": TINY})
    monkeypatch.setattr(stacked_mnist, "MEANWHILE", 200)


@pytest.mark.usefixtures("_installed_stacks")
@pytest.mark.slow
def test_the_benchmark_trains_counts_and_resumes(tmp_path, capsys):
    out = tmp_path / "out"
    options = ["stacked-mnist", "--preset", "tiny", "--images", "80", "--num", "1000", "--classifier",
               "mnist-probe", "--out", str(out)]  # fmt: skip
    assert main(options) == 0
    table = capsys.readouterr().out
    for part in ("| tiny ", "| real images ", "| DCGAN ", "| WGAN-GP ", "| PacGAN (2 samples) ", "| R3GAN "):
        assert part in table
    content = json.loads((out / "results.json").read_text())
    run = content["runs"]["tiny-0"]
    assert run["images"] == 80
    assert sum(run["counts"]) == 1_000
    assert run["modes"] == np.count_nonzero(run["counts"])
    assert [row["images"] for row in run["over_training"]] == list(range(16, 81, 16))
    assert content["facts"]["real"]["num"] == 1_000
    assert content["facts"]["real_meanwhile"]["num"] == 200
    assert size_of(out / "plot.png")[0] > 1_500
    assert (out / run["samples"]).exists()

    assert main([*options, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == content["runs"]

    checkpoint = out / "runs" / "tiny-0"
    judged = [*options[:1], "--num", "1000", "--classifier", "mnist-probe", "--checkpoint", str(checkpoint)]
    assert main([*judged, "--out", str(tmp_path / "judged")]) == 0
    again = json.loads((tmp_path / "judged" / "results.json").read_text())["runs"][str(checkpoint)]
    assert again["counts"] == run["counts"]
    assert main([*judged[:-1], "mnist", "--out", str(tmp_path / "grey")]) == 2
    assert "must produce stacked digits" in capsys.readouterr().err


@pytest.mark.usefixtures("_installed_stacks")
def test_minutes_become_images_once(tmp_path, monkeypatch):
    from benchmarks import runs
    from benchmarks.benchmark import Record

    speeds = iter([100.0, 1.0])
    monkeypatch.setattr(runs, "train_run", lambda config, folder, preset: None)
    monkeypatch.setattr(runs, "costs", lambda run, config: {"images_per_second": next(speeds)})
    benchmark = replace(stacked_mnist.StackedMnist(), preset="tiny", minutes=0.5)
    said = []
    for _ in range(2):
        record = Record(tmp_path, benchmark.name, benchmark.settings())
        assert benchmark._planned(record, said.append) == 3_000
    assert len(said) == 1
