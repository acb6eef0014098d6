"""Tests of samples that people called wrong, which D's loss uses as fakes."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.comparison import assert_same, differs, values
from helpers.tiny import small_gan

from gan import GAN, build_discriminator, build_generator
from gan.errors import InputError
from gan.models import augment, self_test_memory
from gan.models.extra_fakes import EVERY, ExtraFakes, MismatchedLabels, RejectedSamples

SHAPE, CLASSES = (8, 8, 1), 10


def batch(rows=16, shape=SHAPE):
    rng = np.random.default_rng(0)
    real, fake = rng.uniform(-1, 1, (2, rows, *shape)).astype(np.float32)
    return tf.constant(real), tf.constant(fake), tf.constant(rng.integers(0, CLASSES, rows), tf.int32)


def numbered(count=3, shape=SHAPE, *, classes=CLASSES, share=0.1):
    """Returns samples whose pixels and label are their number."""
    images = np.ones((count, *shape), np.uint8) * np.arange(count, dtype=np.uint8)[:, None, None, None]
    return RejectedSamples(images, np.arange(count) if classes else None, share=share)


def make_gan(rejected, loss="non_saturating", *, classes=CLASSES, mismatched=None, **options):
    gan = small_gan(classes, shape=SHAPE)
    sgd = [keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1)]
    options = {"penalties": (), "mismatched_labels": mismatched, **options}
    gan.compile(*sgd, loss=loss, rejected=rejected, **options)
    return gan


def test_the_draw_keeps_each_image_with_its_label_and_chooses_all_equally_often():
    part, real = numbered(3), tf.zeros((200, *SHAPE))
    found = []
    for step in range(5):
        images, labels = part.draw(real, None, 0, step)
        numbers = np.rint((images.numpy() + 1.0) * 127.5).astype(int)
        np.testing.assert_array_equal(numbers, np.broadcast_to(labels.numpy()[:, None, None, None], numbers.shape))
        found.append(labels.numpy())
    counts = np.bincount(np.concatenate(found), minlength=3)
    assert np.abs(counts - 1000 / 3).max() < 5 * np.sqrt(1000 * 2 / 9)  # five standard deviations
    np.testing.assert_array_equal(part.draw(real, None, 0, 4)[1], found[4])
    assert differs([part.draw(real, None, 1, 4)[1].numpy()], [found[4]])
    assert differs(found[:1], found[1:2])


@pytest.mark.parametrize("loss", ["non_saturating", "hinge", "relativistic"])
@pytest.mark.parametrize("mismatched", [0.0, 0.3])
def test_the_loss_is_the_weighted_mean_of_fakes_and_all_extra_fakes(loss, mismatched):
    share, (real, fake, labels) = 0.2, batch()
    rejected = numbered(share=share)
    gan = make_gan(rejected, loss, mismatched=mismatched)
    logits = gan._critic.logits(real, fake, labels, 0)
    parts: list[ExtraFakes] = [MismatchedLabels(mismatched, CLASSES)] if mismatched else []
    per_image, beside = gan.adversarial_loss.discriminator, logits.real[::EVERY]
    expected = (1 - share - mismatched) * np.mean(per_image(logits.real, logits.fake))
    for part, extra in zip([*parts, rejected], logits.extra, strict=True):
        images, classes = part.draw(real[::EVERY], labels[::EVERY], gan.seed, 0)
        np.testing.assert_allclose(extra, gan.discriminator([images, classes]), rtol=1e-4, atol=1e-5)
        expected += part.share * np.mean(per_image(beside, extra))
    total, logs = gan._critic.loss(logits, real, fake, labels, 0)
    np.testing.assert_allclose(total, expected, rtol=1e-5)
    assert logs["d_loss"][0] is total


def test_without_rejected_samples_nothing_changes():
    """All other random numbers of a step stay the same with them: D's loss differs, its parts do not."""
    real, fake, labels = batch()
    with_part, without = (make_gan(part)._critic.logits(real, fake, labels, 3) for part in (numbered(), None))
    assert len(without.extra) == 1
    for one, other in zip((*with_part[:2], with_part.extra[0]), (*without[:2], *without.extra)):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_an_unconditional_gan_takes_samples_without_labels():
    real, fake, _ = batch()
    gan = make_gan(numbered(classes=0), classes=0)
    logits = gan._critic.logits(real, fake, None, 0)
    assert logits.extra[0].shape == (2, 1)
    log = gan.train_on_batch(real.numpy(), return_dict=True)
    assert np.isfinite(list(log.values())).all()


