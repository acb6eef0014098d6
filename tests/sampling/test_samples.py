"""Tests latents, samples, truncation and interpolation."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan import build_generator, generate, interpolate, latents, sampling
from gan.errors import InputError
from gan.models import random


@pytest.fixture(scope="module")
def conditional():
    keras.utils.set_random_seed(0)
    return build_generator((28, 28, 1), 16, 10, width=8)


@pytest.fixture(scope="module")
def unconditional():
    keras.utils.set_random_seed(0)
    return build_generator((28, 28, 1), 16, width=8)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), indices=st.lists(st.integers(0, 5_000), min_size=1, max_size=20))
def test_latents_do_not_depend_on_the_other_indices(seed, indices):
    together = latents(seed, indices, 5)
    assert together.shape == (len(indices), 5)
    for row, index in zip(together, indices):
        np.testing.assert_array_equal(row, latents(seed, [index], 5)[0])


def test_latents_are_standard_normal_and_differ_between_seeds_and_indices():
    z = np.concatenate([latents(seed, np.arange(3_000), 8) for seed in (0, 1, 2)])
    assert len(np.unique(z[:, 0])) == pytest.approx(9_000, abs=9)
    np.testing.assert_allclose([z.mean(), z.std()], [0, 1], atol=0.02)
    correlation = np.corrcoef(z[:3_000].ravel(), z[3_000:6_000].ravel())[0, 1]
    assert abs(correlation) < 0.03


def test_latents_are_pinned():
    """A seed must give the same samples in later versions."""
    np.testing.assert_allclose(latents(0, [0, 7, 1_024], 2), PINNED, rtol=1e-5)


PINNED = [[1.0800695, -1.0989751], [-0.8089932, -0.01807306], [-1.3017904, -0.5513383]]


def test_training_sampling_and_evaluation_latents_are_disjoint():
    sampled = latents(0, np.arange(64), 4)
    trained = random.training_latents(0, 0, 0, (64, 4)).numpy()
    evaluated = random.evaluation_latents(0, 0, (64, 4)).numpy()
    assert not set(sampled.ravel()) & set(trained.ravel())
    assert not set(evaluated.ravel()) & set(trained.ravel())


def test_training_latents_depend_on_every_counter():
    first = random.training_latents(0, 5, 0, (4, 4)).numpy()
    np.testing.assert_array_equal(first, random.training_latents(0, 5, 0, (4, 4)))
    for other in ((1, 5, 0), (0, 6, 0), (0, 5, 1)):
        assert not np.isclose(first, random.training_latents(*other, (4, 4))).any()


def test_replicas_split_the_training_latents_of_one_device():
    parts = [random.training_latents(0, 5, 1, (2, 4), replica=replica, replicas=3) for replica in range(3)]
    np.testing.assert_array_equal(np.concatenate(parts), random.training_latents(0, 5, 1, (6, 4)))


def test_samples_do_not_depend_on_batching(conditional):
    batch = generate(conditional, 64, seed=5)
    assert batch.shape == (64, 28, 28, 1)
    np.testing.assert_allclose(generate(conditional, 1, seed=5, start=7)[0], batch[7], atol=1e-5)
    np.testing.assert_allclose(generate(conditional, 20, seed=5, start=30, batch_size=3), batch[30:50], atol=1e-5)
    np.testing.assert_array_equal(generate(conditional, 64, seed=5), batch)
    assert not np.isclose(generate(conditional, 64, seed=6), batch).all(axis=(1, 2, 3)).any()


def test_labels_default_to_index_modulo_classes(conditional):
    samples = generate(conditional, 25, start=4)
    np.testing.assert_allclose(samples, generate(conditional, 25, start=4, labels=np.arange(4, 29) % 10), atol=1e-6)
    np.testing.assert_allclose(samples[3], generate(conditional, 25, start=4, labels=7)[3], atol=1e-6)


def test_truncation_bounds_values_and_keeps_their_order():
    z = latents(0, np.arange(2_000), 4)
    truncated = sampling.truncate(z, 0.7)
    assert np.abs(truncated).max() <= 0.7
    assert (np.argsort(truncated[:, 0]) == np.argsort(z[:, 0])).all()
    np.testing.assert_allclose(sampling.truncate(z, 30.0), z, atol=1e-5)
    np.testing.assert_array_equal(sampling.truncate(z, 1e300), sampling.truncate(z, 30.0))


def test_truncated_latents_follow_the_truncated_normal():
    from scipy.stats import kstest, truncnorm

    truncated = sampling.truncate(latents(1, np.arange(4_000), 1), 1.2).ravel()
    assert kstest(truncated, truncnorm(-1.2, 1.2).cdf).pvalue > 0.01


def test_truncation_reduces_variety(conditional):
    spread = [generate(conditional, 64, labels=3, truncation=t).std(axis=0).mean() for t in (0.2, None)]
    assert spread[0] < spread[1]


def test_interpolation_starts_and_ends_at_its_samples(conditional, unconditional):
    for generator in (conditional, unconditional):
        path = interpolate(generator, 3, 8, 6, seed=2)
        assert path.shape == (6, 28, 28, 1)
        np.testing.assert_allclose(path[0], generate(generator, 1, seed=2, start=3)[0], atol=1e-5)
        np.testing.assert_allclose(path[-1], generate(generator, 1, seed=2, start=8)[0], atol=1e-5)
    same_class = interpolate(conditional, 3, 8, 6, seed=2, labels=4)
    np.testing.assert_allclose(same_class[-1], generate(conditional, 1, seed=2, start=8, labels=4)[0], atol=1e-5)


def test_spherical_interpolation_keeps_the_norm():
    first, second = np.array([3.0, 0.0]), np.array([0.0, 3.0])
    points = sampling.spherical(first, second, np.linspace(0, 1, 5)[:, None])
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 3.0)
    np.testing.assert_allclose(points[2], [3 / np.sqrt(2)] * 2)
    np.testing.assert_allclose(sampling.spherical(first, 2 * first, np.array([[0.5]])), [[4.5, 0.0]])


def test_latent_noise_is_added_and_depends_on_seed_and_index():
    inputs = keras.Input((4,), name="latents")
    identity = keras.Model(inputs, keras.layers.Activation("linear")(inputs))  # its samples are the latents it receives
    z = latents(3, np.arange(3_000), 4)
    np.testing.assert_array_equal(generate(identity, 3_000, seed=3, latent_noise=0.0), z)
    noise = (generate(identity, 3_000, seed=3, latent_noise=0.5) - z) / 0.5
    np.testing.assert_allclose([noise.mean(), noise.std()], [0, 1], atol=0.03)
    assert abs(np.corrcoef(noise.ravel(), z.ravel())[0, 1]) < 0.03
    alone = generate(identity, 1, seed=3, start=1_500, latent_noise=2.0) - latents(3, [1_500], 4)
    np.testing.assert_allclose(alone[0] / 2, noise[1_500], atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num": 0}, "`num`. Expected a whole number >= 1. Received: num=0"),
        ({"num": 2.5}, "`num`"),
        ({"seed": -1}, "`seed`"),
        ({"start": -1}, "`start`"),
        ({"truncation": 0.0}, "`truncation`"),
        ({"truncation": float("nan")}, "`truncation`"),
        ({"labels": 12}, "`labels`. Expected whole numbers from 0 to 9. Received: labels=12"),
        ({"labels": -1}, "`labels`"),
        ({"labels": 1.5}, "`labels`"),
        ({"labels": [1, 2, 3]}, "one label or 64 labels"),
        ({"latent_noise": -0.1}, "`latent_noise`. Expected a finite number >= 0"),
        ({"latent_noise": float("nan")}, "`latent_noise`"),
        ({"batch_size": 0}, "`batch_size`"),
    ],
)
def test_rejects_invalid_options(conditional, options, message):
    with pytest.raises(InputError, match=message):
        generate(conditional, **options)


def test_rejects_labels_for_an_unconditional_generator(unconditional):
    with pytest.raises(InputError, match="this generator is unconditional"):
        generate(unconditional, labels=1)
    with pytest.raises(InputError, match="`steps`"):
        interpolate(unconditional, 0, 1, 1)
