import keras
import pytest
import tensorflow as tf
from keras import layers

from benchmarks.profiler import product_flops

B, H, W, C = 6, 12, 10, 3
IMAGES = tf.TensorSpec((B, H, W, C))


def counted(function, *specs, **options):
    return product_flops(tf.function(function).get_concrete_function(*specs), **options)


def in_steps(layer, spec):
    """FLOPs of a layer: forward, in a step that moves its weights, and in one that passes its input's gradient on."""
    model = keras.Sequential([keras.Input(spec.shape[1:]), layer])

    def step(x, of_input, of_weights=True):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_mean(tf.square(model(x)))
        asked = model.trainable_variables * of_weights + [x] * of_input
        return loss, tape.gradient(loss, asked)

    return (
        counted(model, spec),
        counted(lambda x: step(x, of_input=False), spec),
        counted(lambda x: step(x, of_input=True), spec),
        counted(lambda x: step(x, of_input=True, of_weights=False), spec),
    )


@pytest.mark.parametrize(
    ("layer", "spec", "forward"),
    [
        (layers.Dense(7), tf.TensorSpec((B, 20)), 2 * B * 20 * 7),
        (layers.Conv2D(5, (4, 2), strides=2, padding="same"), IMAGES, 2 * B * (H // 2 * W // 2) * (4 * 2) * C * 5),
        (layers.Conv2D(5, 3, padding="valid"), IMAGES, 2 * B * (H - 2) * (W - 2) * 9 * C * 5),
        (layers.Conv2D(6, 3, groups=3, padding="same"), IMAGES, 2 * B * H * W * 9 * (C // 3) * 6),
        (layers.Conv2DTranspose(5, 4, strides=2, padding="same"), IMAGES, 2 * B * H * W * 16 * C * 5),
        (layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"), IMAGES, 2 * B * H * W * 9 * C * 2),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_layer_costs_as_much_forward_as_each_of_its_gradients(layer, spec, forward):
    """What nobody asks for (the gradient of weights, of the input) is not counted: it is not computed either."""
    assert in_steps(layer, spec) == (forward, 2 * forward, 3 * forward, 2 * forward)


def test_a_product_that_nothing_needs_is_not_counted_and_one_for_a_side_effect_is():
    a, b = tf.TensorSpec((2, 3)), tf.TensorSpec((3, 5))
    kept = tf.Variable(tf.zeros((2, 5)))

    def unneeded(x, y):
        tf.matmul(x, y)
        return x

    def assigned(x, y):
        kept.assign(tf.matmul(x, y))

    assert counted(unneeded, a, b) == 0
    assert counted(assigned, a, b) == 2 * 2 * 3 * 5


def test_transposed_and_batched_products():
    a, b = tf.TensorSpec((4, 3, 2)), tf.TensorSpec((4, 5, 3))
    assert counted(lambda x, y: tf.matmul(x, y, transpose_a=True, transpose_b=True), a, b) == 4 * 2 * 2 * 3 * 5
    assert counted(lambda x, y: tf.matmul(x[0], y[0], transpose_a=True, transpose_b=True), a, b) == 2 * 2 * 3 * 5


def test_a_branch_counts_as_often_as_it_is_taken_and_so_does_its_gradient():
    square, product = tf.TensorSpec((5, 5)), 2 * 5**3

    def step(x, due):
        with tf.GradientTape() as tape:
            tape.watch(x)
            once = tf.reduce_sum(tf.square(tf.matmul(x, x)))
            loss = once + tf.cond(due, lambda: tf.reduce_sum(tf.matmul(x, x) ** 3.0), lambda: 0.0)
        return loss, tape.gradient(loss, x)

    spec = (square, tf.TensorSpec((), tf.bool))
    assert counted(step, *spec, then_share=0.0) == 3 * product
    assert counted(step, *spec, then_share=1.0) == 6 * product
    assert counted(step, *spec, then_share=0.25) == (3 + 0.25 * 3) * product


def test_functions_count_where_they_are_called():
    square = tf.TensorSpec((5, 5))
    inner = tf.function(lambda x: tf.matmul(x, x))
    assert counted(lambda x: inner(inner(x)), square) == 2 * 2 * 5**3


def test_what_the_graph_does_not_tell_is_refused():
    with pytest.raises(ValueError, match="Expected a known shape"):
        counted(lambda x: tf.matmul(x, x), tf.TensorSpec((None, None)))
    with pytest.raises(ValueError, match="Expected no products in a loop"):
        counted(lambda x: tf.while_loop(lambda y: tf.reduce_sum(y) < 9, lambda y: [tf.matmul(y, y)], [x]),
                tf.TensorSpec((5, 5)))  # fmt: skip
    with pytest.raises(ValueError, match="a Conv3D"):
        counted(lambda x: tf.nn.conv3d(x, tf.zeros((1, 1, 1, 1, 1)), [1] * 5, "SAME"), tf.TensorSpec((1, 2, 2, 2, 1)))


def test_tensorflows_own_profiler_counts_the_same_products():
    kernel = tf.Variable(tf.zeros((3, 3, C, 64)))

    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.nn.conv2d(x, kernel, 2, "SAME"))
        return loss, tape.gradient(loss, [x, kernel])

    concrete = tf.function(step).get_concrete_function(IMAGES)
    profiler = tf.compat.v1.profiler
    options = profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation()).with_empty_output()
    found = profiler.profile(graph=concrete.graph, options=options.build()).total_float_ops
    assert product_flops(concrete) == pytest.approx(found, rel=0.02)  # it counts the sum's additions, too
