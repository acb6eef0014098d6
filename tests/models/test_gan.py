"""Tests of the `GAN` model: updates, counters, logs, evaluation, saving and errors."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import tiny
from helpers.commands import ROOT
from helpers.comparison import assert_same, differs, values

from gan import GAN, build_discriminator, build_generator, generate
from gan.config import TrainConfig
from gan.data.dataset import Dataset
from gan.data.split import Split
from gan.errors import InputError
from gan.models import losses, penalties, random
from gan.models.build import build_gan, compile_gan
from gan.models.optimizers import Adam

SHAPE = (8, 8, 1)


def small_gan(classes=10, **options):
    return tiny.small_gan(classes, shape=SHAPE, **options)


@pytest.fixture(scope="module")
def split():
    rng = np.random.default_rng(0)
    return Split(rng.integers(0, 256, (64, *SHAPE)).astype(np.uint8), rng.integers(0, 10, 64).astype(np.int32))


@pytest.fixture
def batch(split):
    return next(iter(split.batches(16)))


def all_values(gan):
    return values(gan.generator) + values(gan.discriminator) + values(gan.generator_ema)


def test_a_discriminator_update_does_not_change_the_generator_or_its_average(batch):
    gan = small_gan()
    real, labels = batch
    fake = gan.generator([tf.ones((16, 8)), labels], training=False)
    g, ema, d, adam = (
        values(gan.generator),
        values(gan.generator_ema),
        values(gan.discriminator),
        values(gan.g_optimizer),
    )
    gan.update_discriminator(real, fake, labels)
    assert_same(values(gan.generator), g)
    assert_same(values(gan.generator_ema), ema)
    assert_same(values(gan.g_optimizer), adam)
    assert all(not np.array_equal(a, b) for a, b in zip(values(gan.discriminator), d) if a.ndim > 1)


def test_a_generator_update_does_not_change_the_discriminator_or_the_average(batch):
    gan = small_gan()
    real, labels = batch
    d, ema, g, adam = (
        values(gan.discriminator),
        values(gan.generator_ema),
        values(gan.generator),
        values(gan.d_optimizer),
    )
    with tf.GradientTape() as tape:
        fake = gan.generator([tf.ones((16, 8)) * tf.range(16.0)[:, None], labels], training=True)
    gan.update_generator(tape, real, fake, labels, None)
    assert_same(values(gan.discriminator), d)
    assert_same(values(gan.generator_ema), ema)
    assert_same(values(gan.d_optimizer), adam)
    assert differs(values(gan.generator), g)


def test_a_generator_update_raises_the_logits_of_its_samples(batch):
    gan = small_gan()
    real, labels = batch
    latents = tf.random.stateless_normal((16, 8), (0, 0))

    def mean_logit():
        return float(tf.reduce_mean(gan.discriminator([gan.generator([latents, labels], training=True), labels])))

    before = mean_logit()
    for _ in range(3):
        with tf.GradientTape() as tape:
            fake = gan.generator([latents, labels], training=True)
        gan.update_generator(tape, real, fake, labels, None)
    assert mean_logit() > before


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("loss", ["non_saturating", "relativistic"])
def test_simultaneous_updates_use_the_gradients_before_the_step(batch, loss):
    real, labels = batch
    rate = 0.1

    def make_gan(**options):
        gan = small_gan(loss=loss, **options)
        gan.compile(keras.optimizers.SGD(rate), keras.optimizers.SGD(rate), loss=loss, penalties=["r1"], **options)
        return gan

    untouched, together, alternating = make_gan(), make_gan(simultaneous=True), make_gan()
    latents = random.training_latents(0, 0, 0, (16, 8))
    with tf.GradientTape(persistent=True) as tape:
        fake = untouched.generator([latents, labels], training=True)
        logits = [untouched.discriminator([images, labels], training=True) for images in (real, fake)]
        g_loss = tf.reduce_mean(untouched.adversarial_loss.generator(*logits))
    expected = tape.gradient(g_loss, [v.value for v in untouched.generator.trainable_variables])
    before = [v.numpy() for v in untouched.generator.trainable_variables]
    for gan in (together, alternating):
        gan.train_step(batch)
    for start, gradient, variable in zip(before, expected, together.generator.trainable_variables):
        np.testing.assert_allclose(variable.numpy() - start, -rate * tf.convert_to_tensor(gradient).numpy(), atol=1e-8)
    for one, other in zip(values(together.discriminator), values(alternating.discriminator)):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-8)
    assert differs(values(together.generator), values(alternating.generator))


def test_discriminator_updates_separate_reals_from_fakes(batch):
    gan = small_gan(penalties=())
    real, labels = batch
    fake = gan.generator([tf.random.stateless_normal((16, 8), (0, 0)), labels], training=False)
    update = tf.function(gan.update_discriminator)
    for _ in range(100):
        logs, _ = update(real, fake, labels)
    assert logs["real_score"][0] > logs["fake_score"][0]
    assert logs["real_accuracy"][0] == logs["fake_accuracy"][0] == 1.0


def test_trains_on_points_in_the_plane():
    layers = keras.layers
    generator = keras.Sequential([keras.Input((3,)), layers.Dense(4, "relu"), layers.Dense(2)])
    gan = GAN(generator, keras.Sequential([keras.Input((2,)), layers.Dense(4, "relu"), layers.Dense(1)]))
    gan.compile(keras.optimizers.Adam(), keras.optimizers.Adam(), penalties=["r1", "r2", "wgan_gp", "dragan"])
    points = tf.data.Dataset.from_tensor_slices(np.random.default_rng(0).normal(size=(4, 8, 2)).astype(np.float32))
    history = gan.fit(points, shuffle=False, verbose=0).history
    assert all(np.isfinite(value).all() for value in history.values())
    assert generate(gan.generator_ema, 5).shape == (5, 2)


def test_the_average_has_its_half_life_and_includes_batch_statistics(split):
    gan = small_gan()
    gan.ema_half_life = 16.0  # the half-life is one batch, so each step moves the average halfway
    before, batches = values(gan.generator_ema), split.batches(16, steps=1)
    gan.fit(batches, verbose=0, shuffle=False)
    for average, old, new in zip(values(gan.generator_ema), before, values(gan.generator)):
        np.testing.assert_allclose(average, (old + new) / 2, atol=1e-6)
    statistics = [v for v in gan.generator_ema.non_trainable_variables if "moving" in v.path]
    assert statistics
    assert all(np.any(v.numpy() != (0 if "mean" in v.path else 1)) for v in statistics)


@pytest.mark.usefixtures("float64")
def test_steps_per_execution_does_not_change_the_result(split):
    ends = []
    for steps_per_execution in (1, 4, 5):
        gan = small_gan(steps_per_execution=steps_per_execution)
        history = gan.fit(split.batches(8, steps=8), verbose=0, shuffle=False).history
        ends.append((all_values(gan), history))
    for end, history in ends[1:]:
        for a, b in zip(ends[0][0], end):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-7)
        assert history.keys() == ends[0][1].keys()
        for name, value in history.items():
            np.testing.assert_allclose(value, ends[0][1][name], rtol=1e-5, atol=1e-6)


def test_the_log_contains_means_over_the_epoch_and_lazy_penalties_over_their_steps(split):
    class Ones(penalties.Penalty):
        name = "ones"

        def __call__(self, critic, real, fake, key=None):
            return tf.ones(tf.shape(real)[0])

        def get_config(self):
            return {}

    gan = small_gan(penalties=[Ones(every=3)])
    history = gan.fit(split.batches(8, steps=7), verbose=0, shuffle=False).history
    assert set(history) == {
        "g_loss", "d_loss", "real_score", "fake_score", "real_accuracy", "fake_accuracy", "ones",
    }  # fmt: skip
    assert history["ones"] == [1.0]
    assert 0.2 < history["d_loss"][0] < 3.0


def test_a_lazy_penalty_is_scaled_by_every(split):
    """In one step of SGD, R1 with every=16 changes D like a 16 times stronger R1 with every=1."""
    moved = []
    for r1 in (penalties.R1(0.1, every=16), penalties.R1(1.6, every=1)):
        gan = small_gan()
        gan.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1), penalties=[r1])
        gan.fit(split.batches(16, steps=1), verbose=0, shuffle=False)
        moved.append(values(gan.discriminator))
    for a, b in zip(*moved):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_critic_steps_update_the_discriminator_more_often_on_new_reals(split):
    gan = small_gan(critic_steps=3)
    gan.fit(split.batches(24, steps=2), verbose=0, shuffle=False)
    assert int(gan.d_optimizer.iterations) == 6
    assert int(gan.step) == int(gan.g_optimizer.iterations) == 2
    assert int(gan.images_seen) == 48


def test_the_step_counter_does_not_depend_on_the_optimizers(split):
    """All random numbers of a step depend on `step` only, so the iteration count of SGD does not matter."""
    moved = []
    for start in (0, 100):
        gan = small_gan()
        gan.compile(
            keras.optimizers.SGD(0.1),
            keras.optimizers.SGD(0.1),
            penalties=[penalties.R1(every=2)],
            critic_steps=2,
            mismatched_labels=0.25,
        )
        for optimizer in (gan.g_optimizer, gan.d_optimizer):
            optimizer.iterations.assign(start)
        gan.fit(split.batches(16, steps=3), verbose=0, shuffle=False)
        assert (int(gan.step), int(gan.images_seen), int(gan.g_optimizer.iterations)) == (3, 48, start + 3)
        moved.append(all_values(gan))
    assert_same(*moved)


def test_another_step_gives_other_random_numbers(split):
    moved = []
    for start in (0, 1):
        gan = small_gan()
        gan.step.assign(start)
        gan.fit(split.batches(8, steps=1), verbose=0, shuffle=False)
        moved.append(all_values(gan))
    assert differs(*moved)


def test_a_relativistic_loss_gets_the_logits_of_reals_after_the_update(batch):
    seen = []

    class Relativistic(losses.AdversarialLoss):
        relativistic = True

        def discriminator(self, real_logits, fake_logits):
            return tf.nn.softplus(fake_logits - real_logits)

        def generator(self, real_logits, fake_logits):
            seen.append(real_logits.numpy())
            return tf.nn.softplus(real_logits - fake_logits)

    gan = small_gan(loss=Relativistic(), run_eagerly=True, penalties=())
    gan.train_step(batch)
    expected = gan.discriminator(list(batch), training=True)
    np.testing.assert_allclose(seen[0], expected, atol=1e-6)


def test_a_discriminator_with_batch_statistics_gets_reals_and_fakes_separately(batch):
    seen = []

    class Spy(keras.layers.Layer):
        def call(self, x):
            seen.append(x.shape[0])
            return x

    inputs = keras.Input(SHAPE)
    x = keras.layers.BatchNormalization()(Spy()(inputs))
    discriminator = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Flatten()(x)))
    gan = GAN(build_generator(SHAPE, 8, width=4), discriminator)
    for simultaneous, expected in ((False, [16, 16, 16]), (True, [16, 16])):
        gan.compile("sgd", "sgd", penalties=(), run_eagerly=True, simultaneous=simultaneous)
        seen.clear()
        gan.train_step(batch[0])
        assert seen == expected


def test_call_is_the_combined_model(batch):
    gan, latents, labels = small_gan(), tf.ones((16, 8)), batch[1]
    samples = gan.generator([latents, labels], training=False)
    np.testing.assert_allclose(gan(latents, labels), gan.discriminator([samples, labels]), atol=1e-6)


def test_evaluate_uses_the_averaged_generator_and_the_same_latents(split):
    class Seen(keras.metrics.Metric):
        def __init__(self):
            super().__init__(name="seen")
            self.count = self.add_variable((), initializer="zeros", name="count")
            self.sum = self.add_variable((), initializer="zeros", name="sum")

        def update_state(self, real, fake, labels=None):
            self.count.assign_add(tf.cast(tf.shape(real)[0], tf.float32))
            self.sum.assign_add(tf.reduce_sum(fake) + 0.0 * tf.cast(tf.reduce_sum(labels), tf.float32))

        def result(self):
            return {"seen": self.count, "brightness": self.sum}

    gan = small_gan(metrics=[Seen()])
    first = gan.evaluate(split.batches(16), verbose=0, return_dict=True)
    assert first["seen"] == 64
    assert gan.evaluate(split.batches(16), verbose=0, return_dict=True) == first
    history = gan.fit(
        split.batches(16, steps=2), validation_data=split.batches(16), validation_freq=1, verbose=0, shuffle=False
    ).history
    assert history["val_seen"] == [64]
    assert history["val_brightness"] != [first["brightness"]]
    assert "seen" not in history
    assert "val_g_loss" not in history


def test_the_defaults_of_a_gan_equal_the_preset_mnist():
    config = TrainConfig()
    images = np.random.default_rng(0).integers(0, 256, (100, *SHAPE)).astype(np.uint8)
    digits = Dataset.from_arrays(images, np.tile(np.arange(10), 10))
    preset = build_gan(config, digits)
    compile_gan(preset, config, total_steps=10)
    gan = GAN(build_generator(SHAPE, config.model.latent_dim, 10), build_discriminator(SHAPE, 10))
    gan.compile(Adam(3e-3, beta_1=0.0, beta_2=0.99), Adam(1.5e-3, beta_1=0.0, beta_2=0.99))
    for one, other in zip(gan.weights, preset.weights, strict=True):
        assert (one.name, one.shape, one.dtype) == (other.name, other.shape, other.dtype)
    assert (gan.ema_half_life, gan.seed, gan.augment) == (preset.ema_half_life, preset.seed, preset.augment)
    compiled, expected = gan.get_compile_config(), preset.get_compile_config()
    different = ("g_optimizer", "d_optimizer", "steps_per_execution")  # the schedules depend on the length of the run
    assert {name: part for name, part in compiled.items() if name not in different} == {
        name: part for name, part in expected.items() if name not in different
    }
    assert gan.mismatched_labels == 0.08
    unconditional = GAN(build_generator((8, 8, 1), 4, width=4), build_discriminator((8, 8, 1), width=4))
    unconditional.compile("adam", "adam")
    assert unconditional.mismatched_labels == 0.0
    assert [penalty.name for penalty in unconditional.penalties] == ["r1"]


@pytest.mark.usefixtures("float64")
def test_a_loaded_gan_continues_like_the_saved_gan(split, tmp_path):
    gan = small_gan(steps_per_execution=2)
    gan.fit(split.batches(8, steps=4), verbose=0, shuffle=False)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert (int(loaded.step), int(loaded.images_seen)) == (4, 32)
    assert_same(values(loaded), values(gan))
    assert_same(values(loaded.d_optimizer), values(gan.d_optimizer))
    assert loaded.penalties[0].get_config() == gan.penalties[0].get_config()
    assert (loaded.seed, loaded.ema_half_life) == (gan.seed, gan.ema_half_life)
    for model in (gan, loaded):
        model.fit(split.batches(8, steps=4, first_step=4), verbose=0, shuffle=False)
    for a, b in zip(all_values(gan), all_values(loaded)):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-7)


def test_an_uncompiled_gan_is_saved_and_loaded(tmp_path):
    gan = GAN(build_generator((8, 8, 1), 4, width=4), build_discriminator((8, 8, 1), width=4), ema_half_life=7.0)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert not loaded.compiled
    assert loaded.ema_half_life == 7.0
    assert_same(values(loaded), values(gan))


def test_trains_a_generator_with_a_random_layer(batch):
    z = keras.Input((4,), name="latents")
    x = keras.layers.Dropout(0.2)(keras.layers.Dense(64)(z))
    generator = keras.Model(z, keras.layers.Reshape((8, 8, 1))(keras.layers.Activation("tanh")(x)))
    gan = GAN(generator, build_discriminator((8, 8, 1), width=4))
    gan.compile("adam", "adam")
    before = values(gan.generator_ema)
    gan.fit(batch[0][:, :8, :8].numpy(), batch_size=8, verbose=0)
    assert differs(values(gan.generator_ema), before)


@pytest.mark.parametrize("steps_per_execution", [1, 5])
def test_a_nan_loss_stops_before_the_weights_change(split, steps_per_execution):
    class NanInThirdStep(losses.AdversarialLoss):
        def discriminator(self, real_logits, fake_logits):
            third = tf.equal(gan.d_optimizer.iterations, 2)
            return tf.nn.softplus(fake_logits - real_logits) + tf.where(third, float("nan"), 0.0)

        def generator(self, real_logits, fake_logits):
            return tf.nn.softplus(-fake_logits)

    gan = small_gan(loss=NanInThirdStep(), penalties=(), steps_per_execution=steps_per_execution)
    with pytest.raises(tf.errors.InvalidArgumentError, match="d_loss : Tensor had NaN"):
        gan.fit(split.batches(8, steps=5), verbose=0, shuffle=False)
    assert all(np.isfinite(value).all() for value in all_values(gan))
    assert int(gan.step) == int(gan.g_optimizer.iterations) == 2
    assert int(gan.images_seen) == 16
    initial = small_gan(loss=NanInThirdStep(), penalties=())
    assert differs(all_values(gan), all_values(initial))


def test_rejects_evaluation_without_metrics(split):
    with pytest.raises(InputError, match="Nothing to evaluate"):
        small_gan().evaluate(split.batches(16), verbose=0)


def test_rejects_bad_input(batch):
    g, d = build_generator(SHAPE, 4, width=4), build_discriminator(SHAPE, width=4)
    with pytest.raises(InputError, match=r"a discriminator of \(8, 8, 1\) images"):
        GAN(g, build_discriminator((12, 12, 1), width=4))
    with pytest.raises(InputError, match="a discriminator of 0 classes"):
        GAN(g, build_discriminator(SHAPE, 10, width=4))
    with pytest.raises(InputError, match="ema_half_life"):
        GAN(g, d, ema_half_life=0.0)
    gan = GAN(g, d)
    adam = keras.optimizers.Adam()
    with pytest.raises(InputError, match="two optimizers"):
        gan.compile(adam, adam)
    with pytest.raises(InputError, match="critic_steps"):
        gan.compile("adam", "adam", critic_steps=0)
    with pytest.raises(InputError, match="Unknown `loss`"):
        gan.compile("adam", "adam", loss="nonsense")
    with pytest.raises(InputError, match="this GAN is conditional"):
        small_gan(run_eagerly=True).train_step(batch[0])


@pytest.mark.parametrize(("requested", "expected"), [("auto", False), (False, False), (True, True)])
@pytest.mark.parametrize("gpus", [0, 1])
def test_xla_is_off_by_default_also_on_a_gpu(monkeypatch, gpus, requested, expected):
    listed = tf.config.list_physical_devices
    fakes = [tf.config.PhysicalDevice(f"/physical_device:GPU:{number}", "GPU") for number in range(gpus)]
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: fakes if kind == "GPU" else listed(kind))
    gan = small_gan(jit_compile=requested)
    assert gan.jit_compile is expected
    assert gan.get_compile_config()["jit_compile"] == requested


def test_requested_xla_survives_saving_and_loading(tmp_path):
    small_gan(jit_compile=True).save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert (loaded.jit_compile, loaded.get_compile_config()["jit_compile"]) == (True, True)


@pytest.mark.slow  # test_training also compares runs of one seed
def test_two_runs_of_one_seed_are_bit_identical():
    """Uses deterministic kernels, which can only be enabled for a whole process."""
    import subprocess
    import sys

    code = """
