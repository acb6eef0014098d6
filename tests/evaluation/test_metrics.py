"""Tests of the metrics: closed forms, properties and streaming."""

import keras
import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.python.eager import context

from gan.errors import InputError
from gan.evaluation import metrics
from gan.models import means as step_means
from gan.tolerance import wilson_interval

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def seeded():
    """Each test draws the same numbers, independent of the tests before it."""
    RNG.bit_generator.state = np.random.default_rng(0).bit_generator.state


def flatten(images):
    return tf.reshape(images, (tf.shape(images)[0], -1))


def textbook_frechet(mean_a, a, mean_b, b):
    return np.sum((mean_a - mean_b) ** 2) + np.trace(a) + np.trace(b) - 2 * np.trace(scipy.linalg.sqrtm(a @ b)).real


def moments(features):
    return features.mean(axis=0), np.cov(features, rowvar=False)


def test_weighted_means_stream_and_reset():
    means = step_means.WeightedMeans(["a", "b"])
    assert all(np.isnan(value) for value in means.result().values())
    means.update_state(np.array([1.0, 5.0], "float32"), np.array([1.0, 0.0], "float32"))
    means.update_state(np.array([3.0, 7.0], "float32"), np.array([3.0, 1.0], "float32"))
    assert {name: float(value) for name, value in means.result().items()} == {"a": 2.5, "b": 7.0}
    means.reset_state()
    assert np.isnan(means.result()["a"])


def test_frechet_distance_equals_the_textbook_formula():
    a, b = RNG.normal(size=(500, 20)), RNG.normal(size=(400, 20)) @ RNG.normal(size=(20, 20)) + 1
    expected = textbook_frechet(*moments(a), *moments(b))
    np.testing.assert_allclose(metrics.frechet_distance(*moments(a), *moments(b)), expected, rtol=1e-9)


def decompositions(graph):
    """Returns the devices of the decompositions of a graph, with those of its loops."""
    functions = [graph, *(function.graph for function in graph._functions.values())]
    return [op.device for one in functions for op in one.get_operations() if op.type in ("SelfAdjointEigV2", "Svd")]


def test_matrices_are_decomposed_on_the_host_in_a_graph():  # cuSOLVER may be missing, which aborts the process
    metric = metrics.FrechetDistance(lambda images: images, 3)

    @tf.function
    def on_a_gpu():
        with tf.device("GPU:0"):
            return metric.result()

    found = decompositions(on_a_gpu.get_concrete_function().graph)
    assert len(found) >= 4
    assert {device.rpartition("device:")[2] for device in found} == {"CPU:0"}


def test_matrices_are_decomposed_on_the_host_without_a_graph(monkeypatch):
    used = []

    def noting(function):
        def call(*arguments, **options):
            used.append(context.context().device_name)
            return function(*arguments, **options)

        return call

    for name in ("eigh", "svd"):
        monkeypatch.setattr(keras.ops, name, noting(getattr(keras.ops, name)))
    values = [tf.constant(part) for part in moments(np.random.default_rng(0).normal(size=(20, 3)))]
    metrics.frechet_distance(*values, *values)
    assert [name.rpartition("device:")[2] for name in used] == ["CPU:0"] * 3


def test_frechet_distance_without_full_rank():
    """Covariances A = XX^T of rank 5: Tr (AB)^1/2 is the sum of the singular values of X^T Y."""
    x, y = RNG.normal(size=(64, 5)), RNG.normal(size=(64, 5))
    expected = np.sum(x**2) + np.sum(y**2) - 2 * np.linalg.svd(x.T @ y, compute_uv=False).sum()
    zero = np.zeros(64)
    np.testing.assert_allclose(metrics.frechet_distance(zero, x @ x.T, zero, y @ y.T), expected, rtol=1e-9)


def test_frechet_distance_of_equal_and_of_shifted_distributions():
    cov = np.cov(RNG.normal(size=(100, 8)), rowvar=False)
    assert abs(metrics.frechet_distance(np.zeros(8), cov, np.zeros(8), cov)) < 1e-10
    np.testing.assert_allclose(metrics.frechet_distance(np.zeros(8), cov, np.full(8, 3.0), cov), 72.0)


