"""Tests that each fault of the beginner's program is corrected.

The numbers are those of the notebook 02_why_the_naive_gan_fails, which demonstrates each fault.
"""

import ast
import itertools
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.comparison import differs, values
from helpers.tiny import small_gan
from PIL import Image

import gan
from gan import build_discriminator, build_generator, generate, load_generator
from gan.config import PRESETS, OptimizationConfig
from gan.data import images
from gan.data.handwriting import read_digit
from gan.evaluation import metrics
from gan.evaluation.classifier.extractor import as_input
from gan.evaluation.classifier.training import Distortion
from gan.models import losses
from gan.models import means as step_means
from gan.models.build import build_gan
from gan.models.gan import GAN
from gan.training import callbacks


def test_01_public_names_can_be_imported():
    assert {"GAN", "build_generator", "build_discriminator", "load_dataset", "load_generator", "generate"} <= set(
        gan.__all__
    )
    assert all(getattr(gan, name) for name in gan.__all__)


@pytest.mark.parametrize("arch", ["dcgan", "mlp"])
def test_02_the_generator_output_has_the_shape_of_an_image(arch, digits):
    assert build_generator(digits.image_shape, 100, arch=arch).output_shape == (None, 28, 28, 1)


@pytest.mark.parametrize("arch", ["dcgan", "mlp"])
def test_03_generator_output_and_data_have_the_same_range(arch, digits):
    generator = build_generator((28, 28, 1), 4, arch=arch, width=4)
    samples = np.asarray(generator(tf.random.stateless_normal((16, 4), (0, 0)) * 1e4))
    real, _ = next(iter(digits.train.batches(64)))
    assert (real.numpy().min(), real.numpy().max()) == (-1.0, 1.0)
    assert -1.0 <= samples.min() < -0.5
    assert 0.5 < samples.max() <= 1.0


def test_04_the_convolutional_discriminator_is_convolutional():
    kinds = [type(layer) for layer in build_discriminator((28, 28, 1)).layers]
    assert kinds.count(keras.layers.Conv2D) == 3
    assert keras.layers.Conv2D not in [type(layer) for layer in build_discriminator((28, 28, 1), arch="mlp").layers]


def test_05_the_generator_learns_only_from_the_discriminator(digits):
    """The gradient of G comes from the logits of D: with a constant D it vanishes."""
    real, labels = next(iter(digits.train.batches(16)))
    changed = []
    for constant in (False, True):
        model = small_gan()
        if constant:
            for variable in model.discriminator.variables:
                variable.assign(tf.zeros_like(variable))
        before = [variable.numpy() for variable in model.generator.trainable_variables]
        with tf.GradientTape() as tape:
            fake = model.generator([tf.random.stateless_normal((16, 8), (0, 0)), labels], training=True)
        model.update_generator(tape, real, fake, labels, None)
        changed.append(differs(before, [variable.numpy() for variable in model.generator.trainable_variables]))
    assert changed == [True, False]


