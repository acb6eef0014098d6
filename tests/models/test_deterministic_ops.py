"""Train steps contain no operation that TensorFlow refuses on a GPU with deterministic kernels."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import tensorflow as tf

from gan.config import PRESETS
from gan.data.load import load_dataset
from gan.models.build import build_gan, compile_gan

REFUSED = {
    "AdjustContrastv2",
    "Bincount",
    "CropAndResizeGradBoxes",
    "CropAndResizeGradImage",
    "DebugNumericSummaryV2",
    "DenseBincount",
    "Dilation2DBackpropFilter",
    "Dilation2DBackpropInput",
    "FakeQuantWithMinMaxVarsGradient",
    "FusedBatchNormGradV3 in inference mode",
    "MaxPoolGradWithArgmax",
    "ResizeNearestNeighborGrad",
    "SoftmaxCrossEntropyWithLogits",
    "SparseSoftmaxCrossEntropyWithLogits",
    "SparseTensorDenseMatMul",
    "Svd",
    "Timestamp",
}
"""Operations that raise an error on a GPU, always or in some cases: from the messages in TensorFlow 2.21."""
QUICK = "mnist"


def kinds(graph: tf.Graph) -> Iterator[str]:
    """Yields the kinds of operations of a graph and of the functions that it calls."""
    for op in graph.get_operations():
        inference = op.type == "FusedBatchNormGradV3" and not op.get_attr("is_training")
        yield f"{op.type} in inference mode" if inference else op.type
    for function in graph._functions.values():
        yield from kinds(function.graph)


@pytest.mark.parametrize(
    "preset", [name if name == QUICK else pytest.param(name, marks=pytest.mark.slow) for name in PRESETS]
)
def test_no_operation_of_a_train_step_is_refused_with_deterministic_kernels(preset):
    config = PRESETS[preset]
    config = replace(config, data=replace(config.data, dataset="mnist5k"))
    gan = build_gan(config, load_dataset("mnist5k"))
    compile_gan(gan, config, 100)
    batch = tf.zeros((config.optimization.batch_size, 28, 28, 1)), tf.zeros(config.optimization.batch_size, tf.int32)
    step = tf.function(gan.train_step, autograph=False).get_concrete_function(batch)
    found = set(kinds(step.graph))
    assert "Conv2D" in found or "MatMul" in found
    assert found & REFUSED == set()


@pytest.mark.parametrize("training", [True, False])
def test_batch_normalization_is_refused_in_inference_mode_only(training):
    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            known = [] if training else [0.0]
            y, *_ = tf.raw_ops.FusedBatchNormV3(
                x=x, scale=[1.0], offset=[0.0], mean=known, variance=known, is_training=training
            )
        return tape.gradient(y, x)

    graph = step.get_concrete_function(tf.zeros((2, 2, 2, 1))).graph
    assert bool(set(kinds(graph)) & REFUSED) == (not training)


def test_they_are_found_in_a_graph():
    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.map_fn(lambda one: tf.image.resize(one, (4, 4), "nearest"), x)
        return tape.gradient(loss, x)

    graph = step.get_concrete_function(tf.zeros((2, 2, 2, 1))).graph
    assert set(kinds(graph)) & REFUSED == {"ResizeNearestNeighborGrad"}
