"""Tests combinations of losses, penalties, networks, normalization, conditioning and augmentation in one harness."""

import collections
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from allpairspy import AllPairs
from helpers.comparison import assert_same, differs

from gan import GAN, build_discriminator, build_generator
from gan.models import augment, losses, networks, penalties
from gan.models.extra_fakes import RejectedSamples

SHAPE, CLASSES = (12, 8, 3), 3

LOSSES = sorted(losses.LOSSES)
PENALTIES = [(), ("r1", "r2"), *((name,) for name in sorted(penalties.PENALTIES))]
ARCHS = sorted(networks.GENERATORS)
CONDITIONINGS = [None, *sorted(networks.CONDITIONINGS)]
AUGMENTATIONS = [(), tuple(augment.AUGMENTATIONS)[:4], tuple(augment.AUGMENTATIONS)[4:]]
NORMS = sorted(networks.NORMS, key=lambda name: name != "none")
UPDATES = ["alternating", "simultaneous"]
AXES = [LOSSES, PENALTIES, ARCHS, CONDITIONINGS, AUGMENTATIONS, NORMS, UPDATES]
"""The first value of each axis is the cheapest to trace."""


def pairs(row):
    return set(itertools.combinations(enumerate(row), 2))


def cheaper(rows):
    """Returns the rows with the first value of an axis wherever the other rows still cover all pairs of values."""
    rows = [tuple(row) for row in rows]
    covered = collections.Counter(itertools.chain.from_iterable(map(pairs, rows)))
    cost = [sum(axis.index(value) > 0 for axis, value in zip(AXES, row)) for row in rows]
    for number in sorted(range(len(rows)), key=lambda number: -cost[number]):
        for place, axis in enumerate(AXES):
            row = rows[number]
            changed = (*row[:place], axis[0], *row[place + 1 :])
            if all(covered[pair] > 1 for pair in pairs(row) - pairs(changed)):
                covered.subtract(pairs(row))
                covered.update(pairs(changed))
                rows[number] = changed
    return rows


COVERING = [(*one, 1) for one in cheaper(AllPairs(AXES))] + [
    ("wasserstein", ("wgan_gp",), "mlp", None, (), "none", "simultaneous", 3),
    ("relativistic", ("r1",), "dcgan", "projection", (), "batch", "alternating", 2),
]
"""Any two values of different axes occur together in one of these rows. The last number counts critic steps."""

PRODUCT = list(itertools.product(LOSSES, PENALTIES, ARCHS, CONDITIONINGS, AUGMENTATIONS, ["none"], UPDATES[:1], [1]))


def name_of(combination):
    return "-".join("+".join(part) if isinstance(part, tuple) else str(part) for part in combination)


def weights(network):
    return [variable.numpy() for variable in network.trainable_variables]


def all_weights(gan):
    return [
        variable.numpy() for net in (gan.generator, gan.discriminator, gan.generator_ema) for variable in net.weights
    ]


def batch(conditional):
    rng = np.random.default_rng(0)
    real = tf.constant(rng.uniform(-1, 1, (6, *SHAPE)).astype(np.float32))
    return (real, tf.constant([0, 1, 2, 0, 1, 2])) if conditional else real


