"""Tests of reports, pages and `gan evaluate` for data that no classifier knows."""

import functools
import json

import numpy as np
import pytest
from helpers.tiny import sequential, small_gan
from keras import layers

from gan.cli.main import main
from gan.data.dataset import Dataset
from gan.errors import InputError
from gan.evaluation import projection
from gan.evaluation.classifier.extractor import as_input
from gan.evaluation.evaluation import evaluate, evaluate_samples
from gan.evaluation.features import load_features, random_features
from gan.evaluation.html import page
from gan.evaluation.report import MetricRow, check_comparable, load_report, numbers, rows
from gan.evaluation.report_text import RANDOM_NETWORK, headline

SHAPE = (12, 11, 3)
OF_CLASSES = {"error_rate", "worst_class", "class_kl", "classes_seen"}


def pictures(number, seed):
    """Returns images of two colors side by side, uint8: any two sets have about the same features."""
    rng = np.random.default_rng(seed)
    halves = rng.integers(0, 256, (number, 1, 2, 3)).repeat(12, axis=1)
    return np.concatenate([halves.repeat(5, axis=2), halves[:, :, 1:]], axis=2).astype(np.uint8)


@pytest.fixture(scope="module")
def dataset():
    return Dataset.from_arrays(pictures(1_500, 0), name="halves")


