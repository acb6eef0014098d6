"""Tests of the running means of logs: names whose last mean is kept, and the logs of lazy penalties."""

import keras
import numpy as np
import pytest
from helpers.tiny import dense_gan

from gan.models import penalties
from gan.models.means import WeightedMeans

POINTS = np.random.default_rng(0).uniform(-1, 1, (16, 2)).astype(np.float32)


class DUpdate(penalties.Penalty):
    """A penalty whose n-th computation is n."""

    name = "count"

    def __init__(self, every):
        super().__init__(every=every)
        self.calls = keras.Variable(0.0, trainable=False)

    def __call__(self, critic, real, fake, key=None):
        self.calls.assign_add(1.0)
        return keras.ops.ones((4,)) * self.calls

    def get_config(self):
        return {"every": self.every}


def test_a_kept_mean_remains_until_the_next_value():
    means = WeightedMeans(["plain", "lazy"], kept=["lazy"])
    assert float(means.result()["lazy"]) == 0.0
    means.update_state(np.array([0.0, 5.0]), np.array([1.0, 1.0]))
    means.update_state(np.array([0.1, 0.3]), np.array([1.0, 1.0]))
    expected = float(means.result()["lazy"])
    for _ in range(3):
        means.reset_state()
        assert np.isnan(means.result()["plain"])
        np.testing.assert_allclose(float(means.result()["lazy"]), expected, rtol=1e-15)
    means.update_state(np.array([2.0, 0.7]), np.array([1.0, 1.0]))
    assert {name: float(value) for name, value in means.result().items()} == {"plain": 2.0, "lazy": 0.7}


@pytest.mark.parametrize(
    ("every", "critic_steps", "expected"),
    [
        (3, 1, [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]),  # one update per epoch, the penalty in updates 0 and 3
        (2, 2, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),  # never in the last D update of a step
    ],
)
def test_a_lazy_penalty_has_a_finite_log_in_every_epoch(every, critic_steps, expected, tmp_path):
    gan = dense_gan(penalties=[DUpdate(every)], critic_steps=critic_steps, run_eagerly=True)
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    options = {"batch_size": 4 * critic_steps, "shuffle": False, "verbose": 0, "callbacks": [log]}
    history = gan.fit(POINTS[: 4 * critic_steps], epochs=6, **options).history
    assert history["count"] == expected
    assert "nan" not in (tmp_path / "log.csv").read_text().lower()


def test_the_log_of_a_single_step_without_the_penalty_is_zero():
    gan = dense_gan(penalties=[DUpdate(2)], run_eagerly=True)
    assert [gan.train_on_batch(POINTS[:4], return_dict=True)["count"] for _ in range(3)] == [1.0, 0.0, 2.0]


def test_a_loaded_gan_keeps_the_last_mean(tmp_path):
    gan = dense_gan(penalties=["r1"])
    options = {"batch_size": 8, "shuffle": False, "verbose": 0}
    gan.fit(POINTS, epochs=1, **options)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    logs = [one.fit(POINTS, **options).history for one in (gan, loaded)]
    assert logs[0]["r1"] == logs[1]["r1"]
    assert logs[0]["r1"][0] > 0
