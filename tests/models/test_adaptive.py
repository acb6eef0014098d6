"""Tests of adaptive augmentation: the controller, the train step with it, and what leaks into the samples."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.commands import ROOT
from helpers.comparison import assert_same, values
from helpers.tiny import dense_gan, sequential
from keras import layers, ops

from gan import GAN
from gan.errors import InputError
from gan.models import augment, random
from gan.models.adaptive import PROBABILITY, Adaptation
from gan.models.augment import Adaptive, Chain, Occasional, Rotate90
from gan.models.augmentation import one_per_image
from gan.models.losses import LOSSES
from gan.models.penalties import R1
from gan.training.callbacks.training_state import variables_of

KEY = tf.constant([3, 4], tf.int64)
POINTS = np.random.default_rng(0).normal(size=(96, 2)).astype(np.float32)


@keras.saving.register_keras_serializable(package="test_adaptive")
class QuarterTurn(augment.Augmentation):
    """Turns points [B, 2] by 0, 90, 180 or 270 degrees, as `Rotate90` turns images."""

    def get_config(self):
        return {"name": self.name}

    def call(self, images, key):
        half = one_per_image(images, random.fold_in(key, 0)) < 0.5
        images = ops.where(half, -images, images)
        quarter = one_per_image(images, random.fold_in(key, 1)) < 0.5
        return ops.where(quarter, ops.stack([-images[:, 1], images[:, 0]], axis=1), images)


# --- the controller


def adapted(layer, *steps):
    """Returns the probability after each step of (share of reals above the boundary, images)."""
    found = []
    for share, images in steps:
        layer.adapt(share, images)
        found.append(float(layer.probability))
    return found


def test_the_probability_follows_the_formula():
    layer = Adaptive([], images=100, every=2)
    assert float(layer.probability) == 0
    # r = .8 is above the target .6: + 20 / 100. Then r = .4: - 20 / 100, and again, but not below 0.
    found = adapted(layer, (0.9, 10), (0.9, 10), (0.9, 10), (0.5, 10), (0.7, 10), (0.7, 10))
    np.testing.assert_allclose(found, [0, 0.2, 0.2, 0, 0, 0], atol=1e-6)
    # the images count, not the steps: (30 * .9 + 10 * .5) / 40 = .8 - so r is a little above .6 with .91
    found = adapted(layer, (0.91, 30), (0.5, 10), (0.5, 30), (0.91, 10))
    np.testing.assert_allclose(found, [0, 0.4, 0.4, 0], atol=1e-6)


def test_the_probability_stops_at_its_limit_and_goes_back():
    layer = Adaptive([], images=10, every=1)
    np.testing.assert_allclose(adapted(layer, *[(1.0, 5)] * 3, (0.0, 1)), [0.5, 0.8, 0.8, 0.7], atol=1e-6)
    layer = Adaptive([], target=-0.5, images=10, every=1, limit=0.3)
    np.testing.assert_allclose(adapted(layer, (0.3, 5), (0.2, 1)), [0.3, 0.2], atol=1e-6)  # r = -.4, then -.6
    layer.reset()
    assert [float(value) for variable in layer.variables for value in np.ravel(variable)] == [0] * 4


@pytest.mark.parametrize(
    "options", [{"target": 1.0}, {"target": "high"}, {"images": 0}, {"every": 0}, {"every": 1.5}, {"limit": 1.1}]
)
def test_rejects_bad_options(options):
    with pytest.raises(InputError, match=f"`{next(iter(options))}`"):
        Adaptive([], **options)


@pytest.mark.parametrize("name", LOSSES)
def test_only_a_loss_with_a_boundary_can_adapt(name):
    loss = LOSSES[name]()
    Adaptation(None, loss)
    Adaptation(Occasional([QuarterTurn()], probability=0.5), loss)
    if loss.boundary is not None:
        assert Adaptation(Adaptive([QuarterTurn()]), loss).names == (PROBABILITY,)
        return
    with pytest.raises(InputError, match=f"needs a loss with a boundary.*Received: loss={type(loss).__name__}"):
        Adaptation(Adaptive([QuarterTurn()]), loss)


def test_a_refused_compile_changes_nothing():
    gan = dense_gan(augment=Adaptive([QuarterTurn()]))
    loss = gan.adversarial_loss
    with pytest.raises(InputError, match="needs a loss with a boundary"):
        gan.compile("sgd", "adam", loss="wasserstein")
    assert gan.adversarial_loss is loss


def test_finds_an_adaptive_part_of_a_chain_but_not_two():
    parts = [Adaptive([QuarterTurn()]), Adaptive([])]
    assert Adaptation(Chain(parts[:1]), LOSSES["hinge"]()).names == (PROBABILITY,)
    with pytest.raises(InputError, match="Several adaptive augmentations"):
        Adaptation(Chain(parts), LOSSES["hinge"]())


# --- the train step


OPTIONS = {"target": -0.2, "images": 100, "every": 2}
"""40 % of the reals above the boundary are enough: networks of one layer do not overfit."""


def adaptive_gan(**options):
    keras.utils.set_random_seed(0)
    augmentation = Adaptive([QuarterTurn()], **OPTIONS)
    return dense_gan(augment=augmentation, penalties=[R1(1.0, every=3)], **options)


def train(gan, begin, end, size=8):
    """Returns the logs of each step from `begin` to `end`, each an epoch of a batch of `size` points."""
    data = tf.data.Dataset.from_tensor_slices(POINTS.reshape(-1, size, 2))
    found = [gan.fit(data.skip(step).take(1), shuffle=False, verbose=0).history for step in range(begin, end)]
    return {name: [one[name][0] for one in found] for name in found[0]}


@pytest.mark.parametrize(
    "options",
    [
        {},
        pytest.param({"loss": "least_squares", "simultaneous": True}, marks=pytest.mark.slow),
        pytest.param({"loss": "hinge", "critic_steps": 2}, marks=pytest.mark.slow),
    ],
    ids=["default", "simultaneous", "critic steps"],
)
def test_the_step_adapts_with_the_share_of_augmented_reals_above_the_boundary(options):
    gan = adaptive_gan(**options)
    logs, expected = train(gan, 0, 8), Adaptive([], **OPTIONS)
    found = adapted(expected, *((share, 8) for share in logs["real_accuracy"]))
    assert max(found) > 0
    np.testing.assert_allclose(logs[PROBABILITY], [0, *found[:-1]], atol=1e-6)  # the probability that the step used
    np.testing.assert_allclose(gan.augment.probability, found[-1], atol=1e-6)


def test_a_saved_gan_continues_with_the_same_probability(tmp_path):
    whole, first = adaptive_gan(), adaptive_gan()
    train(whole, 0, 8)
    train(first, 0, 5)  # in the middle of two steps from one change to the next
    first.save(tmp_path / "gan.keras")
    second = keras.saving.load_model(tmp_path / "gan.keras")
    assert float(second.augment.probability) == float(first.augment.probability) > 0
    train(second, 5, 8)
    assert_same(values(second), values(whole))


def test_a_training_state_has_the_probability():
    gan = adaptive_gan()
    names = [name for name in variables_of(gan) if name.startswith("augment/")]
    assert names == ["augment/000/adaptive/probability", "augment/001/adaptive/sums"]


@pytest.mark.parametrize("steps_per_execution", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_xla_adapts_like_the_plain_graph(steps_per_execution):
    data, found = tf.data.Dataset.from_tensor_slices(POINTS.reshape(-1, 8, 2)), []
    for xla in (False, True):
        gan = adaptive_gan(jit_compile=xla, steps_per_execution=steps_per_execution)
        gan.fit(data, shuffle=False, verbose=0)
        assert gan.jit_compile == xla
        found.append(gan)
    plain, compiled = found
    assert float(plain.augment.probability) > 0
    for one, other in zip(plain.weights, compiled.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5, err_msg=one.path)


def test_replicas_adapt_with_the_mean_over_all_of_them(fork_server, tmp_path):
    script = ROOT / "tests" / "helpers" / "adaptive_replicas.py"
    status, printed = fork_server.run(tmp_path / "logs.npz", output=tmp_path / "output", script=str(script))
    assert status == 0, printed
    logs, expected = dict(np.load(tmp_path / "logs.npz")), Adaptive([], **OPTIONS)
    found = adapted(expected, *((share, 8) for share in logs["real_accuracy"]))  # 4 images on each replica
    assert max(found) > 0
    np.testing.assert_allclose(logs[PROBABILITY], [0, *found[:-1]], atol=1e-6)
    np.testing.assert_allclose(logs["copies"], [found[-1]] * 2, atol=1e-6)


# --- leaks


def shares_of_places(layer, place, count=20_000):
    """Returns how often the bright pixel of a 2 x 2 image, at first at `place`, is at each place afterwards."""
    image = np.zeros((count, 4), np.float32)
    image[:, place] = 1
    return np.mean(layer(image.reshape(count, 2, 2, 1), KEY), axis=0).ravel()


@pytest.mark.parametrize("probability", [0.0, 0.3, 0.8, 1.0])
def test_augmented_distributions_differ_by_one_minus_the_probability(probability):
    """Four turned images are four distributions. The total variation distance of two of them is 1, of augmented ones
    1 - p. So at p = 1, and only there, a discriminator cannot tell which one the generator makes."""
    layer = Occasional([Rotate90()], probability=probability)
    shares = np.array([shares_of_places(layer, place) for place in range(4)])
    expected = (1 - probability) * np.eye(4) + probability / 4
    np.testing.assert_allclose(shares, expected, atol=4.5 * 0.5 / np.sqrt(20_000))
    distances = np.abs(shares[:, None] - shares[None]).sum(axis=-1) / 2
    np.testing.assert_allclose(distances, (1 - probability) * (1 - np.eye(4)), atol=0.04)


def samples_after_training(probability):
    """Returns samples of a generator that began at (0, 1), trained with reals about (1, 0)."""
    networks = (
        sequential((2,), layers.Dense(2, kernel_initializer=keras.initializers.RandomNormal(stddev=0.1))),
        sequential((2,), layers.Dense(32, "leaky_relu"), layers.Dense(32, "leaky_relu"), layers.Dense(1)),
    )
    networks[0].layers[0].bias.assign([0.0, 1.0])
    gan = GAN(*networks, augment=Occasional([QuarterTurn()], probability=probability), ema_half_life=1_000)
    optimizers = [keras.optimizers.Adam(rate, beta_1=0.0, beta_2=0.99) for rate in (3e-3, 1e-2)]
    gan.compile(*optimizers, penalties=[R1(0.3, every=1)], steps_per_execution=50)
    real = np.random.default_rng(0).normal((1, 0), 0.1, (64 * 1_500, 2)).astype(np.float32)
    gan.fit(real, batch_size=64, shuffle=False, verbose=0)
    return np.asarray(gan.generator_ema(np.random.default_rng(1).normal(size=(500, 2)).astype(np.float32)))


@pytest.mark.slow  # the test of distributions, above, is the stand-in
@pytest.mark.parametrize(("probability", "leaks"), [(0.0, False), (0.8, False), (1.0, True)])
def test_turns_leak_into_the_samples_only_if_always_applied(probability, leaks):
    near = np.linalg.norm(samples_after_training(probability) - [1, 0], axis=1) < 0.5
    assert near.mean() < 0.05 if leaks else near.mean() > 0.95
