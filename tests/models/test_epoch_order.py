"""Tests that epochs of `fit` over `Split.batches` differ in their order, and that a resumed `fit` repeats it."""

import keras
import numpy as np
import pytest
from helpers.comparison import assert_same, values
from helpers.tiny import small_gan

from gan import InputError
from gan.data.split import Split

IMAGES = Split(np.random.default_rng(0).integers(0, 256, (24, 8, 8, 1), np.uint8), None)


class Interruption(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


def make(**options):
    return small_gan(0, shape=(8, 8, 1), **options)


def fit(gan, batches=None, **options):
    batches = IMAGES.batches(8) if batches is None else batches
    return gan.fit(batches, shuffle=False, verbose=0, **{"epochs": 4, **options})


@pytest.fixture(scope="module")
def whole():
    """Values of a GAN after four epochs."""
    gan = make()
    fit(gan)
    return values(gan)


def test_a_restored_fit_sees_the_same_batches(whole, tmp_path):
    for more in ([Interruption()], []):
        gan = make()
        backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
        try:
            fit(gan, callbacks=[backup, *more])
        except KeyboardInterrupt:
            assert int(gan.step) == 6
    assert_same(values(gan), whole)


def test_epochs_in_several_calls_are_those_of_one_call(whole):
    gan = make()
    fit(gan, epochs=1)
    fit(gan, initial_epoch=1, epochs=4)
    assert_same(values(gan), whole)


def test_reading_the_batches_before_does_not_change_training(whole):
    batches, gan = IMAGES.batches(8), make()
    assert len([*batches]) == 3
    fit(gan, batches)
    assert_same(values(gan), whole)


def test_epochs_have_different_orders(whole):
    gan = make()
    fit(gan, IMAGES.batches(8, reshuffle_each_iteration=False))
    assert any(np.any(one != other) for one, other in zip(values(gan), whole))


def test_each_evaluation_uses_the_same_batches():
    gan, batches = make(metrics=[keras.metrics.MeanSquaredError()]), IMAGES.batches(16)
    first = gan.evaluate(batches, verbose=0)
    assert gan.evaluate(batches, verbose=0) == first
    history = fit(gan, validation_data=batches, epochs=2).history
    assert len(history["val_mean_squared_error"]) == 2
    assert gan.evaluate(batches, verbose=0, return_dict=True)["mean_squared_error"] == pytest.approx(
        history["val_mean_squared_error"][-1], rel=1e-6
    )


@pytest.mark.parametrize(
    "options",
    [
        {"validation_steps": 1},
        {"validation_batch_size": 4},
        {"validation_freq": 2},
        {"initial_epoch": 5},
        {"validation_data": IMAGES.batches(8), "validation_batch_size": 4},
        {"validation_data": IMAGES.batches(8), "validation_split": 0.5},
    ],
    ids=lambda options: ", ".join(options),
)
def test_refuses_options_of_fit_without_an_effect(options):
    gan = make(metrics=[keras.metrics.MeanSquaredError()])
    with pytest.raises(InputError, match=r"no effect|initial_epoch|Both"):
        fit(gan, **options)
    assert int(gan.step) == 0