@pytest.mark.parametrize("batch", [7, 50, 130])
def test_streaming_frechet_distance_does_not_depend_on_the_batch(batch):
    real, fake = RNG.normal(size=(130, 3, 2, 1)), RNG.normal(size=(130, 3, 2, 1)) + 0.3
    metric = metrics.FrechetDistance(flatten, 6)
    assert all(np.isnan(value) for value in metric.result().values())
    for start in range(0, 130, batch):
        metric.update_state(tf.constant(real[start : start + batch]), tf.constant(fake[start : start + batch]))
    expected = textbook_frechet(*moments(real.reshape(130, -1)), *moments(fake.reshape(130, -1)))
    np.testing.assert_allclose(metric.result()["frechet_distance"], expected, rtol=1e-8)


def test_the_standard_error_does_not_depend_on_the_order_of_classes():
    """The classes of the fakes alternate, and no fold may contain only one class."""
    classes = 5.0 * (np.arange(1_000) % 10)[:, None, None, None]
    real = tf.constant(RNG.normal(size=(1_000, 2, 2, 1)) + classes)
    errors, metric = np.zeros((8, 2)), metrics.FrechetDistance(flatten, 4)
    result = tf.function(metric.result, autograph=False)
    for row in errors:
        for side, order in enumerate((np.arange(1_000), RNG.permutation(1_000))):
            metric.reset_state()
            metric.update_state(real, tf.constant((RNG.normal(size=(1_000, 2, 2, 1)) + classes)[order]))
            row[side] = result()["frechet_distance_stderr"]
    alternating, shuffled = errors.mean(axis=0)
    assert 0.3 < alternating / shuffled < 3


def test_frechet_distance_is_nan_for_features_that_are_not_finite():
    metric = metrics.FrechetDistance(flatten, 4)
    fake = RNG.normal(size=(50, 2, 2, 1))
    fake[3, 0, 0, 0] = np.nan
    metric.update_state(tf.constant(RNG.normal(size=(50, 2, 2, 1))), tf.constant(fake))
    assert all(np.isnan(value) for value in metric.result().values())


def test_the_standard_error_of_the_frechet_distance_matches_its_spread_over_new_fakes():
    real = tf.constant(RNG.normal(size=(600, 2, 2, 1)))
    found, metric = [], metrics.FrechetDistance(flatten, 4)
    result = tf.function(metric.result, autograph=False)
    for _ in range(40):
        metric.reset_state()
        metric.update_state(real, tf.constant(RNG.normal(size=(300, 2, 2, 1)) + 0.5))
        numbers = result()
        found.append([float(numbers[name]) for name in ("frechet_distance", "frechet_distance_stderr")])
    values, errors = np.array(found).T
    assert 0.6 < np.sqrt(np.mean(errors**2)) / values.std() < 1.6


def test_the_standard_error_of_the_frechet_distance_is_the_jackknife_of_its_folds():
    real, fake = RNG.normal(size=(80, 2, 2, 1)), RNG.normal(size=(95, 2, 2, 1)) + 0.5
    metric = metrics.FrechetDistance(flatten, 4)
    metric.update_state(tf.constant(real), tf.constant(fake))
    fold = np.random.default_rng(0).permutation(np.arange(1_009) % 10)[:95]
    without = [
        textbook_frechet(*moments(real.reshape(80, 4)), *moments(fake.reshape(95, 4)[fold != left_out]))
        for left_out in range(10)
    ]
    expected = np.sqrt(9 / 10 * np.sum((without - np.mean(without)) ** 2))
    for result in (metric.result, tf.function(metric.result, autograph=False)):
        np.testing.assert_allclose(result()["frechet_distance_stderr"], expected, rtol=1e-8)


def test_frechet_distance_is_zero_for_identical_sets_and_nan_for_one_image():
    metric, one = metrics.FrechetDistance(flatten, 6), tf.constant(RNG.normal(size=(1, 3, 2, 1)))
    metric.update_state(one, one)
    assert all(np.isnan(value) for value in metric.result().values())
    many = tf.constant(RNG.normal(size=(40, 3, 2, 1)))
    metric.reset_state()
    metric.update_state(many, many)
    assert abs(metric.result()["frechet_distance"]) < 1e-9


