"""Tests of train functions that XLA compiles."""

import re
import time
import warnings
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.tiny import dense_gan

from gan.models import penalties, xla

POINTS = np.random.default_rng(0).normal(size=(48, 2)).astype(np.float32)


def lazy(*every):
    return [SimpleNamespace(every=one) for one in every]


@pytest.mark.parametrize(
    ("every", "critic_steps", "number_of", "like"),
    [
        ((), 1, [0], [0]),
        ((1,), 1, [0], [0]),
        ((4,), 1, [0, 1, 1, 1], [0, 1]),
        ((4,), 2, [0, 1], [0, 1]),  # updates 0, 1 and 2, 3
        ((2,), 2, [0], [0]),  # in each step, the penalty is due in the first of two updates
        ((3,), 2, [0, 1, 2], [0, 1, 2]),  # updates 0 and 3, so the first, the second and no update
        ((2, 3), 1, [0, 1, 2, 3, 2, 1], [0, 1, 2, 3]),
        ((2, 3, 5), 1, [0], [None]),  # more than `MOST_PROGRAMS` patterns
    ],
)
def test_steps_with_the_same_due_penalties_share_a_program(every, critic_steps, number_of, like):
    assert xla.patterns(lazy(*every), critic_steps) == (number_of, like)


@pytest.mark.parametrize("every", [(16,), (4, 6), (1, 7)])
@pytest.mark.parametrize("critic_steps", [1, 3])
def test_a_program_has_exactly_the_penalties_that_are_due(every, critic_steps):
    number_of, like = xla.patterns(lazy(*every), critic_steps)
    for step in range(3 * len(number_of)):
        same = like[number_of[step % len(number_of)]]
        for update in range(critic_steps):
            numbers = step * critic_steps + update, same * critic_steps + update
            assert [numbers[0] % one == 0 for one in every] == [numbers[1] % one == 0 for one in every]


def trained(steps, *, first=None, batch=8, **options):
    """Returns a GAN of points after some steps, and after the steps of `first`, options for an earlier `fit`."""
    keras.utils.set_random_seed(0)
    gan = dense_gan(penalties=[penalties.R1(1.0, every=3)], **options)
    if first is not None:
        gan.jit_compile = first.pop("jit_compile")
        gan.fit(batches(batch, **first), shuffle=False, verbose=0)
        gan.jit_compile = options["jit_compile"]
        gan.make_train_function(force=True)
    begin = int(gan.step)
    gan.fit(batches(batch, begin, steps), shuffle=False, verbose=0)
    assert int(gan.step) == steps
    return gan


def batches(size, begin=0, end=6):
    rows = [POINTS[size * (number % 6) : size * (number % 6 + 1)] for number in range(begin, end)]
    return tf.data.Dataset.from_tensor_slices(np.stack(rows))


def assert_same_weights(one, other, tolerance=1e-5):
    for a, b in zip(one.weights, other.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=a.path)


@pytest.fixture(scope="module")
def plain():
    return trained(6)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="steps", marks=pytest.mark.slow),
        pytest.param({"steps_per_execution": 4}, id="executions"),
        pytest.param({"first": {"end": 3, "jit_compile": False}}, id="resumed"),
    ],
)
def test_xla_trains_like_the_plain_graph(plain, options):
    gan = trained(6, jit_compile=True, **options)
    assert gan.jit_compile
    assert_same_weights(gan, plain)
    for name, mean in plain.get_metrics_result().items():
        if "first" not in options:  # the means are those of one call of `fit`
            np.testing.assert_allclose(gan.get_metrics_result()[name], mean, rtol=1e-4, atol=1e-5)


@pytest.mark.slow  # the test of the plain step, above, is the stand-in
@pytest.mark.parametrize(
    "options",
    [{"critic_steps": 2}, {"simultaneous": True}],
    ids=["critic steps", "simultaneous"],
)
def test_programs_of_several_updates_train_like_the_plain_graph(options):
    def run(**more):
        keras.utils.set_random_seed(0)
        gan = dense_gan(penalties=[penalties.R1(1.0, every=3)], **options, **more)
        gan.fit(batches(8), shuffle=False, verbose=0)
        return gan

    assert_same_weights(run(jit_compile=True), run())