@pytest.fixture(scope="module")
def real(dataset):
    """The report of fresh images of the data, which are as good as samples can be."""
    return evaluate_samples(as_input(pictures(300, 1)), None, dataset)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Returns the file of a model with a layer of maps."""
    file = tmp_path_factory.mktemp("network") / "own.keras"
    sequential(SHAPE, layers.Conv2D(6, 3, name="maps"), layers.Flatten(), layers.Dense(2)).save(file)
    return file


def test_real_images_are_as_near_as_the_floor(real):
    report = real.report
    assert report.frechet_in_floors == pytest.approx(1, abs=0.4)
    for name in ("sliced_wasserstein", "sliced_wasserstein_12x11", "coverage", "pairwise_ssim", "nearest_mse"):
        row = report.metrics[name]
        assert row.value == pytest.approx(row.real, rel=0.4, abs=0.05), name
    assert report.copied_share is None or report.copied_share_lower < 0 < report.copied_share_upper


def test_noise_is_far_from_the_data(dataset, real):
    noise = np.random.default_rng(0).uniform(-1, 1, (208, *SHAPE)).astype(np.float32)
    report = evaluate_samples(noise, None, dataset).report
    assert report.frechet_in_floors > 10
    assert report.metrics["coverage"].value < 0.1 < real.report.metrics["coverage"].value
    assert report.metrics["sliced_wasserstein"].value > 2 * report.metrics["sliced_wasserstein"].real
    assert {name: row.real for name, row in report.metrics.items()} == pytest.approx(
        {name: row.real for name, row in real.report.metrics.items()}, rel=1e-4
    )


def test_what_a_classifier_measures_is_absent(real):
    report = real.report
    assert OF_CLASSES.isdisjoint(report.metrics)
    assert OF_CLASSES.isdisjoint(report.meaning)
    assert (report.verdict, report.tolerance, report.classifier_sha256, report.class_histogram) == (None,) * 4
    assert (report.error_rate_by_class, report.worst_class, report.perturbation) == ((), None, None)
    assert report.features == random_features(SHAPE).source
    assert report.num == report.compared == 208  # the smallest split


def test_a_report_without_a_verdict_is_written_and_read(real, tmp_path):
    text = json.dumps(real.report.as_dict(), allow_nan=False)
    assert {json.loads(text)[name] for name in ("verdict", "tolerance", "classifier_sha256")} == {None}
    (tmp_path / "report.json").write_text(text)
    assert load_report(tmp_path) == real.report
    assert numbers(real.report)["verdict"] is None
    assert {row["name"] for row in rows(real.report)} >= {"frechet_distance", "sliced_wasserstein", "copied_share"}


def test_the_page_says_what_is_missing_and_what_the_features_see(real):
    html = page(real, checkpoint="halves")
    assert f"<h1>{headline(real.report)}</h1>" in html
    assert headline(real.report) == "No verdict: there was no classifier"
    assert RANDOM_NETWORK in html
    assert "The first 100 samples" in html
    assert real.report.features.sha256 in html
    assert "How the verdict is reached" not in html
    assert ">None<" not in html
    assert " nan" not in html.lower()


def test_a_layer_of_a_given_model_is_another_kind_of_number(dataset, real, network):
    found = load_features(f"{network}:maps", SHAPE)
    report = evaluate_samples(as_input(pictures(208, 1)), None, dataset, features=found).report
    assert report.features == found.source
    assert (report.reference, report.features.dimension) == ("208 test images, features of a given network", 6)
    assert report.metrics["frechet_distance"] != real.report.metrics["frechet_distance"]
    assert report.metrics["sliced_wasserstein"] == real.report.metrics["sliced_wasserstein"]  # of pixels
    with pytest.raises(InputError, match="the same reference in all reports"):
        check_comparable({"random": real.report, "given": report})


def test_requested_classes_need_no_classifier():
    labels = np.arange(1_000) % 2
    data = Dataset.from_arrays(pictures(1_000, 0), labels, name="labelled")
    asked = np.arange(60) % 2
    with pytest.warns(UserWarning, match="prove little"):
        found = evaluate_samples(as_input(pictures(60, 1)), asked, data)
    assert found.report.conditional
    assert found.report.metrics["pairwise_ssim"].value is not None
    assert "Samples of the same class" in found.report.summary["similarity"]
    assert found.images["samples"].shape[0] < found.images["samples"].shape[1]  # two rows of ten
    assert "one row per class" in page(found, checkpoint="labelled")


@pytest.mark.slow  # the report of small images, in test_small_images.py, is the stand-in
def test_images_below_a_patch_have_no_patch_distance():
    data = Dataset.from_arrays(np.random.default_rng(0).integers(0, 256, (400, 6, 6, 1)).astype(np.uint8), name="dots")
    with pytest.warns(UserWarning, match="prove little"):
        report = evaluate_samples(as_input(data.train.images[:60]), None, data).report
    assert report.metrics["sliced_wasserstein"] == MetricRow(None, None)
    assert report.not_known["sliced_wasserstein"] == "it needs images of at least 8 pixels in height and width"
    assert report.metrics["frechet_distance"].value is not None


def test_a_tolerance_needs_a_classifier(dataset):
    with pytest.raises(InputError, match=r"needs a classifier.*gan train-classifier.*tolerance=0.02"):
        evaluate(small_gan(0, shape=SHAPE).generator_ema, dataset, tolerance=0.02)


@pytest.fixture
def saved(dataset, monkeypatch, tmp_path):
    """A folder with a generator `g.keras`, and its data `halves.npz`. Reconstructions take two steps."""
    monkeypatch.chdir(tmp_path)
    quick = functools.partial(projection.project, steps=2, restarts=1)
    monkeypatch.setattr("gan.evaluation.projection.project", quick)
    small_gan(0, shape=SHAPE).generator_ema.save("g.keras")
    np.savez("halves.npz", images=pictures(1_500, 0), labels=np.arange(1_500) % 2)
    return tmp_path


def test_the_command_says_that_no_classifier_suits(saved, capfd):
    arguments = ["evaluate", "g.keras", "--dataset", "halves.npz", "--output", "r"]
    assert main(arguments) == 0
    printed = capfd.readouterr()
    assert "No classifier suits halves.npz: no error rate and no verdict" in printed.err
    assert "verdict     none" in printed.out
    report = load_report(saved / "r")
    assert (report.verdict, report.features.name) == (None, "random")
    assert report.summary["robustness"].startswith("Faults were not tried")
    assert "sliced_wasserstein" in printed.out
    assert (saved / "r" / "report.html").is_file()
    assert main(["compare", "r", "r/report.json"]) == 0
    assert "none" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tolerance", "0.02"], "A tolerance needs a classifier"),
        (["--tolerance", "0.02", "--classifier", "none"], "gan train-classifier"),
        (["--classifier", "mnist-classifier"], "for another dataset"),
        (["--features", "nowhere.keras"], "No such network of features"),
        (["--features", "g.keras:images"], "takes other images"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(saved, options, words, capfd):
    assert main(["evaluate", "g.keras", "--dataset", "halves.npz", "--output", "r", *options]) == 2
    printed = capfd.readouterr()
    assert words in printed.err
    assert "Traceback" not in printed.err
    assert not (saved / "r").exists()