def test_batch_statistics_use_a_whole_batch():
    shape = (28, 28, 1)
    real, fake, labels = batch(shape=shape)
    gan = GAN(
        build_generator(shape, 4, CLASSES, width=2), build_discriminator(shape, CLASSES, "dcgan", 2, norm="batch")
    )
    gan.compile("sgd", keras.optimizers.SGD(), rejected=numbered(shape=shape))
    assert [extra.shape for extra in gan._critic.logits(real, fake, labels, 0).extra] == [(16, 1), (16, 1)]


def test_each_part_has_its_own_random_numbers():
    gan = GAN(
        build_generator(SHAPE, 4, CLASSES, "mlp", 2),
        build_discriminator(SHAPE, CLASSES, "mlp", 2),
        augment=augment.get(["brightness"]),
    )
    gan.compile("sgd", keras.optimizers.SGD(), rejected=numbered())
    keys = []
    key = gan._critic._key
    gan._critic._key = lambda step, use: keys.append(use) or key(step, use)
    gan._critic.logits(*batch(), 0, together=False)
    assert len(set(keys)) == 4
    assert {MismatchedLabels._choice, RejectedSamples._choice}.isdisjoint(keys)


def test_a_discriminator_learns_to_reject_them():
    """Fakes equal reals, so only the rejected samples give a signal."""
    images = tf.constant(np.random.default_rng(0).uniform(-1, 0, (32, *SHAPE)).astype(np.float32))
    labels = tf.constant([0, 1] * 16)
    bright = np.full((2, *SHAPE), 255, np.uint8)

    def margin(part):
        keras.utils.set_random_seed(0)
        gan = GAN(build_generator(SHAPE, 4, 2, "mlp", 4), build_discriminator(SHAPE, 2, "mlp", 8))
        gan.compile("sgd", keras.optimizers.Adam(1e-3), penalties=(), mismatched_labels=0.0, rejected=part)
        update = tf.function(gan.update_discriminator)
        for _ in range(40):
            update(images, images, labels)
        good, bad = (gan.discriminator([x, labels[:2]]) for x in (images[:2], tf.ones((2, *SHAPE))))
        return float(tf.reduce_mean(good) - tf.reduce_mean(bad))

    assert margin(RejectedSamples(bright, [0, 1], share=0.3)) > margin(None) + 1.0


@pytest.mark.slow  # test_xla.py compares the modes
@pytest.mark.usefixtures("float64")
def test_a_step_is_the_same_with_xla():
    real, _, labels = batch()
    moves = []
    for jit_compile in (False, True):
        keras.utils.set_random_seed(0)
        gan = GAN(build_generator(SHAPE, 4, CLASSES, "mlp", 2), build_discriminator(SHAPE, CLASSES, "mlp", 2))
        gan.compile(*(keras.optimizers.SGD(0.1) for _ in range(2)), penalties=(), rejected=numbered(share=0.4))
        start = gan.generator.get_weights() + gan.discriminator.get_weights()
        tf.function(gan.train_step, jit_compile=jit_compile)((real, labels))
        end = gan.generator.get_weights() + gan.discriminator.get_weights()
        moves.append([after - before for before, after in zip(start, end)])
    for plain, compiled in zip(*moves):
        assert np.any(plain)
        np.testing.assert_allclose(compiled, plain, rtol=0, atol=1e-5 * np.abs(plain).max())


def test_a_step_with_bfloat16_networks():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        gan = make_gan(numbered())
    finally:
        keras.config.set_dtype_policy("float32")
    real, _, labels = batch()
    log = gan.train_step((real, labels))
    assert np.isfinite([float(value) for value in log.values()]).all()


