"""Tests of `train` and `resume` with given objects instead of options: networks, a probe, a grid."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from helpers.comparison import rows_of, size_of

from gan import (
    GAN,
    Probe,
    build_discriminator,
    build_generator,
    callbacks,
    load_discriminator,
    load_generator,
    resume,
    train,
)
from gan.config import ModelConfig, OptimizationConfig, StoppingConfig, TrainConfig
from gan.data.dataset import Dataset
from gan.errors import InputError
from gan.training.setup import prepare_training

CONFIG = TrainConfig(
    model=ModelConfig(conditioning="none", latent_dim=99),  # the given networks have another latent size
    optimization=OptimizationConfig(steps=4, batch_size=4, steps_per_execution=1),
    stopping=StoppingConfig(monitor="val_mean_difference"),
    eval_every=8,
    precision="float32",
)


class MeanDifference(keras.metrics.Metric):
    """Mean pixel of the samples minus the mean pixel of the real images, in the last batch."""

    def __init__(self):
        super().__init__(name="mean_difference")
        self.value = self.add_variable((), "zeros", name="value")

    def update_state(self, real, fake, labels=None):
        self.value.assign(keras.ops.mean(fake) - keras.ops.mean(real))

    def result(self):
        return keras.ops.convert_to_tensor(self.value)


@pytest.fixture(scope="module")
def noise():
    return Dataset.from_arrays(np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), np.uint8), name="noise")


def objects(noise):
    """Returns new objects that are equal in each call."""
    keras.utils.set_random_seed(1)
    networks = build_generator((8, 8, 1), 3, arch="mlp", width=2), build_discriminator((8, 8, 1), arch="mlp", width=2)
    return {
        "dataset": noise,
        "gan": GAN(*networks, seed=5),
        "probe": Probe((MeanDifference(),), noise.validation.in_order(2)),
        "grid": callbacks.SampleGrid(seed=3, draw=lambda generator, seed: np.full((5, 7, 1), 9 * seed, np.uint8)),
    }


def test_trains_measures_and_draws_the_given_objects(noise, tmp_path):
    given = objects(noise)
    result = train(CONFIG, output=tmp_path / "run", **given)
    assert (int(given["gan"].step), int(given["gan"].images_seen)) == (4, 16) == (result.steps, result.images)
    rows = rows_of(tmp_path / "run" / "log.csv")
    assert [row["images"] for row in rows] == ["8", "16"]
    assert all(np.isfinite(float(row["val_mean_difference"])) for row in rows)
    assert size_of(tmp_path / "run" / "samples" / "000000016.png") == (7, 5)
    assert load_generator(tmp_path / "run").input_shape == (None, 3)
    discriminator = load_discriminator(tmp_path / "run")
    for saved, trained in zip(discriminator.weights, given["gan"].discriminator.weights, strict=True):
        np.testing.assert_array_equal(saved, trained)


@pytest.mark.slow  # the test of given objects that train, above, is the stand-in
def test_a_run_of_given_objects_resumes_only_with_the_same_objects(noise, tmp_path):
    class Crash(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise ZeroDivisionError

    whole = train(CONFIG, output=tmp_path / "whole", **objects(noise))
    with pytest.raises(ZeroDivisionError):
        train(CONFIG, output=tmp_path / "run", listeners=[Crash()], **objects(noise))
    for missing in ("gan", "probe", "grid"):
        with pytest.raises(InputError, match="needs the same objects as at its start"):
            resume(tmp_path / "run", **{**objects(noise), missing: None})
    larger = GAN(
        build_generator((8, 8, 1), 3, arch="mlp", width=4), build_discriminator((8, 8, 1), arch="mlp", width=2)
    )
    with pytest.raises(InputError, match="does not fit these networks"):
        resume(tmp_path / "run", **{**objects(noise), "gan": larger})
    resumed = resume(tmp_path / "run", **objects(noise))
    assert (resumed.steps, resumed.images) == (whole.steps, whole.images)
    one, other = (load_generator(tmp_path / name) for name in ("whole", "run"))
    for a, b in zip(one.weights, other.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.slow  # the test of given objects that train, above, is the stand-in
def test_a_given_trained_gan_starts_again_from_step_0(noise, tmp_path):
    given = objects(noise)
    train(CONFIG, output=tmp_path / "first", **given)
    again = train(CONFIG, output=tmp_path / "again", **(given | {"grid": callbacks.SampleGrid()}))
    assert (again.steps, again.images) == (4, 16)
    assert [file.stem for file in sorted((tmp_path / "again" / "state").glob("*.npz"))] == ["000000008", "000000016"]


def test_a_probe_has_metrics_and_batches_or_neither(noise):
    for metrics, batches in (((MeanDifference(),), None), ((), noise.validation.in_order(2))):
        with pytest.raises(InputError, match="metrics and batches, or neither"):
            Probe(metrics, batches)


def test_rejects_given_networks_on_several_devices(noise):
    devices = SimpleNamespace(replicas=2)
    with pytest.raises(InputError, match="A given GAN trains on one device"):
        prepare_training(CONFIG, noise, devices, print, gan=objects(noise)["gan"])
