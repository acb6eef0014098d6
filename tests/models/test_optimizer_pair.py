"""Tests of the two optimizers: which are valid, that their options act, loss scales, and `GAN.optimizer`."""

import re
from functools import cache

import keras
import numpy as np
import pytest
from helpers.comparison import assert_same, differs, values
from helpers.tiny import dense_gan, sequential
from keras import layers

from gan import GAN, InputError, sampling
from gan.models import penalties, random
from gan.models.losses import AdversarialLoss
from gan.models.optimizers import Adam

POINTS = np.random.default_rng(0).uniform(-1, 1, (16, 2)).astype(np.float32)
KERAS = keras.optimizers


def without_addresses(value):
    """Returns the name of a test case that is the same in every process."""
    return re.sub(r" object at 0x\w+", "", str(value))


BOTH = pytest.mark.parametrize("kind", [KERAS.Adam, Adam])


def fit(gan, **options):
    return gan.fit(POINTS, batch_size=4, shuffle=False, verbose=0, **options).history


def pair(make):
    return {"g_optimizer": make(), "d_optimizer": make()}


def moved(make, **options):
    """Returns the weights of both networks after two steps."""
    gan = dense_gan(**pair(make), run_eagerly=True, **options)
    gan.fit(POINTS, batch_size=8, shuffle=False, verbose=0)
    return values(gan.generator) + values(gan.discriminator)


@cache
def plainly_moved():
    """Returns `moved` with Adam(1e-2)."""
    return moved(lambda: KERAS.Adam(1e-2))


def initial():
    """Returns the weights of both networks before the first step."""
    gan = dense_gan()
    return values(gan.generator) + values(gan.discriminator)


OPTIMIZERS = sorted(
    name
    for name, member in vars(KERAS).items()
    if isinstance(member, type) and issubclass(member, KERAS.Optimizer) and name not in ("Optimizer", "MultiOptimizer")
)


@pytest.mark.parametrize(
    "name",
    [one if one in ("Adam", "LossScaleOptimizer") else pytest.param(one, marks=pytest.mark.slow) for one in OPTIMIZERS],
)
def test_every_optimizer_of_keras_trains(name):
    kind = getattr(KERAS, name)
    make = (lambda: kind(KERAS.SGD(0.1))) if name == "LossScaleOptimizer" else lambda: kind(0.1)
    assert differs(moved(make), initial())


def test_an_optimizer_for_each_layer_trains():
    def make():
        return KERAS.MultiOptimizer(KERAS.OptimizerMap(KERAS.SGD(0.1), {".*bias": KERAS.SGD(0.0)}))

    start, after = initial(), moved(make)
    assert [differs([a], [b]) for a, b in zip(start, after)] == [True, False, True, False]  # kernel, bias of G; of D


@pytest.mark.parametrize(
    "options",
    [
        {"weight_decay": 0.5},
        {"clipnorm": 1e-9},
        {"clipvalue": 1e-9},
        {"global_clipnorm": 1e-9},
        {"use_ema": True},
        {"use_ema": True, "ema_overwrite_frequency": 2},
        {"use_ema": True, "ema_momentum": 0.5},
        {"gradient_accumulation_steps": 2},
        {"learning_rate": KERAS.schedules.CosineDecay(1e-2, 2)},
    ],
    ids=without_addresses,
)
def test_options_of_an_optimizer_act_alike_in_both_kinds_of_adam(options):
    ours, theirs = (moved(lambda: kind(**{"learning_rate": 1e-2, **options})) for kind in (Adam, KERAS.Adam))  # noqa: B023
    assert differs(theirs, plainly_moved())
    for one, other in zip(ours, theirs):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@BOTH
def test_excluded_variables_do_not_decay(kind):
    def make(*names):
        optimizer = kind(1e-2, weight_decay=0.5)
        optimizer.exclude_from_weight_decay(var_names=list(names))
        return optimizer

    for one, other in zip(moved(lambda: make("kernel", "bias")), plainly_moved()):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert differs(moved(lambda: make("bias")), plainly_moved())


def test_averaged_weights_are_set_before_the_end_of_training_is_announced():
    """With momentum 1 the average stays at the first weights after a step of SGD."""
    seen = []
    gan = dense_gan(**pair(lambda: KERAS.SGD(0.5, use_ema=True, ema_momentum=1.0)), run_eagerly=True)
    averages = [one._model_variables_moving_average for one in (gan.g_optimizer, gan.d_optimizer)]
    last = keras.callbacks.LambdaCallback(on_train_end=lambda logs: seen.append(values(gan.generator)))
    fit(gan, callbacks=[last])
    for network, average in zip((gan.generator, gan.discriminator), averages):
        assert_same(values(network), [np.array(one.numpy()) for one in average])
    assert_same(seen[0], values(gan.generator))
    assert differs(values(gan.generator), values(gan.generator_ema))