def test_06_both_networks_train_and_trainable_is_never_set(digits):
    model = small_gan()
    g, d = values(model.generator), values(model.discriminator)
    model.fit(digits.train.batches(16, steps=2), verbose=0, shuffle=False)
    assert differs(values(model.generator), g)
    assert differs(values(model.discriminator), d)
    for path in Path(gan.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            targets = node.targets if isinstance(node, ast.Assign) else []
            assert not any(isinstance(t, ast.Attribute) and t.attr == "trainable" for t in targets), path


def test_07_batches_are_sampled_from_a_4d_array(digits):
    real, labels = next(iter(digits.train.batches(32)))
    assert real.shape == (32, 28, 28, 1)
    assert len(np.unique(labels)) > 5


def test_08_the_discriminator_sees_reals_and_fakes_in_every_step(digits):
    history = small_gan().fit(digits.train.batches(16, steps=1), verbose=0, shuffle=False).history
    assert {"real_score", "fake_score"} <= set(history)
    assert history["real_score"] != history["fake_score"]


def test_09_rejects_fit_without_compile(digits):
    model = GAN(build_generator((28, 28, 1), 4, width=4), build_discriminator((28, 28, 1), width=4))
    with pytest.raises(ValueError, match="compile"):
        model.fit(digits.train.batches(16, steps=1), verbose=0, shuffle=False)


def test_10_the_discriminator_returns_logits():
    discriminator = build_discriminator((28, 28, 1), width=4)
    assert discriminator.layers[-1].activation is keras.activations.linear
    logits = np.asarray(discriminator(tf.random.stateless_normal((64, 28, 28, 1), (0, 0)) * 100))
    assert logits.min() < 0 or logits.max() > 1  # a sigmoid would stay within 0..1


def test_11_the_train_step_runs_as_a_graph_without_predict(digits, monkeypatch):
    traced_in_graph = []
    for name in ("predict", "predict_on_batch", "train_on_batch"):
        monkeypatch.setattr(keras.Model, name, lambda *_, **__: pytest.fail("Python call in the training loop"))

    class RecordingGAN(GAN):
        def train_step(self, data):
            traced_in_graph.append(not tf.executing_eagerly())
            return super().train_step(data)

    model = RecordingGAN(build_generator((28, 28, 1), 4, 10, width=4), build_discriminator((28, 28, 1), 10, width=4))
    model.compile("adam", "adam")
    model.fit(digits.train.batches(16, steps=6), verbose=0, shuffle=False)
    assert set(traced_in_graph) == {True}
    assert len(traced_in_graph) <= 2  # Python runs only while TensorFlow traces the graph


def test_12_an_epoch_is_a_pass_over_the_data():
    options = OptimizationConfig(epochs=1, batch_size=50)
    assert options.total_steps(50_000) == 1_000


def test_13_held_out_data_does_not_overlap_training_data(digits):
    train = {image.tobytes() for image in digits.train.images}
    for part in (digits.validation, digits.test):
        assert len(part) > 0
        assert not train & {image.tobytes() for image in part.images}


def test_14_the_mean_digit_has_a_lower_mse_but_a_higher_frechet_distance(digits):
    chosen = np.random.default_rng(0).permutation(len(digits.train))[:800]
    reals, others = np.split(as_input(digits.train.images[chosen]), 2)
    mean = np.repeat(as_input(digits.train.images).mean(axis=0, keepdims=True), 400, axis=0)
    assert np.mean((mean - reals) ** 2) < np.mean((others - reals) ** 2)
    distances = []
    for side in (mean, others):
        metric = metrics.FrechetDistance(lambda x: tf.reshape(tf.nn.avg_pool2d(x, 7, 7, "VALID"), (-1, 16)), 16)
        metric.update_state(reals, side)
        distances.append(float(metric.result()["frechet_distance"]))
    assert distances[0] > 10 * distances[1]


def test_15_loading_restores_the_saved_generator(tmp_path):
    model = small_gan()
    saver = callbacks.GeneratorCheckpoint(tmp_path / "generator.keras")
    saver.set_model(model)
    saver.on_epoch_end(0)
    np.testing.assert_array_equal(generate(load_generator(tmp_path), 4), generate(model.generator_ema, 4))


def test_16_samples_are_rescaled_for_display(tmp_path):
    images.save_png(tmp_path / "a.png", images.to_uint8(np.array([[[-1.0], [0.0], [1.0]]])))
    with Image.open(tmp_path / "a.png") as image:
        assert np.asarray(image).tolist() == [[0, 128, 255]]


def test_17_a_color_file_is_converted_to_the_input_of_the_classifier(tmp_path, digits):
    correlations = []
    for digit in digits.test.images[::10, :, :, 0]:  # 50 digits, 5 of each class
        Image.fromarray(255 - digit).resize((112, 112)).convert("RGB").save(tmp_path / "dark-on-white.png")
        read = read_digit(tmp_path / "dark-on-white.png")
        assert read.shape == (28, 28, 1)
        assert (read.min(), read.max()) == pytest.approx((-1.0, 1.0))
        correlations.append(np.corrcoef(read.ravel(), digit.ravel())[0, 1])
    assert np.mean(correlations) > 0.9


def test_18_distorted_digits_are_neither_mirrored_nor_upside_down(digits):
    asymmetric = np.isin(digits.test.labels, (2, 4, 5, 6, 7, 9))  # digits that rotation and reflection change
    original = as_input(digits.test.images[asymmetric])
    distorted = Distortion()(original, (0, 0)).numpy()
    shifts = list(itertools.product(range(-2, 3), repeat=2))  # the distortion also shifts digits by up to 2 pixels
    moved_back = [np.roll(distorted, shift, axis=(1, 2)) for shift in shifts]
    others = [original, original[:, :, ::-1], original[:, ::-1], original[:, ::-1, ::-1]]
    errors = [np.min([np.mean((m - other) ** 2, axis=(1, 2, 3)) for m in moved_back], axis=0) for other in others]
    assert np.mean(np.argmin(errors, axis=0) == 0) > 0.9


def test_19_cross_entropy_of_a_probability_of_one_fifth_is_1_609():
    logits = np.array([[np.log(0.25)]], np.float32)  # sigmoid: 0.2
    np.testing.assert_allclose(losses.NonSaturating().generator(logits, logits), [[1.609438]], rtol=1e-6)


@pytest.mark.parametrize("name", losses.LOSSES)
def test_20_losses_have_a_gradient_and_the_error_rate_has_none(name):
    real, fake = tf.constant([[3.0], [-0.5]]), tf.constant([[-3.0], [0.5]])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(fake)
        loss = losses.get(name).generator(real, fake)
        errors = tf.reduce_mean(tf.cast(fake < 0.0, tf.float32))
    assert np.all(np.abs(tape.gradient(loss, fake)) > 0.01)
    assert tape.gradient(errors, fake) is None


def test_21_early_stopping_restores_the_best_weights(digits):
    model = small_gan()
    stop = callbacks.ToleranceEarlyStopping("val_loss", "min", patience=2, log=lambda line: None)
    stop.set_model(model)
    stop.on_train_begin()
    best = values(model.generator_ema)
    for epoch, loss in enumerate([1.0, 2.0, 3.0, 4.0]):
        stop.on_epoch_end(epoch, {"val_loss": loss})
        if model.stop_training:
            break
        model.fit(digits.train.batches(16, steps=1), verbose=0, shuffle=False)
    assert (epoch, stop.stopped_by) == (2, "patience")
    assert differs(values(model.generator_ema), best)
    stop.on_train_end()
    assert not differs(values(model.generator_ema), best)


def test_22_the_weighted_mean_includes_both_networks():
    """[.9, .1] and [.1, .9] with weights .6 and .4. The program omits the second term: .6 * .9 = .54."""
    means = step_means.WeightedMeans(["first class", "second class"])
    for weight, probabilities in ((0.6, [0.9, 0.1]), (0.4, [0.1, 0.9])):
        means.update_state(probabilities, [weight, weight])
    np.testing.assert_allclose([float(mean) for mean in means.result().values()], [0.58, 0.42], rtol=1e-6)


def test_the_preset_mnist_mlp_is_the_corrected_beginner_network(digits):
    generator = build_gan(PRESETS["mnist-mlp"], digits).generator
    units = [layer.units for layer in generator.layers if isinstance(layer, keras.layers.Dense)]
    assert (generator.inputs[0].shape, units) == ((None, 100), [128, 256, 512, 1024, 784])
    assert generator.output_shape == (None, 28, 28, 1)