def test_error_rate_has_a_confidence_interval():
    metric = metrics.ErrorRate(lambda x: x)  # the images are the logits
    assert all(np.isnan(value) for value in metric.result().values())
    logits = tf.constant(np.eye(4, dtype="float32") * 9)
    metric.update_state(None, logits, tf.constant([0, 1, 2, 0]))
    metric.update_state(None, logits[:1], tf.constant([0]))
    result = {name: float(value) for name, value in metric.result().items()}
    assert result["error_rate"] == 0.2
    np.testing.assert_allclose(
        [result["error_rate_lower"], result["error_rate_upper"]], wilson_interval(1, 5), rtol=1e-9
    )
    np.testing.assert_allclose(result["error_rate_stderr"], np.sqrt(0.2 * 0.8 / 5), rtol=1e-9)


def test_the_error_rate_of_a_classifier_is_in_the_logs(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, use_bias=False)])
    model.set_weights([np.eye(2, dtype=np.float32)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.0), loss, metrics=[metrics.ClassifierErrorRate()], jit_compile=False)
    x, y = np.eye(2, dtype=np.float32)[[0, 1, 0, 0, 1]], np.array([0, 1, 1, 0, 1])
    logs = model.fit(x, y, validation_data=(x[:3], y[:3, None]), batch_size=2, verbose=0).history
    assert logs["error_rate"] == [pytest.approx(0.2)]
    assert logs["val_error_rate_upper"] == [pytest.approx(wilson_interval(1, 3)[1])]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.evaluate(x, y, verbose=0, return_dict=True)["error_rate"] == pytest.approx(0.2)


def test_classifier_error_rate_rejects_bad_labels_and_outputs():
    metric = metrics.ClassifierErrorRate()
    metric.update_state(tf.constant([[1], [0]]), tf.constant([[0.1, 0.9], [np.nan, 0.5]]))
    assert float(metric.result()["error_rate"]) == 0.5
    with pytest.raises(InputError, match="two classes or more"):
        metric.update_state(tf.constant([1]), tf.constant([[0.9]]))
    with pytest.raises(InputError, match=r"the index of the class, \[B\] or \[B, 1\]"):
        metric.update_state(tf.eye(2), tf.eye(2))
    with pytest.raises(InputError, match="counts once"):
        metric.update_state(tf.constant([1, 0]), tf.eye(2), sample_weight=tf.ones(2))


@pytest.mark.parametrize("wrong", [0, 3])
def test_the_interval_of_an_error_rate_ends_at_0_and_1(wrong):
    metric = metrics.ErrorRate(lambda x: x)
    metric.update_state(None, tf.eye(3) * 9, tf.constant([0, 1, 2] if wrong == 0 else [1, 2, 0]))
    result = {name: float(value) for name, value in metric.result().items()}
    assert (result["error_rate_lower"], result["error_rate_upper"]) == pytest.approx(wilson_interval(wrong, 3))


def test_error_rate_without_labels_uses_a_probability_threshold():
    metric = metrics.ErrorRate(lambda x: x, threshold=0.9)
    metric.update_state(None, tf.constant([[9.0, 0.0], [0.5, 0.0], [0.0, 9.0], [0.0, 0.1]]))
    assert float(metric.result()["error_rate"]) == 0.5


def test_nan_logits_are_errors_and_each_sample_needs_a_label():
    logits = tf.constant([[np.nan, 9.0], [9.0, 0.0]])
    assert metrics.wrong_outcomes(logits).numpy().tolist() == [True, False]
    assert metrics.wrong_outcomes(logits, tf.constant([1, 0])).numpy().tolist() == [True, False]
    assert metrics.wrong_outcomes(tf.eye(3), tf.constant([[0], [1], [0]])).numpy().tolist() == [False, False, True]
    with pytest.raises(InputError, match="3 labels"):
        metrics.wrong_outcomes(tf.eye(3), tf.constant([1]))