def test_a_single_program_trains_like_several(monkeypatch, plain):
    monkeypatch.setattr(xla, "MOST_PROGRAMS", 1)
    assert_same_weights(trained(6, jit_compile=True), plain)


@pytest.mark.slow  # "resumed" above is the other direction
def test_a_plain_run_continues_a_run_with_xla(plain):
    assert_same_weights(trained(6, jit_compile=False, first={"end": 3, "jit_compile": True}), plain)


def hlo(step, batch):
    return step.experimental_get_compiler_ir(batch)(stage="hlo")


def test_programs_contain_no_conditional(monkeypatch):
    gan = dense_gan(penalties=[penalties.R1(1.0, every=3)], jit_compile=True)
    batch, made = tf.constant(POINTS[:8]), []
    compiled = tf.function

    def record(function, **options):
        made.append(compiled(function, **options))
        return made[-1]

    monkeypatch.setattr(tf, "function", record)
    xla.programs(gan)
    assert len(made) == 2
    with_penalty, without = (hlo(program, batch) for program in made)
    assert " conditional(" not in with_penalty
    assert " conditional(" not in without
    assert len(re.findall(r" dot\(", with_penalty)) > len(re.findall(r" dot\(", without))

    made.clear()
    monkeypatch.setattr(xla, "MOST_PROGRAMS", 1)
    xla.programs(gan)
    assert [" conditional(" in hlo(program, batch) for program in made] == [True]


# --- the first execution


@keras.saving.register_keras_serializable(package="test_xla")
class OnHost(keras.layers.Layer):
    """Passes its input through Python, which XLA cannot compile."""

    def call(self, inputs):
        @tf.custom_gradient
        def through(x):
            y = tf.numpy_function(lambda array: array, [x], x.dtype)
            return tf.ensure_shape(y, x.shape), lambda upstream: upstream

        return through(inputs)

    def compute_output_shape(self, shape):
        return shape


@pytest.mark.parametrize("data", ["dataset", "arrays", pytest.param("iterator", marks=pytest.mark.slow)])
def test_a_network_that_xla_cannot_compile_trains_without_it(data):
    def run(jit_compile):
        keras.utils.set_random_seed(0)
        gan = dense_gan(generator=[OnHost()], jit_compile=jit_compile, steps_per_execution=2)
        given = {"dataset": batches(8), "iterator": iter(list(batches(8))), "arrays": POINTS}[data]
        options = {"iterator": {"steps_per_epoch": 6}, "arrays": {"batch_size": 8}}.get(data, {})
        gan.fit(given, shuffle=False, verbose=0, **options)
        return gan

    with pytest.warns(UserWarning, match="XLA cannot run this train step, so training continues without it: ") as told:
        gan = run(jit_compile=True)
    assert "\n" not in str(told[0].message)
    assert not gan.jit_compile
    assert int(gan.step) == 6
    assert_same_weights(gan, run(jit_compile=False), tolerance=0)  # no batch is lost