def test_a_saved_gan_keeps_them_and_goes_on_the_same(tmp_path):
    real, _, labels = batch()
    gan = make_gan(numbered(share=0.25))
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    np.testing.assert_array_equal(loaded.rejected.images, gan.rejected.images)
    np.testing.assert_array_equal(loaded.rejected.labels, gan.rejected.labels)
    assert (loaded.rejected.share, loaded.rejected.images.dtype) == (0.25, np.uint8)
    for one in (gan, loaded):
        one.train_step((real, labels))
    assert_same(values(gan.discriminator), values(loaded.discriminator))
    assert len(gan.variables) == len(make_gan(None).variables)  # no variable, so a state does not change


def test_the_memory_of_a_self_test_tells_them_apart():
    hashes = {self_test_memory.network_hash(make_gan(part)) for part in (None, numbered(3), numbered(4))}
    assert len(hashes) == 3


def test_samples_may_be_floats_of_any_shape():
    part = RejectedSamples(np.array([[0.25, -0.5]], np.float32), share=0.5)
    np.testing.assert_array_equal(part.draw(tf.zeros((3, 2)), None, 0, 0)[0], [[0.25, -0.5]] * 3)
    copy = RejectedSamples.from_config(part.get_config())
    np.testing.assert_array_equal(copy.images, part.images)
    assert copy.images.dtype == np.float32


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: numbered(share=0.0), "`share`"),
        (lambda: numbered(share=1.0), "`share`"),
        (lambda: numbered(share="0.1"), "`share`"),
        (lambda: numbered(share=True), "`share`"),
        (lambda: numbered(share=float("nan")), "`share`"),
        (lambda: numbered(0), "`images`"),
        (lambda: RejectedSamples(np.full((2, *SHAPE), 200.0)), "floats in \\[-1, 1\\].*floats from 200 to 200"),
        (lambda: RejectedSamples(np.full((2, *SHAPE), -1.01)), "floats in \\[-1, 1\\]"),
        (lambda: RejectedSamples(np.array([[0.0, np.nan]])), "floats in \\[-1, 1\\].*nan"),
        (lambda: RejectedSamples(np.array([[0.0, np.inf]])), "floats in \\[-1, 1\\].*inf"),
        (lambda: RejectedSamples(np.zeros((2, *SHAPE), np.int64)), "uint8, or floats in .*int64"),
        (lambda: RejectedSamples(np.zeros((2, *SHAPE), bool)), "uint8, or floats in .*bool"),
        (lambda: RejectedSamples(["a sample"]), "`images`"),
        (lambda: RejectedSamples([["a"]]), "uint8, or floats in"),
        (lambda: RejectedSamples([[0.0], [0.0, 1.0]]), "`images`.*an array"),
        (lambda: RejectedSamples(np.zeros((2, 0))), "one image or more"),
        (lambda: RejectedSamples(np.zeros((1, 2)), [2**40]), "`labels`.*from 0 to 2\\^31 - 1"),
        (lambda: RejectedSamples(np.zeros((1, 2)), np.array([2**32])), "`labels`.*4294967296"),
        (lambda: RejectedSamples(np.zeros((1, 2)), [2**70]), "`labels`"),
        (lambda: RejectedSamples(np.zeros((1, 2)), [-1]), "`labels`"),
        (lambda: RejectedSamples(np.zeros((1, 2)), [1.5]), "`labels`.*whole numbers"),
        (lambda: RejectedSamples(np.zeros((2, *SHAPE)), [1]), "`labels`"),
        (lambda: make_gan(numbered(shape=(8, 9, 1))), "images of shape \\(8, 8, 1\\)"),
        (lambda: make_gan(numbered(11)), "classes 0 to 9.*classes 0 to 10"),
        (lambda: make_gan(numbered(classes=0)), "no classes"),
        (lambda: make_gan(numbered(), classes=0), "Expected images of shape \\(8, 8, 1\\), no classes"),
        (lambda: make_gan(numbered(share=0.95)), "leave nothing for the samples of G"),
        (lambda: make_gan("sevens"), "gan.extra_fakes.RejectedSamples"),
    ],
)
def test_refuses_what_does_not_fit(make, message):
    with pytest.raises(InputError, match=message):
        make()