def test_class_histogram_and_its_kl_divergence():
    metric = metrics.ClassHistogram(lambda x: tf.one_hot(x, 3), 3)
    assert np.isnan(metric.result()["class_kl"])
    metric.update_state(tf.constant([0, 1, 2, 2]), tf.constant([0, 0, 2, 2]))
    result = metric.result()
    np.testing.assert_allclose(result["class_kl"], 0.5 * np.log(2) + 0.5 * np.log(1), atol=1e-12)
    assert result["classes_seen"] == 2
    metric.reset_state()
    metric.update_state(tf.constant([0, 1, 2]), tf.constant([2, 1, 0]))
    assert float(metric.result()["class_kl"]) == pytest.approx(0, abs=1e-12)


def direct_mmd(x, y):
    kernel = lambda a, b: (a @ b.T / a.shape[1] + 1) ** 3  # noqa: E731
    n, m = len(x), len(y)
    xx, yy = kernel(x, x), kernel(y, y)
    within = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return within - 2 * kernel(x, y).mean()


@settings(max_examples=20, deadline=None)
@given(n=st.integers(20, 60), m=st.integers(20, 60), blocks=st.integers(2, 10))
def test_kernel_distance_equals_a_direct_unbiased_mmd(n, m, blocks):
    x, y = RNG.normal(size=(n, 6)), RNG.normal(size=(m, 6)) + 0.5
    np.testing.assert_allclose(metrics.kernel_distance(x, y, blocks=blocks)[0], direct_mmd(x, y), rtol=1e-9, atol=1e-12)


def test_kernel_distance_is_unbiased_and_its_standard_error_matches_the_spread():
    draws = [metrics.kernel_distance(*RNG.normal(size=(2, 200, 4))) for _ in range(60)]
    values, errors = np.array(draws).T
    assert abs(values.mean()) < 4 * values.std() / np.sqrt(60)
    assert 0.5 < errors.mean() / values.std() < 2.5
    with pytest.raises(InputError, match="at least 20 real and 20 fake"):
        metrics.kernel_distance(np.zeros((19, 2)), np.zeros((50, 2)))


def test_kernel_distance_does_not_depend_on_the_order():
    x, y = RNG.normal(size=(200, 4)), RNG.normal(size=(200, 4))
    x += 3 * (np.arange(200) % 10)[:, None]  # alternating classes, which ten interleaved parts would separate
    y += 3 * (np.arange(200) % 10)[:, None]
    alternating, shuffled = metrics.kernel_distance(x, y), metrics.kernel_distance(x, y[RNG.permutation(200)])
    np.testing.assert_allclose(alternating[0], shuffled[0], rtol=1e-9)
    assert 0.3 < alternating[1] / shuffled[1] < 3


def prdc_by_hand(real, fake, k):
    """Computes the metrics by their definitions."""
    distances = lambda a, b: np.linalg.norm(a[:, None] - b[None], axis=-1)  # noqa: E731
    radii = [np.sort(distances(side, side), axis=1)[:, k] for side in (real, fake)]
    cross = distances(real, fake)
    return {
        "precision": (cross < radii[0][:, None]).any(axis=0).mean(),
        "recall": (cross < radii[1][None]).any(axis=1).mean(),
        "density": (cross < radii[0][:, None]).sum(axis=0).mean() / k,
        "coverage": (cross.min(axis=1) < radii[0]).mean(),
    }


@pytest.mark.parametrize("k", [1, 5])
def test_precision_and_recall_equal_their_definitions(k):
    real, fake = RNG.normal(size=(90, 4)), RNG.normal(size=(70, 4)) * 0.7 + 0.4
    found, expected = metrics.precision_recall(real, fake, k=k), prdc_by_hand(real, fake, k)
    assert found == {name: pytest.approx(value, abs=1e-12) for name, value in expected.items()}


def test_precision_and_coverage_react_to_dropped_modes_and_noise():
    real = RNG.normal(size=(400, 2)) + np.repeat([[0, 0], [20, 0]], 200, axis=0)
    same = metrics.precision_recall(real, RNG.normal(size=(400, 2)) + np.repeat([[0, 0], [20, 0]], 200, axis=0))
    dropped = metrics.precision_recall(real, RNG.normal(size=(400, 2)))
    noisy = metrics.precision_recall(real, real + RNG.normal(size=(400, 2)) * 6)
    assert dropped["coverage"] < 0.6 * same["coverage"]
    assert dropped["precision"] > 0.9
    assert noisy["precision"] < 0.7 * same["precision"]
    with pytest.raises(InputError, match="more than k=5"):
        metrics.precision_recall(real[:5], real)


