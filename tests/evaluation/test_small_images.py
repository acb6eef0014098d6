"""Images with a side of 8, 9 or 10 pixels: SSIM is not known of them, and everything else is measured."""

import functools
import io
import json
import math

import numpy as np
import pytest
import tensorflow as tf
from helpers.comparison import rows_of
from rich.console import Console

from gan import load_generator, train
from gan.cli.evaluate import _print
from gan.config import ModelConfig, OptimizationConfig, StoppingConfig, TrainConfig
from gan.data.dataset import Dataset
from gan.errors import InputError
from gan.evaluation import metrics, projection
from gan.evaluation import report as reports
from gan.evaluation.classifier.extractor import load_classifier
from gan.evaluation.classifier.network import build_classifier
from gan.evaluation.evaluation import evaluate
from gan.evaluation.html import page
from gan.evaluation.metrics.paired import ssim_or_nan
from gan.evaluation.report import MetricRow
from gan.saving import files

WHY = "SSIM needs images of at least 11 x 11 pixels, its window; these are {} x {}"


@pytest.mark.parametrize("shape", [(8, 8), (10, 10), (8, 28), (28, 10)])
def test_what_measures_more_than_ssim_says_that_it_is_not_known(shape):
    pictures = np.random.default_rng(0).uniform(-1, 1, (12, *shape, 1)).astype(np.float32)
    near = metrics.nearest_neighbours(pictures[:4], pictures[4:])
    assert np.isnan(near.ssim).all()
    assert np.isfinite(near.mse).all()
    assert math.isnan(metrics.pairwise_ssim(pictures, np.arange(12) % 2, pairs=8))
    paired, pairwise = metrics.StructuralSimilarity(), metrics.PairwiseSSIM()
    for metric in (paired, pairwise):
        tf.function(metric.update_state)(pictures[:6], pictures[6:], np.arange(6) % 2)
    assert np.isnan([paired.result(), *pairwise.result().values()]).all()
    assert metrics.why_no_ssim(shape) == WHY.format(*shape)
    with pytest.raises(InputError, match="at least 11 pixels"):
        metrics.ssim(pictures, pictures)


def test_from_eleven_pixels_on_it_is_known():
    pictures = np.random.default_rng(0).uniform(-1, 1, (4, 11, 12, 3)).astype(np.float32)
    assert metrics.why_no_ssim((11, 12, 3)) is None
    np.testing.assert_array_equal(ssim_or_nan(pictures, pictures[::-1]), metrics.ssim(pictures, pictures[::-1]))
    assert np.isfinite(metrics.nearest_neighbours(pictures, pictures[:2]).ssim).all()
    assert np.isfinite(metrics.pairwise_ssim(pictures, pairs=2))


@pytest.fixture(scope="module", params=[(9, 9, 1), pytest.param((8, 28, 3), marks=pytest.mark.slow)], ids=str)
def small(request, tmp_path_factory):
    """(data set of two classes, folder of a classifier for it) of images of one small shape."""
    shape = request.param
    rng = np.random.default_rng(0)
    labels = np.arange(1_500) % 2
    pictures = rng.integers(0, 128, (len(labels), *shape)) + 127 * labels[:, None, None, None]
    dataset = Dataset.from_arrays(pictures.astype(np.uint8), labels, name="shades")
    folder = tmp_path_factory.mktemp("small") / "classifier"
    folder.mkdir()
    build_classifier(shape, 2, width=2, blocks=1, features=4).save(folder / "classifier.keras")
    card = {"data_sets": ["shades"], "dataset": {"image_shape": list(shape), "num_classes": 2}}
    card["sha256"] = files.sha256(folder / "classifier.keras")
    files.write_json(folder / "config.json", card)
    return dataset, folder


@pytest.fixture(scope="module")
def run(small, tmp_path_factory):
    """A run on such images that is measured each interval, and what it said."""
    dataset, classifier = small
    config = TrainConfig(
        model=ModelConfig(latent_dim=4, g_width=2, d_width=2),
        optimization=OptimizationConfig(steps=4, batch_size=8, steps_per_execution=2),
        stopping=StoppingConfig(probe=str(classifier)),
        eval_every=16,
    )
    said = io.StringIO()
    folder = tmp_path_factory.mktemp("small") / "run"
    return train(config, dataset=dataset, output=folder, console=Console(file=said)), said.getvalue()


def test_each_interval_of_a_run_is_measured_but_for_ssim_and_that_is_said(run, small):
    (run, said), (dataset, _) = run, small
    rows = rows_of(run.folder / "log.csv")
    assert len(rows) == 2
    measured = {name for name in rows[0] if name.startswith("val_")}
    assert {"val_error_rate", "val_frechet_distance", "val_classes_seen"} <= measured
    assert not any("ssim" in name for name in measured)
    assert all(np.isfinite(float(row[name])) for row in rows for name in measured)
    assert f"val_pairwise_ssim is not measured: {WHY.format(*dataset.image_shape[:2])}\n" in said


def test_a_run_does_not_wait_for_what_it_does_not_measure(small, tmp_path):
    dataset, classifier = small
    config = TrainConfig(
        model=ModelConfig(latent_dim=4, g_width=2, d_width=2),
        optimization=OptimizationConfig(steps=1, batch_size=8),
        stopping=StoppingConfig(probe=str(classifier), monitor="val_pairwise_ssim"),
    )
    with pytest.raises(InputError, match=r"Unknown `monitor`.*'val_frechet_distance'"):
        train(config, dataset=dataset, output=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_report_says_what_is_not_known_and_why(run, small, monkeypatch, tmp_path, capsys):
    (run, _), (dataset, folder) = run, small
    why = WHY.format(*dataset.image_shape[:2])
    quick = functools.partial(projection.project, steps=2, restarts=1)
    monkeypatch.setattr("gan.evaluation.projection.project", quick)
    generator = load_generator(run.folder)
    evaluation = evaluate(generator, dataset, *load_classifier(folder), num=200)
    report = evaluation.report
    of_ssim = {"pairwise_ssim", "nearest_ssim", "reconstruction_ssim"}
    unknown = {name for name, row in report.metrics.items() if None in (row.value, row.real)}
    assert unknown == of_ssim
    assert all(report.metrics[name] == MetricRow(None, None) for name in of_ssim)
    assert report.not_known == dict.fromkeys(of_ssim, why)
    assert report.verdict in ("within", "exceeded", "undecided")
    assert report.summary["similarity"] == f"Similarity within a class is not known: {why}."

    html = page(evaluation, checkpoint="small")
    assert f"Not known: {why}." in html
    assert ">nan<" not in html.lower()

    monkeypatch.setenv("COLUMNS", "100")
    _print(report, None)
    (row,) = (line for line in capsys.readouterr().out.splitlines() if "nearest_ssim" in line)
    assert row.count("not known") == 2

    (tmp_path / "report.json").write_text(json.dumps(report.as_dict(), allow_nan=False))
    loaded = reports.load_report(str(tmp_path))
    assert loaded == report
    assert reports.written("pairwise_ssim", loaded, column="real") == "not known"
    assert reports.numbers(loaded)["nearest_ssim"] is None
