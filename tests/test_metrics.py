import numpy as np

from gan.metrics import WeightedMeans


def test_weighted_means_stream_and_start_again():
    means = WeightedMeans(["a", "b"])
    assert all(np.isnan(value) for value in means.result().values())
    means.update_state(np.array([1.0, 5.0], "float32"), np.array([1.0, 0.0], "float32"))
    means.update_state(np.array([3.0, 7.0], "float32"), np.array([3.0, 1.0], "float32"))
    assert {name: float(value) for name, value in means.result().items()} == {"a": 2.5, "b": 7.0}
    means.reset_state()
    assert np.isnan(means.result()["a"])
