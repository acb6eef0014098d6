"""Tests of the kinds of configurations, datasets and networks that `train` takes."""

import numpy as np
import pytest
from helpers.tiny import QUICK, small_gan

from gan import Dataset, train
from gan.config import PRESETS, TrainConfig
from gan.errors import InputError
from gan.training.setup import named_dataset, preset_config

PIXELS = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1), np.uint8)
LABELS = np.arange(60) % 3


def test_a_preset_can_be_given_by_its_name():
    assert preset_config("mnist-mlp", None) == (PRESETS["mnist-mlp"], "mnist-mlp")
    assert preset_config("mnist-mlp", "mine") == (PRESETS["mnist-mlp"], "mine")
    assert preset_config(None, None) == (TrainConfig(), None)
    assert preset_config(QUICK, None) == (QUICK, None)
    with pytest.raises(InputError, match=r"Unknown preset.*'mnist-mlp'.*dataset=.*config='cifar10'"):
        preset_config("cifar10", None)


def test_a_dataset_can_be_given_by_name_or_as_arrays(tmp_path):
    for given, name in (("mnist5k", "mnist5k"), (tmp_path, str(tmp_path))):
        config, dataset = named_dataset(QUICK, given)
        assert (config.data.dataset, dataset) == (name, None)
    whole = Dataset.from_arrays(PIXELS, LABELS)
    for given in ((PIXELS, LABELS), [PIXELS, LABELS], whole):
        config, dataset = named_dataset(QUICK, given)
        assert (config, dataset.fingerprint) == (QUICK, whole.fingerprint)
    _, dataset = named_dataset(QUICK, ((PIXELS[:40], LABELS[:40]), (PIXELS[40:], LABELS[40:])))  # as keras.datasets
    np.testing.assert_array_equal(dataset.test.images, PIXELS[40:])
    assert named_dataset(QUICK, None) == (QUICK, None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"config": TrainConfig}, "Bad `config`.*a TrainConfig, or the name of a preset.*the class TrainConfig itself"),
        ({"config": {"seed": 1}}, "Bad `config`"),
        ({"dataset": 3}, "Bad `dataset`.*arrays"),
        ({"gan": "mnist"}, "Bad `gan`"),
        ({"gan": small_gan(3, shape=(8, 8, 3))}, r"does not fit the dataset.*\(8, 8, 1\), and 3 classes.*\(8, 8, 3\)"),
        ({"gan": small_gan(2, shape=(8, 8, 1))}, "does not fit the dataset.*and 3 classes.*and 2 classes"),
        ({"listeners": ["EarlyStopping"]}, "Bad `listeners`"),
        ({"name": "a/b"}, "Bad `name`"),
        ({"output": 3}, "Bad `output`.*a path"),
        ({"output": "a\0b"}, "Bad `output`.*a path"),
        ({"output": "a" * 5_000}, "Bad `output`.*a path"),
    ],
)
def test_anything_else_is_refused_and_nothing_is_written(tmp_path, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=words):
        train(**{"config": QUICK, "dataset": (PIXELS, LABELS), **options})
    assert list(tmp_path.iterdir()) == []