import sys; sys.path.insert(0, sys.argv[1])
from helpers.comparison import assert_same, values
from helpers import tiny
from gan import load_dataset, start_tensorflow
start_tensorflow(deterministic=True)
digits, ends = load_dataset("mnist5k"), []
for seed in (0, 0, 1):
    gan = tiny.small_gan(seed=seed, steps_per_execution=4)
    gan.fit(digits.train.batches(32, steps=20, seed=seed), verbose=0, shuffle=False)
    ends.append(values(gan) + values(gan.g_optimizer) + values(gan.d_optimizer))
assert_same(ends[0], ends[1])
assert any((a != b).any() for a, b in zip(ends[0], ends[2]))
"""
    done = subprocess.run([sys.executable, "-c", code, str(ROOT / "tests")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2_000:]


@pytest.mark.parametrize(("size", "received"), [(16, "16 images"), (None, "several sizes")])
def test_rejects_critic_steps_that_do_not_divide_the_batch(split, size, received):
    gan = small_gan(critic_steps=3)
    batches = split.batches(16, steps=2)
    if size is None:
        batches = batches.unbatch().batch(15)
    with pytest.raises(InputError, match=f"cannot be shared evenly by critic_steps=3. .*multiple of 3.*{received}"):
        gan.fit(batches, verbose=0, shuffle=False)


def test_rejects_a_layer_without_a_key_as_augmentation():
    with pytest.raises(InputError, match="augment"):
        GAN(
            build_generator((8, 8, 1), 2, width=2), build_discriminator((8, 8, 1), width=2), augment=keras.layers.ReLU()
        )
