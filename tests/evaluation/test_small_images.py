"""Tests that images with a side of 8, 9 or 10 pixels have all metrics except SSIM, which is not known."""

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
from gan.evaluation.report_text import headline
from gan.saving import files

REASON = "SSIM needs images of at least 11 x 11 pixels, its window; these are {} x {}"


@pytest.mark.parametrize("shape", [(8, 8), (10, 10), (8, 28), (28, 10)])
def test_metrics_return_nan_instead_of_ssim(shape):
    images = np.random.default_rng(0).uniform(-1, 1, (12, *shape, 1)).astype(np.float32)
    near = metrics.nearest_neighbours(images[:4], images[4:])
    assert np.isnan(near.ssim).all()
    assert np.isfinite(near.mse).all()
    assert math.isnan(metrics.pairwise_ssim(images, np.arange(12) % 2, pairs=8))
    paired, pairwise = metrics.StructuralSimilarity(), metrics.PairwiseSSIM()
    for metric in (paired, pairwise):
        tf.function(metric.update_state)(images[:6], images[6:], np.arange(6) % 2)
    assert np.isnan([paired.result(), *pairwise.result().values()]).all()
    assert metrics.why_no_ssim(shape) == REASON.format(*shape)
    with pytest.raises(InputError, match="at least 11 pixels"):
        metrics.ssim(images, images)


def test_ssim_is_known_from_eleven_pixels():
    images = np.random.default_rng(0).uniform(-1, 1, (4, 11, 12, 3)).astype(np.float32)
    assert metrics.why_no_ssim((11, 12, 3)) is None
    np.testing.assert_array_equal(ssim_or_nan(images, images[::-1]), metrics.ssim(images, images[::-1]))
    assert np.isfinite(metrics.nearest_neighbours(images, images[:2]).ssim).all()
    assert np.isfinite(metrics.pairwise_ssim(images, pairs=2))


@pytest.fixture(scope="module", params=[(9, 9, 1), pytest.param((8, 28, 3), marks=pytest.mark.slow)], ids=str)
def small(request, tmp_path_factory):
    """(dataset of two classes, folder of a classifier for it), with images of one small shape."""
    shape = request.param
    rng = np.random.default_rng(0)
    labels = np.arange(1_500) % 2
    images = rng.integers(0, 128, (len(labels), *shape)) + 127 * labels[:, None, None, None]
    dataset = Dataset.from_arrays(images.astype(np.uint8), labels, name="shades")
    folder = tmp_path_factory.mktemp("small") / "classifier"
    folder.mkdir()
    build_classifier(shape, 2, width=2, blocks=1, features=4).save(folder / "classifier.keras")
    card = {"data_sets": ["shades"], "dataset": {"image_shape": list(shape), "num_classes": 2}}
    card["sha256"] = files.sha256(folder / "classifier.keras")
    files.write_json(folder / "config.json", card)
    return dataset, folder


@pytest.fixture(scope="module")
def run(small, tmp_path_factory):
    """(result, printed output) of a run on the small images with a probe."""
    dataset, classifier = small
    config = TrainConfig(
        model=ModelConfig(latent_dim=4, g_width=2, d_width=2),
        optimization=OptimizationConfig(steps=4, batch_size=8, steps_per_execution=2),
        stopping=StoppingConfig(probe=str(classifier)),
        eval_every=16,
    )
    printed = io.StringIO()
    folder = tmp_path_factory.mktemp("small") / "run"
    return train(config, dataset=dataset, output=folder, console=Console(file=printed)), printed.getvalue()


def test_a_run_measures_everything_except_ssim_and_reports_the_reason(run, small):
    (run, printed), (dataset, _) = run, small
    rows = rows_of(run.folder / "log.csv")
    assert len(rows) == 2
    measured = {name for name in rows[0] if name.startswith("val_")}
    assert {"val_error_rate", "val_frechet_distance", "val_classes_seen"} <= measured
    assert not any("ssim" in name for name in measured)
    assert all(np.isfinite(float(row[name])) for row in rows for name in measured)
    assert f"val_pairwise_ssim is not measured: {REASON.format(*dataset.image_shape[:2])}\n" in printed


def test_rejects_a_monitor_that_is_not_measured(small, tmp_path):
    dataset, classifier = small
    config = TrainConfig(
        model=ModelConfig(latent_dim=4, g_width=2, d_width=2),
        optimization=OptimizationConfig(steps=1, batch_size=8),
        stopping=StoppingConfig(probe=str(classifier), monitor="val_pairwise_ssim"),
    )
    with pytest.raises(InputError, match=r"Unknown `monitor`.*'val_frechet_distance'"):
        train(config, dataset=dataset, output=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_report_names_unknown_metrics_and_the_reason(run, small, monkeypatch, tmp_path, capsys):
    (run, _), (dataset, folder) = run, small
    reason = REASON.format(*dataset.image_shape[:2])
    quick = functools.partial(projection.project, steps=2, restarts=1)
    monkeypatch.setattr("gan.evaluation.projection.project", quick)
    generator = load_generator(run.folder)
    evaluation = evaluate(generator, dataset, *load_classifier(folder), num=200)
    report = evaluation.report
    ssim_metrics = {"pairwise_ssim", "nearest_ssim", "reconstruction_ssim"}
    unknown = {name for name, row in report.metrics.items() if None in (row.value, row.real)}
    assert unknown == ssim_metrics
    assert all(report.metrics[name] == MetricRow(None, None) for name in ssim_metrics)
    assert report.not_known == dict.fromkeys(ssim_metrics, reason)
    assert (report.verdict, headline(report)) == (None, "No verdict: there was no tolerance")
    assert "No tolerance was given" in report.summary["tolerance"]
    assert report.features.sha256 == report.classifier_sha256
    assert report.summary["similarity"] == f"Similarity within a class is not known: {reason}."

    html = page(evaluation, checkpoint="small")
    assert f"Not known: {reason}." in html
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