@pytest.mark.parametrize("done", [1, pytest.param(0, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_the_steps_of_an_execution_that_xla_did_not_make_are_made_without_it(done):
    """Each program is compiled in its first step, which may be in the middle of an execution."""

    def run(broken):
        keras.utils.set_random_seed(0)
        gan = dense_gan(steps_per_execution=3)
        gan.make_train_function()
        plain = gan.train_function

        def fails(iterator):
            for _ in range(done):
                plain(iter(tf.data.Dataset.from_tensors(next(iterator))))
            raise tf.errors.InternalError(None, None, "broken")

        iterator = iter(batches(8))
        if broken:
            with pytest.warns(UserWarning, match="continues without it: broken"):
                xla.FirstExecution(gan, fails)(iterator)
        else:
            gan.train_function(iterator)
        assert int(gan.step) == 3
        np.testing.assert_array_equal(next(iterator), POINTS[24:32])
        return gan

    assert_same_weights(run(broken=True), run(broken=False), tolerance=0)


def test_the_plain_graph_stays_after_saving(tmp_path):
    gan = dense_gan(jit_compile=True)
    gan.give_up_xla()
    gan.save(tmp_path / "gan.keras")
    assert keras.saving.load_model(tmp_path / "gan.keras").jit_compile is False


def test_an_evaluation_and_a_prediction_use_the_plain_graph():
    """They are not part of the self-test of XLA."""
    metric = keras.metrics.MeanSquaredError()
    plain = metric.update_state
    metric.update_state = lambda real, fake, sample_weight=None: plain(
        tf.ensure_shape(tf.numpy_function(np.copy, [real], real.dtype), real.shape), fake
    )
    gan = dense_gan(generator=[OnHost()], metrics=[metric], jit_compile=True)
    assert np.isfinite(gan.evaluate(POINTS, batch_size=8, verbose=0))
    assert gan.predict(POINTS, batch_size=8, verbose=0).shape == (48, 1)
    assert gan.jit_compile


def test_a_subclass_that_does_not_count_its_steps_leaves_the_first_execution():
    gan = dense_gan(penalties=[penalties.R1(1.0, every=3)], jit_compile=True)
    gan.train_function = xla.FirstExecution(gan, lambda _: {})
    gan.train_function(iter(batches(8)))
    assert not isinstance(gan.train_function, xla.FirstExecution)


def test_an_error_after_the_last_step_is_raised():
    gan = dense_gan()

    def fails(iterator):
        gan.step.assign_add(1)
        raise tf.errors.InternalError(None, None, "broken")

    with pytest.raises(tf.errors.InternalError, match="broken"):
        xla.FirstExecution(gan, fails)(iter(batches(8)))


def test_a_lack_of_memory_is_raised():
    def fails(iterator):
        raise tf.errors.ResourceExhaustedError(None, None, "no memory")

    with pytest.raises(tf.errors.ResourceExhaustedError):
        xla.FirstExecution(dense_gan(), fails)(iter(batches(8)))


def test_no_batch_ends_the_iteration():
    with pytest.raises(StopIteration):
        xla.FirstExecution(dense_gan(), lambda _: None)(iter(batches(8, 0, 6).take(0)))


def test_only_the_first_execution_is_special():
    gan = dense_gan(jit_compile=True)
    gan.make_train_function()
    assert isinstance(gan.train_function, xla.FirstExecution)
    gan.train_on_batch(POINTS[:8])
    assert not isinstance(gan.train_function, xla.FirstExecution)


def test_a_program_that_fails_in_a_later_execution_is_replaced_too():
    gan = dense_gan(penalties=[penalties.R1(1.0, every=3)], jit_compile=True)

    def fails_in_step_1(iterator):
        if int(gan.step) == 1:
            raise tf.errors.OutOfRangeError(None, None, "damaged")  # Keras would take it for the end of the data
        gan.step.assign_add(1)
        return {}

    gan.train_function = xla.FirstExecution(gan, fails_in_step_1)
    gan.train_on_batch(POINTS[:8])
    with pytest.warns(UserWarning, match="training continues without it: damaged"):
        gan.train_on_batch(POINTS[8:16])
    assert (int(gan.step), gan.jit_compile) == (2, False)


def test_after_each_program_ran_no_execution_is_special():
    gan = dense_gan(penalties=[penalties.R1(1.0, every=3)], jit_compile=True)
    gan.train_function = xla.FirstExecution(gan, lambda _: gan.step.assign_add(1))
    for special in (True, True, False):  # before the steps 0, 1 and 2
        assert isinstance(gan.train_function, xla.FirstExecution) == special
        gan.train_function(iter(batches(8)))


def test_a_slow_compilation_is_explained(monkeypatch):
    monkeypatch.setattr(xla, "PATIENCE", 0.01)
    with pytest.warns(UserWarning, match="XLA has not compiled the train step after"):
        xla.FirstExecution(dense_gan(), lambda _: time.sleep(0.3))(iter(batches(8)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monkeypatch.setattr(xla, "PATIENCE", 60.0)
        xla.FirstExecution(dense_gan(), lambda _: None)(iter(batches(8)))