@pytest.fixture(scope="module")
def real_digits(digits):
    from gan.data import images

    return images.from_uint8(digits.train.images.astype(np.float32)), digits.train.labels


def test_ssim_equals_scikit_image(real_digits):
    from skimage.metrics import structural_similarity

    a, b = real_digits[0][:20], real_digits[0][20:40]
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 2.0}
    # without a border of half a window, scikit-image averages over the windows inside the image
    for value, x, y in zip(metrics.ssim(a, b), a[..., 0], b[..., 0]):
        _, full = structural_similarity(x, y, full=True, win_size=11, **options)
        np.testing.assert_allclose(value, full[5:-5, 5:-5].mean(), atol=1e-4)


def test_paired_metrics_stream_and_are_perfect_for_identical_images(real_digits):
    a, b = tf.constant(real_digits[0][:30]), tf.constant(real_digits[0][30:60])
    for metric, perfect in ((metrics.MeanSquaredError(), 0.0), (metrics.StructuralSimilarity(), 1.0)):
        assert np.isnan(metric.result())
        metric.update_state(a, a)
        np.testing.assert_allclose(metric.result(), perfect, atol=1e-6)
        metric.reset_state()
        for start in (0, 7, 29):
            end = {0: 7, 7: 29, 29: 30}[start]
            metric.update_state(a[start:end], b[start:end])
        streamed = float(metric.result())
        metric.reset_state()
        metric.update_state(a, b)
        np.testing.assert_allclose(streamed, metric.result(), rtol=1e-6)
    with pytest.raises(InputError, match="at least 11 pixels"):
        metrics.ssim(a[:, :8], b[:, :8])


def test_pairwise_ssim_measures_similarity(real_digits):
    images, labels = real_digits
    real = metrics.pairwise_ssim(images, labels, pairs=500)
    assert real == metrics.pairwise_ssim(images, labels, pairs=500)
    ten = np.stack([images[labels == label][0] for label in range(10)])
    np.testing.assert_allclose(metrics.pairwise_ssim(ten[labels], labels, pairs=200), 1.0, atol=1e-5)
    assert metrics.pairwise_ssim(images, pairs=500) < real < 0.9
    with pytest.raises(InputError, match="a class with two images"):
        metrics.pairwise_ssim(ten, np.arange(10))


def mean_ssim(images, pairs):
    return np.mean([metrics.ssim(images[i : i + 1], images[j : j + 1]) for i, j in pairs])


def test_streaming_pairwise_ssim_pairs_neighbors_of_the_same_class(real_digits):
    images, _ = real_digits
    real, fake = tf.constant(images[:6]), tf.constant(images[6:12])
    labels = tf.constant([1, 0, 1, 2, 1, 0])  # in the order of classes: images 1, 5 | 0, 2, 4 | 3
    metric = metrics.PairwiseSSIM()
    assert all(np.isnan(value) for value in metric.result().values())
    tf.function(metric.update_state)(real, fake, labels)
    for name, side in (("pairwise_ssim", fake), ("pairwise_ssim_real", real)):
        np.testing.assert_allclose(metric.result()[name], mean_ssim(side, [(1, 5), (0, 2), (2, 4)]), rtol=1e-6)
    metric.update_state(real[:1], fake[:1], labels[:1])  # without a pair, nothing changes
    metric.update_state(real[:2], fake[:2], labels[:2])
    np.testing.assert_allclose(metric.result()["pairwise_ssim"], mean_ssim(fake, [(1, 5), (0, 2), (2, 4)]), rtol=1e-6)
    metric.reset_state()
    metric.update_state(real, tf.repeat(fake[:1], 6, axis=0))  # without labels, all neighbors are pairs
    np.testing.assert_allclose(metric.result()["pairwise_ssim"], 1.0, atol=1e-6)
    neighbors = [(i, i + 1) for i in range(5)]
    np.testing.assert_allclose(metric.result()["pairwise_ssim_real"], mean_ssim(real, neighbors), rtol=1e-6)


