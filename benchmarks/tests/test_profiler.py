import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from benchmarks.profiler import Profile, covered, product_flops, profile_of, trace_calls

B, H, W, C = 6, 12, 10, 3
IMAGES = tf.TensorSpec((B, H, W, C))


def counted(function, *specs, **options):
    return product_flops(tf.function(function).get_concrete_function(*specs), **options)


def in_steps(layer, spec):
    """Returns FLOPs of a layer: forward, and in steps with the gradient of weights, of both, and of the input."""
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
    """Gradients that are not requested are not counted, because they are not computed either."""
    assert in_steps(layer, spec) == (forward, 2 * forward, 3 * forward, 2 * forward)


def test_only_needed_products_and_side_effects_are_counted():
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


def test_unknown_shapes_loops_and_kinds_are_rejected():
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
    assert product_flops(concrete) == pytest.approx(found, rel=0.02)  # it also counts the additions of the sum


def test_length_of_a_union_of_intervals():
    assert covered([]) == 0.0
    assert covered([(3.0, 4.0), (0.0, 2.0), (1.0, 1.5), (1.0, 2.5)]) == 3.5


def stats(*operations):
    """Returns StepStats of (device, kind, begin, end), in nanoseconds."""
    found = tf.compat.v1.RunMetadata().step_stats
    for number, (device, kind, begin, end) in enumerate(operations):
        device = next((d for d in found.dev_stats if d.device == device), None) or found.dev_stats.add(device=device)
        device.node_stats.add(
            node_name=f"n{number}",
            timeline_label=f"n{number} = {kind}(x)",
            all_start_nanos=1_000 + begin - 5,
            op_start_rel_nanos=5,
            op_end_rel_nanos=end - begin + 5,
        )
    return found


def test_a_profile_by_hand():
    first = stats(("a", "MatMul", 0, 400), ("b", "MatMul", 100, 200), ("a", "Add", 500, 600))
    second = stats(("a", "MatMul", 0, 500))
    found = profile_of([first, second])
    assert found.kinds == {"MatMul": (pytest.approx(500e-9), 1.5), "Add": (pytest.approx(50e-9), 0.5)}
    assert found.wall == pytest.approx(550e-9)
    assert found.idle == pytest.approx(50e-9)
    assert [kind["kind"] for kind in found.as_dict()["kinds"]] == ["MatMul", "Add"]


def test_a_traced_function_has_its_operations_and_leaves_its_variables_alone():
    variable, table = tf.Variable(2.0), tf.constant(np.eye(3, dtype=np.float32))

    @tf.function
    def step(x, y):
        variable.assign_add(tf.reduce_sum(tf.tanh(tf.matmul(x, table)) + y))
        return tf.cond(variable > 0, lambda: tf.exp(variable), lambda: variable)

    x, y = tf.random.normal((4, 3)), tf.ones((4, 3))
    profiles = trace_calls(step.get_concrete_function(x, y), [x, y], calls=3, rounds=2)
    assert len(profiles) == 2
    for profile in profiles:
        assert isinstance(profile, Profile)
        assert [profile.kinds[kind][1] for kind in ("Tanh", "AssignAddVariableOp", "Exp")] == [1.0] * 3
        assert sum(count for kind, (_, count) in profile.kinds.items() if "MatMul" in kind) == 1.0  # or a faster kind
        assert 0.0 <= profile.idle < profile.wall
        assert all(seconds >= 0.0 for seconds, _ in profile.kinds.values())
    assert variable.numpy() == 2.0
