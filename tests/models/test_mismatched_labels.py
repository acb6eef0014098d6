"""Tests of real images with mismatched labels, which D's loss uses as fakes."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.tiny import small_gan

from gan import GAN, build_discriminator, build_generator
from gan.config import PRESETS, ModelConfig, OptimizationConfig, TrainConfig
from gan.errors import InputError
from gan.models import augment, extra_fakes, penalties
from gan.models.build import build_gan, compile_gan
from gan.models.extra_fakes import EVERY

SHAPE, CLASSES = (8, 8, 1), 10


def batch(rows=16, shape=SHAPE):
    rng = np.random.default_rng(0)
    real, fake = rng.uniform(-1, 1, (2, rows, *shape)).astype(np.float32)
    return tf.constant(real), tf.constant(fake), tf.constant(rng.integers(0, CLASSES, rows), tf.int32)


def make_gan(share, loss="non_saturating", **options):
    gan = small_gan(shape=SHAPE)
    options = {"penalties": (), "loss": loss, "mismatched_labels": share, **options}
    gan.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1), **options)
    return gan


def test_some_reals_get_labels_that_are_never_their_own():
    real, _, labels = batch(64)
    part = extra_fakes.MismatchedLabels(0.1, CLASSES)
    shifts = []
    for step in range(60):
        images, mismatched = part.draw(real, labels, 0, step)
        np.testing.assert_array_equal(images, real)
        assert ((mismatched.numpy() >= 0) & (mismatched.numpy() < CLASSES)).all()
        shifts.append((mismatched - labels).numpy() % CLASSES)
    assert set(np.unique(shifts)) == set(range(1, CLASSES))


def test_two_classes_have_one_mismatched_label_each():
    part = extra_fakes.MismatchedLabels(0.5, 2)
    _, mismatched = part.draw(tf.zeros((4, *SHAPE)), tf.constant([0, 0, 1, 1]), 0, 3)
    np.testing.assert_array_equal(mismatched, [1, 1, 0, 0])


@pytest.mark.parametrize("loss", ["non_saturating", "hinge", "relativistic"])
def test_the_loss_is_the_weighted_mean_of_fakes_and_mismatched_labels(loss):
    share = 0.3
    real, fake, labels = batch()
    gan = make_gan(share, loss)
    logits = gan._critic.logits(real, fake, labels, 0)
    images, mismatched = extra_fakes.MismatchedLabels(share, CLASSES).draw(real[::EVERY], labels[::EVERY], gan.seed, 0)
    logits_of = gan.discriminator
    for part, expected in zip(
        (logits.real, logits.fake, *logits.extra),
        (logits_of([real, labels]), logits_of([fake, labels]), logits_of([images, mismatched])),
    ):
        np.testing.assert_allclose(part, expected, rtol=1e-4, atol=1e-5)
    total, logs = gan._critic.loss(logits, real, fake, labels, 0)
    per_image = gan.adversarial_loss.discriminator
    expected = (1 - share) * np.mean(per_image(logits.real, logits.fake)) + share * np.mean(
        per_image(logits.real[::EVERY], *logits.extra)
    )
    np.testing.assert_allclose(total, expected, rtol=1e-5)
    assert logs["d_loss"][0] is total


def test_the_penalty_is_added_to_the_loss_but_not_to_d_loss():
    real, fake, labels = batch()
    plain, with_r1 = make_gan(0.3), make_gan(0.3, penalties=[penalties.R1(2.0, every=1)])
    totals = []
    for gan in (plain, with_r1):
        total, logs = gan._critic.loss(gan._critic.logits(real, fake, labels, 0), real, fake, labels, 0)
        totals.append((float(total), float(logs["d_loss"][0])))
    assert totals[0][0] == totals[0][1] == pytest.approx(totals[1][1])
    assert totals[1][0] == pytest.approx(totals[1][1] + float(logs["r1"][0]))
    assert logs["r1"][0] > 0


@pytest.mark.slow  # test_xla.py compares the modes without labels
@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("simultaneous", "chosen"), [(False, ["r1"]), (True, [])])
def test_a_step_is_the_same_with_xla(simultaneous, chosen):
    real, _, labels = batch()
    moves = []
    for jit_compile in (False, True):
        keras.utils.set_random_seed(0)
        gan = GAN(build_generator(SHAPE, 4, CLASSES, "mlp", 2), build_discriminator(SHAPE, CLASSES, "mlp", 2))
        sgd = [keras.optimizers.SGD(0.1) for _ in range(2)]
        gan.compile(*sgd, penalties=chosen, mismatched_labels=0.3, simultaneous=simultaneous)
        start = gan.generator.get_weights() + gan.discriminator.get_weights()
        tf.function(gan.train_step, jit_compile=jit_compile)((real, labels))
        end = gan.generator.get_weights() + gan.discriminator.get_weights()
        moves.append([after - before for before, after in zip(start, end)])
    for plain, compiled in zip(*moves):
        assert np.any(plain)
        np.testing.assert_allclose(compiled, plain, rtol=0, atol=1e-5 * np.abs(plain).max())


def test_each_critic_step_has_its_own_shift():
    gan = make_gan(0.1, critic_steps=3)
    steps = []
    [part] = gan._critic._extra_fakes
    drawn = part.draw
    part.draw = lambda real, labels, seed, step: steps.append(int(step)) or drawn(real, labels, seed, step)
    real, _, labels = batch(48)
    gan.train_step((real, labels))
    assert steps == [0, 1, 2]


def test_separate_passes_with_an_augmentation_have_separate_random_numbers():
    gan = GAN(
        build_generator(SHAPE, 4, CLASSES, "mlp", 2),
        build_discriminator(SHAPE, CLASSES, "mlp", 2),
        augment=augment.get(["brightness"]),
    )
    gan.compile("sgd", keras.optimizers.SGD(), mismatched_labels=0.1)
    keys = []
    key = gan._critic._key
    gan._critic._key = lambda step, use: keys.append(use) or key(step, use)
    real, fake, labels = batch()
    gan._critic.logits(real, fake, labels, 0, together=False)
    assert len(set(keys)) == 3
    assert extra_fakes.MismatchedLabels._choice not in keys


def test_separate_and_joint_passes_give_the_same_logits():
    real, fake, labels = batch()
    critic = make_gan(0.1)._critic
    joint, separate = critic.logits(real, fake, labels, 5), critic.logits(real, fake, labels, 5, together=False)
    assert joint.layer_loss is separate.layer_loss is None
    for one, other in zip((*joint[:2], *joint.extra), (*separate[:2], *separate.extra)):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_batch_statistics_use_a_whole_batch():
    shape = (28, 28, 1)  # for 8 x 8 images, dcgan has no normalization
    real, fake, labels = batch(shape=shape)
    gan = GAN(
        build_generator(shape, 4, CLASSES, width=2), build_discriminator(shape, CLASSES, "dcgan", 2, norm="batch")
    )
    gan.compile("sgd", keras.optimizers.SGD(), mismatched_labels=0.1)
    assert gan._critic.logits(real, fake, labels, 0).extra[0].shape == (16, 1)


def test_a_discriminator_learns_the_correct_labels():
    """Bright images have class 1, dark images class 0. Fakes equal reals, so only mismatched labels give a signal."""
    labels = tf.constant([0, 1] * 32)
    images = tf.ones((64, *SHAPE)) * tf.reshape(2.0 * tf.cast(labels, tf.float32) - 1.0, (-1, 1, 1, 1))

    def margin(share):
        keras.utils.set_random_seed(0)
        gan = GAN(build_generator(SHAPE, 4, 2, "mlp", 4), build_discriminator(SHAPE, 2, "mlp", 8))
        gan.compile("sgd", keras.optimizers.Adam(1e-3), penalties=(), mismatched_labels=share)
        update = tf.function(gan.update_discriminator)
        for _ in range(60):
            update(images, images, labels)
        correct, incorrect = (tf.reduce_mean(gan.discriminator([images, y])) for y in (labels, 1 - labels))
        return float(correct - incorrect)

    assert abs(margin(0.0)) < 0.1
    assert margin(0.3) > 1.0


def test_a_saved_gan_keeps_its_share(tmp_path):
    gan = make_gan(0.25)
    gan.save(tmp_path / "gan.keras")
    assert keras.saving.load_model(tmp_path / "gan.keras").mismatched_labels == 0.25


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_rejects_a_bad_share(share):
    with pytest.raises(InputError, match="`mismatched_labels`"):
        make_gan(share)


def test_rejects_a_share_without_labels():
    gan = GAN(build_generator(SHAPE, 4, 0, "mlp", 2), build_discriminator(SHAPE, 0, "mlp", 2))
    with pytest.raises(InputError, match="labels of two classes or more"):
        gan.compile("sgd", keras.optimizers.SGD(), mismatched_labels=0.1)


@pytest.mark.parametrize(
    ("conditioning", "requested", "expected"),
    [("projection", None, 0.08), ("none", None, 0.0), ("projection", 0.0, 0.0)],
)
def test_a_conditional_run_uses_mismatched_labels_by_default(digits, conditioning, requested, expected):
    config = TrainConfig(
        model=ModelConfig(arch="mlp", conditioning=conditioning, g_width=2, d_width=2),
        optimization=OptimizationConfig(mismatched_labels=requested),
    )
    gan = build_gan(config, digits)
    compile_gan(gan, config, 10)
    assert gan.mismatched_labels == expected


def test_presets_of_papers_have_no_mismatched_labels():
    shares = {name: config.optimization.mismatched_labels for name, config in PRESETS.items()}
    assert {name for name, share in shares.items() if share is None} == {
        "mnist",
        "mnist-sprint",
        "mnist-unconditional",
        "stacked-mnist",
    }
    assert {name for name, share in shares.items() if share} == {"mnist-best"}
