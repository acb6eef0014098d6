"""Tests that this package's Adam equals the Adam of Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gan.models.optimizers import Adam

SHAPES = [(3, 4), (7,), (2, 2, 3, 5)]


def train(optimizer, steps, *, variables=None):
    """Returns all variables, also those of the optimizer, after `steps` steps with the same gradients in a graph."""
    rng = np.random.default_rng(1)
    variables = variables or [
        keras.Variable(np.random.default_rng(0).normal(size=shape), dtype="float32") for shape in SHAPES
    ]
    optimizer.build(variables)

    @tf.function
    def step(*gradients):
        optimizer.apply(list(gradients), variables)

    for _ in range(steps):
        step(*(tf.constant(rng.normal(size=shape), tf.float32) for shape in SHAPES))
    return [v.numpy() for v in (*variables, *optimizer.variables)]


@pytest.mark.parametrize("betas", [(0.0, 0.99), (0.9, 0.999), (0.5, 0.0)])
def test_the_first_steps_follow_the_formula_of_keras(betas):
    schedule = keras.optimizers.schedules.CosineDecay(2e-3, 10, alpha=0.02)
    for actual, expected in zip(train(Adam(schedule, *betas), 5), train(keras.optimizers.Adam(schedule, *betas), 5)):
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_the_first_step_in_closed_form():
    """m / sqrt(v), both bias-corrected, is the sign of the gradient."""
    variable = keras.Variable(np.zeros(3), dtype="float32")
    optimizer = Adam(0.1, epsilon=0.0)
    optimizer.build([variable])
    optimizer.apply([tf.constant([3.0, -0.5, 1e-3])], [variable])
    np.testing.assert_allclose(variable.numpy(), [-0.1, 0.1, -0.1], rtol=1e-5)
    assert int(optimizer.iterations) == 1


def test_each_continues_from_the_state_of_the_other():
    first, second = Adam(1e-3), keras.optimizers.Adam(1e-3)
    variables = [keras.Variable(np.random.default_rng(0).normal(size=shape), dtype="float32") for shape in SHAPES]
    train(first, 3, variables=variables)
    copies = [keras.Variable(v.numpy(), dtype="float32") for v in variables]
    second.build(copies)
    for target, source in zip(second.variables, first.variables, strict=True):
        target.assign(source)
    for one, other in zip(train(first, 2, variables=variables), train(second, 2, variables=copies)):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", [{"amsgrad": True}, {"weight_decay": 0.1}, {"clipnorm": 1.0}])
def test_options_of_keras_mean_the_same(options):
    for actual, expected in zip(train(Adam(1e-2, **options), 4), train(keras.optimizers.Adam(1e-2, **options), 4)):
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_one_operation_per_variable():
    optimizer, variables = Adam(1e-3), [keras.Variable(np.zeros(shape), dtype="float32") for shape in SHAPES]
    optimizer.build(variables)
    step = tf.function(lambda *gradients: optimizer.apply(list(gradients), variables))
    graph = step.get_concrete_function(*(tf.zeros(shape) for shape in SHAPES)).graph.as_graph_def()
    kinds = [node.op for nodes in (graph.node, *(f.node_def for f in graph.library.function)) for node in nodes]
    assert kinds.count("ResourceApplyAdam") == len(SHAPES)
    assert "AssignSubVariableOp" not in kinds


def test_a_saved_adam_loads_as_the_same_class():
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(Adam(3e-4, 0.0, 0.99)))
    assert type(copy) is Adam
    assert copy.get_config()["beta_2"] == 0.99