@pytest.mark.parametrize("make", [lambda: KERAS.SGD(0.5, loss_scale_factor=8.0), lambda: scaled(KERAS.SGD(0.5))])
def test_a_loss_scale_does_not_change_the_update(make):
    for one, other in zip(moved(make, penalties=["r1"]), moved(lambda: KERAS.SGD(0.5), penalties=["r1"])):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def scaled(optimizer, **options):
    return KERAS.LossScaleOptimizer(optimizer, **options)


class Steep(AdversarialLoss):
    """A finite loss whose gradient is infinite when it is scaled."""

    def discriminator(self, real_logits, fake_logits):
        return 1e4 * (real_logits - fake_logits)

    def generator(self, real_logits, fake_logits):
        return 1e4 * fake_logits


def test_gradients_that_overflow_skip_the_update_and_halve_the_scale():
    gan = dense_gan(**pair(lambda: scaled(Adam(0.5), initial_scale=2.0**127)), loss=Steep())
    before = values(gan.generator) + values(gan.discriminator)
    assert np.isfinite(fit(gan)["d_loss"]).all()
    assert [float(one.dynamic_scale) for one in (gan.g_optimizer, gan.d_optimizer)] == [2.0**123] * 2
    assert_same(before, values(gan.generator) + values(gan.discriminator))
    assert (int(gan.step), int(gan.g_optimizer.iterations)) == (4, 0)


@pytest.mark.parametrize(
    ("g_dtype", "d_dtype", "auto", "expected"),
    [
        ("float32", "float32", True, [False, False]),
        ("mixed_bfloat16", "mixed_bfloat16", True, [False, False]),
        ("mixed_float16", "float32", True, [True, False]),
        ("float32", "mixed_float16", True, [True, True]),
        ("mixed_float16", "mixed_float16", False, [False, False]),
    ],
)
def test_layers_in_float16_give_their_optimizers_a_loss_scale(g_dtype, d_dtype, auto, expected, tmp_path):
    networks = [sequential((2,), layers.Dense(n, dtype=t), layers.Activation("linear", dtype="float32"))
                for n, t in ((2, g_dtype), (1, d_dtype))]  # fmt: skip
    gan = GAN(*networks)
    optimizers = Adam(0.1), Adam(0.1)
    gan.compile(*optimizers, penalties=[], auto_scale_loss=auto)
    assert [isinstance(one, KERAS.LossScaleOptimizer) for one in (gan.g_optimizer, gan.d_optimizer)] == expected
    gan.compile(*optimizers, penalties=[], auto_scale_loss=auto)  # the same optimizers again
    if g_dtype == "mixed_float16":
        fit(gan)
        gan.save(tmp_path / "gan.keras")
        loaded = keras.saving.load_model(tmp_path / "gan.keras")
        assert_same(values(loaded.optimizer), values(gan.optimizer))


@pytest.mark.parametrize("critic_steps", [1, 2])
def test_each_step_has_new_random_numbers_while_gradients_accumulate(critic_steps, monkeypatch):
    """Gradients of 4 steps with rate 0 accumulate: latents, keys and lazy penalties depend on `step` alone."""
    seen = []
    draw, key = random.training_latents, random.training_key

    def latents(*arguments, **options):
        seen.append(np.array(draw(*arguments, **options)).tobytes())
        return draw(*arguments, **options)

    def keys(seed, step, replica, use):
        seen.append((int(step), use))
        return key(seed, step, replica, use)

    monkeypatch.setattr(random, "training_latents", latents)
    monkeypatch.setattr(random, "training_key", keys)
    options = pair(lambda: KERAS.Adam(0.0, gradient_accumulation_steps=4))
    gan = dense_gan(
        **options, penalties=[penalties.WassersteinGP(every=2)], critic_steps=critic_steps, run_eagerly=True
    )
    gan.fit(POINTS, batch_size=4, shuffle=False, verbose=0)
    assert int(gan.g_optimizer.iterations) == 1
    assert len(seen) == len(set(seen))
    assert len([one for one in seen if isinstance(one, bytes)]) == 4 * critic_steps
    assert len([one for one in seen if isinstance(one, tuple)]) == 2 * critic_steps  # in every second D update


def test_accumulated_updates_equal_one_update_with_the_mean_gradient():
    """With a linear loss and one step of SGD, the order and size of the parts do not matter."""

    class Linear(AdversarialLoss):
        def discriminator(self, real_logits, fake_logits):
            return real_logits

        def generator(self, real_logits, fake_logits):
            return fake_logits * 0.0

    ends = []
    for options, batch_size in (({"gradient_accumulation_steps": 4}, 4), ({}, 16)):
        gan = dense_gan(**pair(lambda: KERAS.SGD(0.1, **options)), loss=Linear())  # noqa: B023
        gan.fit(POINTS, batch_size=batch_size, shuffle=False, verbose=0)
        ends.append(values(gan.discriminator))
    for one, other in zip(*ends):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_the_training_latents_are_public():
    """Other seeds, steps and D updates give other latents; replicas share those of one device."""
    draws = [sampling.training_latents(*numbers, (4, 3)) for numbers in ((0, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, 0))]
    assert len({np.array(one).tobytes() for one in draws}) == 4
    halves = [sampling.training_latents(0, 0, 0, (2, 3), replica=number, replicas=2) for number in (0, 1)]
    np.testing.assert_array_equal(np.concatenate(halves), draws[0])


