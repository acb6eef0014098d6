"""Tests that errors in training become the same messages on the chief and on another worker."""

import numpy as np
import pytest
import tensorflow as tf

from gan import train
from gan.config import ModelConfig, OptimizationConfig, TrainConfig
from gan.data.dataset import Dataset
from gan.distributed.cluster import Cluster
from gan.distributed.devices import DeviceSetup
from gan.errors import TrainingError
from gan.training import setup, worker
from gan.training import train as training

SMALL = TrainConfig(
    model=ModelConfig(arch="mlp", conditioning="none", latent_dim=2, g_width=2, d_width=2),
    optimization=OptimizationConfig(steps=1, batch_size=4, penalties=(), steps_per_execution=1),
)
EXHAUSTED = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[64,8]")
NOT_A_NUMBER = tf.errors.InvalidArgumentError(None, None, "d_loss : Tensor had NaN values")


@pytest.fixture(params=["chief", "worker"])
def begin(request, monkeypatch, tmp_path):
    """Trains as the chief or as the other of two workers, without a second process."""
    cluster = Cluster(("a:1", "b:2"), ("chief", "worker").index(request.param))
    monkeypatch.setattr(training, "_start", lambda *_: DeviceSetup(tf.distribute.get_strategy(), cluster, "CPU"))
    monkeypatch.setattr(training.cluster, "is_chief", lambda: cluster.is_chief)
    noise = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1), np.uint8)
    yield lambda: train(SMALL, dataset=Dataset.from_arrays(noise), output=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def failing(error):
    def fail(*arguments, **options):
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (EXHAUSTED, r"^Out of memory\. A smaller --batch-size"),
        (MemoryError("Unable to allocate 3 GiB"), r"^Out of memory\."),
        (NOT_A_NUMBER, r"^d_loss became NaN at step 1\. A lower learning rate may help\.$"),
    ],
)
def test_an_error_in_fit_becomes_a_message(begin, monkeypatch, error, message):
    for module in (training, worker):
        monkeypatch.setattr(module, "fit_intervals", failing(error))
    with pytest.raises(TrainingError, match=message) as caught:
        begin()
    assert caught.value.__cause__ is error


def test_other_errors_in_fit_are_not_changed(begin, monkeypatch):
    error = tf.errors.InvalidArgumentError(None, None, "Incompatible shapes: [2] and [3]")
    for module in (training, worker):
        monkeypatch.setattr(module, "fit_intervals", failing(error))
    with pytest.raises(tf.errors.InvalidArgumentError, match="Incompatible shapes"):
        begin()


def test_too_little_memory_before_the_first_step_becomes_a_message(begin, monkeypatch):
    monkeypatch.setattr(setup, "build_gan", failing(EXHAUSTED))
    with pytest.raises(TrainingError, match="Out of memory"):
        begin()