def check(combination, folder):
    loss, chosen, arch, conditioning, changes, norm, updates, critic_steps = combination
    classes = 0 if conditioning is None else CLASSES
    keras.utils.set_random_seed(1)
    options = {} if conditioning is None else {"conditioning": conditioning}
    gan = GAN(
        build_generator(SHAPE, 4, classes, arch, 2),
        build_discriminator(SHAPE, classes, arch, 2, norm=norm, **options),
        augment=augment.get(changes, probability=0.5 if losses.LOSSES[loss].boundary is None else "ada"),
    )
    parts = [penalties.PENALTIES[name](every=1 + number) for number, name in enumerate(chosen)]
    g_optimizer, d_optimizer = keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.01)
    gan.compile(
        g_optimizer,
        d_optimizer,
        loss,
        parts,
        critic_steps=critic_steps,
        simultaneous=updates == "simultaneous",
        mismatched_labels=0.2 if classes else 0.0,
        rejected=RejectedSamples(np.zeros((2, *SHAPE), np.uint8), [0, CLASSES - 1] if classes else None),
    )
    step = tf.function(gan.train_step, jit_compile=False, reduce_retracing=True)
    data = batch(classes > 0)

    before = [weights(gan.generator), weights(gan.discriminator)]
    logs = [step(data)]
    assert_same(weights(gan.generator), before[0])  # G's learning rate is 0, and D's update did not change G
    assert differs(weights(gan.discriminator), before[1])

    g_optimizer.learning_rate, d_optimizer.learning_rate = 0.01, 0.0
    before[1] = weights(gan.discriminator)
    logs.append(step(data))
    assert differs(weights(gan.generator), before[0])
    assert_same(weights(gan.discriminator), before[1])  # G's update did not change D

    assert step.experimental_get_tracing_count() == 1
    for log in logs:
        assert set(chosen) <= set(log)
        assert all(np.isfinite(value) for value in log.values()), log
    assert np.isfinite(np.concatenate([value.ravel() for value in all_weights(gan)])).all()

    gan.save(folder / "gan.keras")
    assert_same(all_weights(keras.saving.load_model(folder / "gan.keras")), all_weights(gan))


@pytest.mark.parametrize("classes", [0, CLASSES])
@pytest.mark.parametrize("arch", ARCHS)
def test_a_generator_is_saved_with_layers_of_keras_only(arch, classes, tmp_path):
    """The file of a generator contains no loss, penalty or part of D."""
    generator = GAN(build_generator(SHAPE, 4, classes, arch, 2), build_discriminator(SHAPE, classes)).generator_ema
    rng = np.random.default_rng(0)
    for variable in generator.weights:  # also the batch statistics, which training changes
        variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    generator.save(tmp_path / "generator.keras")
    assert all(type(layer).__module__.startswith("keras.") for layer in generator.layers)
    loaded = keras.saving.load_model(tmp_path / "generator.keras", compile=False, safe_mode=True)
    latents = rng.normal(size=(2, 4)).astype(np.float32)
    inputs = [latents, np.array([0, 2])] if classes else latents
    samples = generator(inputs, training=False)
    assert samples.shape == (2, *SHAPE)
    assert np.abs(samples).max() <= 1
    np.testing.assert_array_equal(loaded(inputs, training=False), samples)


def test_the_covering_rows_contain_every_pair_of_registered_parts():
    for (i, one), (j, other) in itertools.combinations(enumerate(AXES), 2):
        assert {(c[i], c[j]) for c in COVERING} == set(itertools.product(one, other))


def quick(rows):
    """Returns every third row, and the first other one of each part that these lack."""
    chosen = rows[::3]
    for number in range(len(AXES)):
        for part in AXES[number]:
            if all(row[number] != part for row in chosen):
                chosen.append(next(row for row in rows if row[number] == part))
    return chosen


_WITH_RESNET = [combination for combination in COVERING if "resnet" in combination]
"""Combinations that take several times as long as the others. One of them is not marked slow."""
QUICK = [*quick([one for one in COVERING if one not in _WITH_RESNET] + _WITH_RESNET[:1])]
"""The rows of `make test`: each registered part at least once, and a third of the pairs."""


def test_the_quick_rows_contain_every_registered_part():
    for number, axis in enumerate(AXES):
        assert {row[number] for row in QUICK} == set(axis)
    assert len(QUICK) < 0.7 * len(COVERING)


@pytest.mark.parametrize(
    "combination",
    [one if one in QUICK else pytest.param(one, marks=pytest.mark.slow) for one in COVERING],
    ids=name_of,
)
def test_any_two_parts_train_together(combination, tmp_path):
    check(combination, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("loss", LOSSES)
def test_all_parts_train_together(loss, arch, tmp_path):
    for combination in PRODUCT:
        if (combination[0], combination[2]) == (loss, arch):
            check(combination, tmp_path)
            keras.backend.clear_session()