class Foreign:
    """An object of another package that has some methods of an optimizer."""

    def init(self, parameters):
        return parameters

    def update(self, gradients, state):
        return gradients, state


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (KERAS.Adam, "an object, not a class"),
        (None, "a Keras optimizer"),
        ("adamm", "a Keras optimizer"),
        ({"class_name": "Adam", "config": {"momentum": 1.0}}, "a Keras optimizer"),
        (1e-3, "a Keras optimizer"),
        (KERAS.schedules.CosineDecay(1e-3, 10), "a Keras optimizer"),
        (Foreign(), "a Keras optimizer"),
    ],
    ids=without_addresses,
)
@pytest.mark.parametrize("name", ["g_optimizer", "d_optimizer"])
def test_rejects_what_is_no_optimizer(name, optimizer, message):
    with pytest.raises(InputError, match=f"Bad `{name}`.*{message}"):
        dense_gan(**{name: optimizer})


def test_rejects_optimizers_that_were_used_before():
    used, model = KERAS.Adam(), sequential((2,), layers.Dense(1))
    model.compile(used, "mse")
    model.fit(POINTS, POINTS[:, :1], verbose=0)
    gan = dense_gan()
    optimizers = [gan.g_optimizer, gan.d_optimizer]
    for given in ([used, "adam"], ["adam", used], [scaled(used), "adam"], optimizers[::-1]):
        with pytest.raises(InputError, match="was used before"):
            dense_gan(g_optimizer=given[0], d_optimizer=given[1])
    shared = KERAS.SGD()
    with pytest.raises(InputError, match="its own optimizer"):
        dense_gan(g_optimizer=scaled(shared), d_optimizer=shared)
    fit(gan)
    gan.compile(*optimizers, penalties=[])  # the same GAN again
    fit(gan)
    assert int(gan.g_optimizer.iterations) == int(gan.step) == 8
    gan.generator.layers[0].bias_constraint = None
    gan.generator.layers[0].bias.trainable = False
    with pytest.raises(InputError, match="was used before"):
        gan.compile(*optimizers, penalties=[])


@pytest.mark.parametrize("role", ["generator", "discriminator"])
def test_rejects_a_network_that_cannot_learn(role):
    networks = {"generator": sequential((2,), layers.Dense(2)), "discriminator": sequential((2,), layers.Dense(1))}
    networks[role].trainable = False
    with pytest.raises(InputError, match=f"The {role} .* has no trainable variable"):
        GAN(**networks).compile("sgd", "sgd")


def test_a_half_frozen_network_trains_its_other_half():
    networks = [sequential((2,), layers.Dense(3), layers.Dense(units)) for units in (2, 1)]
    for network in networks:
        network.layers[0].trainable = False
    gan = GAN(*networks)
    gan.compile(KERAS.SGD(0.5), KERAS.SGD(0.5), penalties=["r1"])
    before = [[v.numpy() for v in layer.variables] for network in networks for layer in network.layers]
    fit(gan)
    after = [[v.numpy() for v in layer.variables] for network in networks for layer in network.layers]
    assert [differs(a, b) for a, b in zip(before, after)] == [False, True, False, True]
    assert [len(network.trainable_variables) for network in networks] == [2, 2]


def test_rejects_a_change_of_trainable_after_compile():
    gan = dense_gan()
    gan.discriminator.trainable = False
    for train in (lambda: fit(gan), lambda: gan.train_on_batch(POINTS)):
        with pytest.raises(InputError, match=r"`trainable` of the discriminator .* was changed after compile"):
            train()
    assert int(gan.step) == 0
    gan.discriminator.trainable = True
    fit(gan)


def test_gan_optimizer_names_both_optimizers_when_one_is_asked_for():
    gan = dense_gan()
    assert gan.optimizer.optimizers == [gan.g_optimizer, gan.d_optimizer]
    assert gan.optimizer.iterations is gan.step
    assert not hasattr(gan.optimizer, "learning_rate")
    for wrong in (lambda: gan.optimizer.learning_rate, lambda: setattr(gan.optimizer, "learning_rate", 0.1)):
        with pytest.raises(InputError, match=r"gan\.g_optimizer\.learning_rate and gan\.d_optimizer\.learning_rate"):
            wrong()