def test_streaming_pairwise_ssim_estimates_the_same_as_the_function(real_digits):
    images, labels = real_digits
    metric = metrics.PairwiseSSIM()
    for start in range(0, 2_000, 250):
        part = slice(start, start + 250)
        metric.update_state(images[part], images[part], labels[part])
    whole = metrics.pairwise_ssim(images, labels, pairs=2_000)
    np.testing.assert_allclose(metric.result()["pairwise_ssim_real"], whole, atol=0.02)


def test_nearest_neighbors_are_the_copied_images(real_digits):
    images, _ = real_digits
    found = metrics.nearest_neighbours(images[100:110] + 0.01, images[:500])
    assert found.index.tolist() == list(range(100, 110))
    np.testing.assert_allclose(found.mse, 1e-4, rtol=0.05)
    assert (found.ssim > 0.95).all()


def blur(images):
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(images, (0, 1, 1, 0))


@pytest.mark.parametrize("change", [lambda x: x, blur], ids=["sharp", "blurred"])
def test_copied_share_distinguishes_copies_from_held_out_digits(real_digits, change):
    shuffled = real_digits[0][np.random.default_rng(1).permutation(4_000)]
    fresh, held_out, train = shuffled[:600], shuffled[600:1_300], shuffled[1_300:]
    copies = metrics.copied_share(change(train[-600:]), train, held_out)
    assert copies["copied_share"] == pytest.approx(1, abs=0.25)
    half = metrics.copied_share(change(np.concatenate([train[:300], fresh[:300]])), train, held_out)
    assert half["copied_share_lower"] < 0.5 < half["copied_share_upper"]
    none = metrics.copied_share(change(fresh), train, held_out)
    assert none["copied_share_lower"] < 0 < none["copied_share_upper"]
    with pytest.raises(InputError, match="held-out images"):
        metrics.copied_share(fresh, held_out[:3], held_out)


def test_copied_share_of_held_out_digits_covers_0_at_its_confidence(real_digits):
    covered, values, errors = 0, [], []
    for seed in range(20):
        shuffled = real_digits[0][np.random.default_rng(seed).permutation(4_000)]
        found = metrics.copied_share(shuffled[:300], shuffled[1_000:], shuffled[300:1_000])
        covered += found["copied_share_lower"] < 0 < found["copied_share_upper"]
        values.append(found["copied_share"])
        errors.append((found["copied_share_upper"] - found["copied_share_lower"]) / 2 / 1.96)
    assert covered >= 17
    assert 0.6 < np.mean(errors) / np.std(values) < 1.6


def test_low_variety_does_not_count_as_copying(real_digits):
    """Each held-out digit is repeated with noise, so its repetitions have the same nearest training image."""
    shuffled = real_digits[0][np.random.default_rng(2).permutation(4_000)]
    held_out, train, rng = shuffled[300:1_000], shuffled[1_000:], np.random.default_rng(0)
    noise = rng.normal(0, 0.02, (600, 28, 28, 1)).astype("float32")
    few = metrics.copied_share(np.repeat(shuffled[:10], 60, axis=0) + noise, train, held_out)
    assert all(np.isnan(value) for value in few.values())
    covered = 0
    for seed in range(10):
        some = shuffled[np.random.default_rng(seed).choice(300, 60, replace=False)]
        found = metrics.copied_share(np.repeat(some, 10, axis=0) + noise, train, held_out)
        covered += found["copied_share_lower"] < 0 < found["copied_share_upper"]
    assert covered >= 8


def test_rejects_empty_and_not_finite_images(real_digits):
    images = real_digits[0][:20]
    for bad in (images[:0], np.full_like(images, np.nan)):
        with pytest.raises(InputError, match="images"):
            metrics.nearest_neighbours(bad, images)
        with pytest.raises(InputError, match="images"):
            metrics.copied_share(bad, images, images)
    with pytest.raises(InputError, match="features"):
        metrics.precision_recall(np.zeros((20, 3)), np.zeros((20, 4)))
    with pytest.raises(InputError, match="features"):
        metrics.kernel_distance(np.zeros((20, 3)), np.zeros((20, 4)))
