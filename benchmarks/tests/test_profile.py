import numpy as np
import pytest
import tensorflow as tf

from benchmarks.profile import Profile, covered, profile_of, traced


def test_length_of_a_union_of_intervals():
    assert covered([]) == 0.0
    assert covered([(3.0, 4.0), (0.0, 2.0), (1.0, 1.5), (1.0, 2.5)]) == 3.5


def stats(*operations):
    """StepStats of (device, kind, begin, end), in nanoseconds."""
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
    profiles = traced(step.get_concrete_function(x, y), [x, y], calls=3, rounds=2)
    assert len(profiles) == 2
    for profile in profiles:
        assert isinstance(profile, Profile)
        assert [profile.kinds[kind][1] for kind in ("Tanh", "AssignAddVariableOp", "Exp")] == [1.0] * 3
        assert sum(count for kind, (_, count) in profile.kinds.items() if "MatMul" in kind) == 1.0  # or a faster kind
        assert 0.0 <= profile.idle < profile.wall
        assert all(seconds >= 0.0 for seconds, _ in profile.kinds.values())
    assert variable.numpy() == 2.0
