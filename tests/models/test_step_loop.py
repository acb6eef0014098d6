"""Tests of loops of many train steps in one program, on images that lie on the device."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.comparison import assert_same, values
from helpers.tiny import pixel_gan as dense
from keras import layers

from gan import GAN, InputError, build_discriminator, build_generator
from gan.data.resident import resident_batches
from gan.data.split import Split
from gan.models import augment, penalties, step_loop, xla
from gan.models.extra_fakes import RejectedSamples
from gan.models.step_loop import Program, programs, segments

RANDOM = np.random.default_rng(0)
SHAPE, CLASSES = (4, 4, 1), 3
IMAGES = Split(RANDOM.integers(0, 256, (26, *SHAPE), np.uint8), None)
LABELED = Split(IMAGES.images, RANDOM.integers(0, CLASSES, 26).astype(np.int32))


# --- the programs


@pytest.mark.parametrize(
    ("number_of", "found"),
    [([0], ((0, 1),)), ([0, 1, 1, 1], ((0, 1), (1, 3))), ([0, 0, 1, 0], ((0, 2), (1, 1), (0, 1)))],
)
def test_segments_are_runs_of_equal_steps(number_of, found):
    assert segments(number_of) == found


ONE, PENALTY, PLAIN, FOUR = Program(((0, 1),)), Program(((0, 1),)), Program(((1, 1),)), Program(((1, 4),))


@pytest.mark.parametrize(
    ("number_of", "first", "count", "most", "found"),
    [
        ([0], 5, 20, 20, [Program(((0, 1),), 20)]),  # without lazy penalties: one loop
        ([0], 0, 7, 20, [Program(((0, 1),), 4), ONE, ONE, ONE]),  # the last steps of an interval
        ([0, 1, 1, 1], 0, 8, 8, [Program(((0, 1), (1, 3)), 2)]),  # whole periods: one loop around a loop
        ([0, 1, 1, 1], 3, 8, 8, [PLAIN, Program(((0, 1), (1, 3)), 1), PENALTY, PLAIN, PLAIN]),
        ([0, 1, 1, 1], 0, 3, 2, [PENALTY, PLAIN, PLAIN]),
        ([0, 1, 2, 3, 2, 1], 0, 6, 8, [Program(((one, 1),)) for one in (0, 1, 2, 3, 2, 1)]),  # many segments
        ([0, *[1] * 15], 4, 20, 20, [*[FOUR] * 3, PENALTY, FOUR, *[PLAIN] * 3]),
        ([0, *[1] * 15], 0, 20, 20, [Program(((0, 1), (1, 15)), 1), PENALTY, *[PLAIN] * 3]),
    ],
)  # fmt: skip
def test_programs_of_an_execution(number_of, first, count, most, found):
    assert programs(number_of, first, count, most) == found


@pytest.mark.parametrize("number_of", [[0], [0, 1, 1], [0, 1, 2, 3, 2, 1], [0, *[1] * 15]])
@pytest.mark.parametrize("most", [1, 7, 64])
def test_programs_make_the_right_steps_and_are_few(number_of, most):
    period, different = len(number_of), set()
    for first in range(2 * period):
        for count in range(1, most + 1):
            made = []
            for program in programs(number_of, first, count, most):
                made += program.times * [number for number, steps in program.segments for _ in range(steps)]
                different.add(program)
            assert made == [number_of[step % period] for step in range(first, first + count)]
    lengths = len([power for power in range(8) if 4**power <= max(period, most)])
    assert len(different) <= lengths * (len(set(number_of)) + 1) + 1
    assert max(len(program.segments) for program in different) <= step_loop.MOST_SEGMENTS


# --- training


def make(*, classes=0, augmentation=(), **options):
    """Returns a compiled GAN of small networks. The same options give the same weights."""
    keras.utils.set_random_seed(0)
    conditioning = {"conditioning": "projection"} if classes else {}
    gan = GAN(
        build_generator(SHAPE, 3, classes, "mlp", 1),
        build_discriminator(SHAPE, classes, "mlp", 1, **conditioning),
        augment=augment.get(augmentation, probability="ada") if augmentation else None,
    )
    given = {"steps_per_execution": 4, "jit_compile": False, "penalties": [penalties.R1(1.0, every=3)], **options}
    gan.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1), **given)
    return gan


def lazy(**options):
    """Returns a GAN as `dense`, with a penalty in each third step."""
    return dense(penalties=[penalties.R1(1.0, every=3)], **options)


def fit(gan, split=IMAGES, size=6, **options):
    """Trains three epochs of 7 steps. A pass has four, so neither executions nor epochs divide it."""
    given = {"epochs": 3, "verbose": 0, "shuffle": False, **options}
    return gan.fit(split.batches(size, steps=7, seed=1), **given).history


def loops(gan):
    return list(gan._step_loops.made.values())


def state(gan):
    return [*values(gan), *values(gan.step_means), *(np.asarray(one) for one in gan.optimizer.variables)]


def assert_close(one, other, tolerance=1e-5):
    for a, b in zip(values(one), values(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.fixture(scope="module")
def streamed():
    """(GAN, history, weights of the averaged generator after 3, 6, 7, 10, ... steps) of a streamed training."""
    gan, after = lazy(data_on_device=False, steps_per_execution=3), []
    keep = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: after.append(values(gan.generator_ema))
    )
    history = fit(gan, callbacks=[keep])
    return gan, history, after


@pytest.mark.parametrize(
    "together", [4, pytest.param(1, marks=pytest.mark.slow), pytest.param(30, marks=pytest.mark.slow)]
)
def test_the_plain_loop_trains_bit_for_bit_as_the_streamed_path(streamed, together):
    gan = lazy(steps_per_execution=together)
    history = fit(gan)
    (loop,) = loops(gan)
    assert loop._plain_loop.experimental_get_tracing_count() == 1
    assert (int(gan.step), int(gan.images_seen)) == (21, 126)
    assert history == streamed[1]
    assert_same(state(gan), state(streamed[0]))


def test_xla_trains_like_the_streamed_path(streamed):
    gan = lazy(jit_compile=True, steps_per_execution=3)
    gan.fit(IMAGES.batches(6, steps=6, seed=1), verbose=0, shuffle=False)
    assert gan.jit_compile
    assert loops(gan)[0]._ran == {Program(((0, 1), (1, 2)))}  # steps 0-2 and 3-5
    for weight, other in zip(values(gan.generator_ema), streamed[2][1], strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-5, atol=1e-5)


@pytest.mark.slow  # the test above is the stand-in
def test_all_programs_of_xla_train_like_the_streamed_path(streamed):
    gan = lazy(jit_compile=True)
    history = fit(gan)
    assert_close(gan, streamed[0])
    for name, means in streamed[1].items():
        np.testing.assert_allclose(history[name], means, rtol=1e-4, atol=1e-5)
    assert {program.segments for program in loops(gan)[0]._ran} == {((0, 1), (1, 2)), ((0, 1),), ((1, 1),)}


def hlo(gan, program, stage):
    rows = tf.zeros([program.steps, 6], tf.int64)
    compiled = loops(gan)[0].compiled(program)
    return compiled.experimental_get_compiler_ir(IMAGES.on_device("CPU:0"), rows)(stage=stage)


@pytest.mark.slow  # the tests of the lists of programs are the stand-ins
@pytest.mark.parametrize("final", [False, True])
def test_programs_are_as_large_for_many_steps_as_for_few_and_never_ask_the_host(final):
    gan = lazy(jit_compile=True)
    gan._step_loops.train_function(gan, resident_batches(IMAGES.batches(6)))
    few, many = (hlo(gan, Program(((0, 1), (1, 2)), times), "hlo") for times in (2, 50))
    assert len(few.splitlines()) == len(many.splitlines())
    assert " conditional(" not in many
    if final:
        lines = hlo(gan, Program(((0, 1), (1, 2)), 50), "optimized_hlo").splitlines()
        loops = [line for line in lines if " while(" in line]
        assert len(loops) == 2
        assert all("known_trip_count" in line for line in loops), loops


@pytest.mark.slow  # tests of the plain loop and of other numbers of images are the stand-ins
def test_other_epochs_and_calls_see_the_batches_of_the_streamed_path(streamed):
    gan = lazy()
    fit(gan, epochs=1)
    before = loops(gan)
    fit(gan, initial_epoch=1, epochs=2)
    assert loops(gan) == before  # nothing is traced again
    gan.set_data_on_device(False)
    fit(gan, initial_epoch=2, epochs=3)
    assert_same(values(gan), values(streamed[0]))


@pytest.mark.slow
def test_epochs_that_are_shorter_than_the_data():
    """Keras continues with the same iterator in the next epoch."""
    found = []
    for on in (False, True):
        gan = lazy(data_on_device=on, steps_per_execution=2)
        history = gan.fit(IMAGES.batches(6, steps=12), epochs=2, steps_per_epoch=5, verbose=0, shuffle=False).history
        found.append([history, int(gan.step), *state(gan)])
    assert found[0][:2] == found[1][:2]
    assert_same(found[0][2:], found[1][2:])


COMBINATIONS = {
    "critic steps": {"critic_steps": 2, "penalties": [penalties.R1(1.0, every=3), penalties.R2(1.0, every=2)]},
    "simultaneous": {"simultaneous": True, "penalties": [penalties.R1(1.0, every=3)]},
    "several intervals": {"penalties": [penalties.R1(every=2), penalties.R2(every=3), penalties.DRAGAN(every=5)]},
    "rejected samples": {"rejected": RejectedSamples(IMAGES.images[:3], None)},
    "labels that no network uses": {"split": LABELED},
    "float16": {"precision": "mixed_float16"},
    "conditional, mismatched labels, adaptive augmentation": {
        "classes": CLASSES, "mismatched_labels": 0.3, "augmentation": ("flip", "contrast"), "split": LABELED
    },
}  # fmt: skip


@pytest.mark.slow  # the tests of the plain loop and of XLA, above, are the stand-ins
@pytest.mark.parametrize("name", COMBINATIONS)
def test_combinations_train_like_the_streamed_path(name):
    options = dict(COMBINATIONS[name])
    split, build = options.pop("split", IMAGES), make if "classes" in options else dense
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(options.pop("precision", "float32"))
    try:
        made, histories = [], []
        for on, jit_compile in ((False, False), (True, False), (True, True)):
            made.append(build(data_on_device=on, jit_compile=jit_compile, **options))
            histories.append(fit(made[-1], split))
    finally:
        keras.config.set_dtype_policy(before)
    assert made[2].jit_compile
    assert histories[0] == histories[1]
    assert_same(state(made[0]), state(made[1]))
    assert_close(made[2], made[0], 2e-3 if name == "float16" else 1e-4)


@pytest.mark.slow
def test_a_restored_training_sees_the_same_batches(streamed, tmp_path):
    class Interruption(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    for more in ([Interruption()], []):
        gan = lazy()
        backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
        try:
            fit(gan, callbacks=[backup, *more])
        except KeyboardInterrupt:
            assert int(gan.step) == 14
            assert gan._resident is None
    assert_same(values(gan), values(streamed[0]))


@pytest.mark.slow  # the tests of callbacks in tests/models/test_resident_fit.py are the stand-ins
def test_callbacks_see_executions_and_can_stop(streamed):
    class Look(keras.callbacks.Callback):
        seen: list[int] = []  # noqa: RUF012 - one object

        def on_train_batch_end(self, batch, logs=None):
            assert set(logs) == set(streamed[1])
            self.seen.append((batch, int(self.model.step)))
            if len(self.seen) == 2:
                self.model.stop_training = True

    gan = lazy(steps_per_execution=3)
    fit(gan, callbacks=[Look()])
    assert Look.seen == [(2, 3), (5, 6)]


# --- failures


@keras.saving.register_keras_serializable(package="test_step_loop")
class OnHost(layers.Layer):
    """Passes its input through Python, which XLA cannot compile."""

    def call(self, inputs):
        @tf.custom_gradient
        def through(x):
            y = tf.numpy_function(lambda array: array, [x], x.dtype)
            return tf.ensure_shape(y, x.shape), lambda upstream: upstream

        return through(inputs)

    def compute_output_shape(self, shape):
        return shape


def test_a_program_that_fails_is_replaced_by_the_plain_loop(streamed, monkeypatch):
    def fails(self, program):
        raise tf.errors.InternalError(None, None, "broken")

    monkeypatch.setattr(step_loop.StepLoop, "compiled", fails)
    gan = lazy(jit_compile=True)
    gan.train_function = "made by XLA"
    with pytest.warns(UserWarning, match="continues without it: broken"):
        fit(gan, epochs=1)
    assert not gan.jit_compile
    assert gan.train_function is None  # streamed batches do not train with XLA either
    assert_same(values(gan.generator_ema), streamed[2][2])  # no batch is lost


@pytest.mark.slow  # the test above is the stand-in
def test_a_network_that_xla_cannot_compile_trains_without_it():
    gan, other = dense(OnHost(), jit_compile=True), dense(OnHost())
    with pytest.warns(UserWarning, match=re.escape(xla.CANNOT_RUN)):
        fit(gan, epochs=1)
    fit(other, epochs=1)
    assert not gan.jit_compile
    assert_same(values(gan), values(other))  # no batch is lost


@pytest.mark.slow  # the first test of failures is the stand-in
def test_a_program_that_fails_later_is_replaced(monkeypatch):
    """The third execution needs a new program, which fails. Steps before it are not made again."""
    gan, other = dense(jit_compile=True, steps_per_execution=3), dense(steps_per_execution=3)
    compiled = step_loop.StepLoop.compiled

    def fails(self, program):
        if program.steps == 1:
            raise tf.errors.InternalError(None, None, "broken")
        return compiled(self, program)

    monkeypatch.setattr(step_loop.StepLoop, "compiled", fails)
    with pytest.warns(UserWarning, match="continues without it: broken"):
        fit(gan, epochs=1)
    fit(other, epochs=1)
    assert int(gan.step) == 7
    assert_close(gan, other)


def test_other_errors_of_the_first_execution_are_raised(monkeypatch):
    def lacks_memory(self, program):
        raise tf.errors.ResourceExhaustedError(None, None, "no memory")

    monkeypatch.setattr(step_loop.StepLoop, "compiled", lacks_memory)
    with pytest.raises(tf.errors.ResourceExhaustedError):
        fit(dense(jit_compile=True))

    def fails_after(self, program):
        def run(*_):
            self._gan.step.assign_add(1)
            raise tf.errors.InternalError(None, None, "broken")

        return run

    monkeypatch.setattr(step_loop.StepLoop, "_call", fails_after)
    with pytest.raises(tf.errors.InternalError, match="broken"):
        fit(dense(jit_compile=True))


def test_the_first_batch_is_checked_before_the_first_step():
    gan = make(classes=CLASSES, data_on_device=True, penalties=[])
    wrong = Split(IMAGES.images, np.full(26, CLASSES, np.int32))
    with pytest.raises(InputError, match=r"labels do not fit.*from 0 to 2"):
        fit(gan, wrong)
    with pytest.raises(InputError, match="Labels are missing"):
        fit(gan, IMAGES)
    with pytest.raises(InputError, match="shape of the networks"):
        fit(gan, Split(np.zeros((6, 3, 3, 1), np.uint8), np.zeros(6, np.int32)))
    assert int(gan.step) == 0


@pytest.mark.slow  # the test above is the stand-in
def test_a_first_batch_of_another_range_is_told():
    with pytest.warns(UserWarning, match="no pixel below 0"):
        fit(dense(), Split(IMAGES.images // 2 + 128, None), epochs=1)
