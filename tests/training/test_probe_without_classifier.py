"""Tests of runs on data that no classifier knows: what is measured, stopped and resumed."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from helpers.comparison import rows_of

from gan import callbacks, resume, train
from gan.config import ModelConfig, OptimizationConfig, StoppingConfig, TrainConfig
from gan.data.dataset import Dataset
from gan.errors import InputError
from gan.evaluation.features import random_features
from gan.saving import metadata
from gan.training.monitoring import make_probe

SHAPE = (12, 12, 3)
STALE = TrainConfig(
    model=ModelConfig(arch="mlp", latent_dim=4, g_width=2, d_width=2, conditioning="none"),
    optimization=OptimizationConfig(steps=40, batch_size=8, learning_rate=1e-9, steps_per_execution=2, penalties=()),
    stopping=StoppingConfig(monitor="val_frechet_distance", patience=1),
    eval_every=32,
)
"""A run that does not learn, so that its distance does not improve."""


@pytest.fixture(scope="module")
def dataset():
    """Images without labels."""
    return Dataset.from_arrays(np.random.default_rng(0).integers(0, 256, (300, *SHAPE)).astype(np.uint8), name="noise")


@pytest.fixture(scope="module")
def stopped(dataset, tmp_path_factory):
    """(folder, result) of a run that pauses after its first interval and resumes."""
    folder = tmp_path_factory.mktemp("unknown") / "run"
    paused = train(STALE, dataset=dataset, output=folder, listeners=[callbacks.PauseAfter(1)])
    assert paused.stopped_by is None
    return folder, resume(folder, dataset=dataset)


def test_a_rule_stops_a_run_on_data_without_labels(stopped):
    folder, run = stopped
    rows = rows_of(folder / "log.csv")
    assert (run.stopped_by, run.interval, len(rows)) == ("patience", 2, 2)  # the last of equal values is the best
    measured = {name for name in rows[0] if name.startswith("val_")}
    assert measured == {
        "val_frechet_distance",
        "val_frechet_distance_stderr",
        "val_pairwise_ssim",
        "val_pairwise_ssim_real",
    }
    assert all(math.isfinite(float(row[name])) for row in rows for name in measured)


def test_the_features_are_recorded_and_cannot_change(stopped):
    record = metadata.load(stopped[0])
    assert (record.probe_sha256, record.features_sha256) == (None, random_features(SHAPE).source.sha256)
    assert not record.measures_nothing
    metadata.check_probe(record, None, record.features_sha256)
    with pytest.raises(InputError, match=r"The features cannot change on resume. Expected SHA-256 .* no features"):
        metadata.check_probe(record, None, None)


def test_the_probe_has_the_features_that_the_options_name(dataset, tmp_path):
    with pytest.raises(InputError, match="No such network of features"):
        make_probe(StoppingConfig(features="nowhere.keras"), dataset, images_per_interval=100)
    with pytest.raises(InputError, match="Options without effect"):
        StoppingConfig(probe="none", features="nowhere.keras")
    alone = replace(dataset, validation=dataset.validation.take(np.arange(1)))
    with pytest.raises(
        InputError, match=r"Options without effect\. Expected 2 validation images.* with 1 validation im"
    ):
        make_probe(StoppingConfig(features="nowhere.keras"), alone, images_per_interval=100)


@pytest.mark.parametrize("monitor", ["val_error_rate", "val_classes_seen"])
def test_a_monitor_that_needs_a_classifier_is_refused_with_what_there_is(dataset, tmp_path, monitor):
    config = replace(STALE, stopping=StoppingConfig(monitor=monitor, monitor_mode="max"))
    with pytest.raises(InputError, match=r"Unknown `monitor`.*'val_frechet_distance'.*need a classifier"):
        train(config, dataset=dataset, output=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_tolerance_needs_a_classifier_for_the_data(dataset, tmp_path):
    config = replace(STALE, stopping=StoppingConfig(tolerance=0.02))
    with pytest.raises(InputError, match=r"another (dataset|shape)"):
        train(config, dataset=dataset, output=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_one_validation_image_is_not_compared(dataset):
    few = replace(dataset, validation=dataset.validation.take(np.arange(1)))
    assert make_probe(StoppingConfig(), few, images_per_interval=100).batches is None


@pytest.mark.slow  # test_the_features_are_recorded_and_cannot_change is the stand-in
def test_a_run_of_an_earlier_revision_resumes_without_features(dataset, tmp_path):
    """It began without a probe, although the options said `auto`."""
    config = replace(STALE, stopping=StoppingConfig(probe="none"))
    config = replace(config, optimization=replace(config.optimization, steps=8))
    train(config, dataset=dataset, output=tmp_path / "run", listeners=[callbacks.PauseAfter(1)])
    content = json.loads((tmp_path / "run" / "config.json").read_text())
    content["config"]["stopping"]["probe"] = "auto"
    del content["config"]["stopping"]["features"]
    (tmp_path / "run" / "config.json").write_text(json.dumps(content))
    assert metadata.load(tmp_path / "run").measures_nothing
    assert resume(tmp_path / "run", dataset=dataset).stopped_by is None
    rows = rows_of(tmp_path / "run" / "log.csv")
    assert len(rows) == 2
    assert not any(name.startswith("val_") for name in rows[0])
    assert metadata.load(tmp_path / "run").config.stopping.probe == "auto"
