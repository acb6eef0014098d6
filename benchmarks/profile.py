"""Where the time of a `tf.function` goes: how long operations of each kind take, and how long none is running."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

_KIND = re.compile(r" = (\w+)\(")

Interval = tuple[float, float]

TYPES = (tf.float32, tf.int64, tf.int32, tf.bfloat16, tf.float64, tf.bool, tf.uint8, tf.uint32)
"""What variables hold."""


@dataclass(frozen=True)
class Profile:
    """What one call took, on average, in seconds.

    kinds: {kind of operation: (seconds, operations)}, the kinds being those of the graph as TensorFlow optimized it.
    wall: from the start of the first operation to the end of the last.
    idle: the part of it in which no operation ran, between two of them.
    """

    kinds: dict[str, tuple[float, float]]
    wall: float
    idle: float

    def as_dict(self) -> dict[str, Any]:
        """As JSON types; the kind that takes longest comes first."""
        ranked = sorted(self.kinds.items(), key=lambda item: -item[1][0])
        return {
            "wall_seconds": self.wall,
            "idle_seconds": self.idle,
            "kinds": [{"kind": kind, "seconds": seconds, "count": count} for kind, (seconds, count) in ranked],
        }


def traced(concrete: Any, arguments: Sequence[Any], *, calls: int, rounds: int = 1) -> list[Profile]:
    """A profile of `calls` calls in a row, for each round; calls before it, which are not counted, warm up.

    The function's graph runs with copies of its variables in a session: that is how TensorFlow's public interface tells
    when each operation began and ended (`RunOptions`, `RunMetadata`). Writing that down takes time, too, between the
    operations and so in `idle`.

    Args:
        concrete: what `tf.function(...).get_concrete_function(...)` returns.
        arguments: what it is called with, one tensor each, as `tf.nest.flatten` orders them.
    """
    compat = tf.compat.v1
    with _session(concrete) as (session, targets, inputs):
        feeds = dict(zip(inputs, map(np.asarray, arguments), strict=True))
        options = compat.RunOptions(trace_level=compat.RunOptions.SOFTWARE_TRACE)
        session.run(targets, feeds)
        profiles = []
        for _ in range(rounds):
            steps = []
            session.run(targets, feeds, options=options, run_metadata=compat.RunMetadata())
            for _ in range(calls):
                metadata = compat.RunMetadata()
                session.run(targets, feeds, options=options, run_metadata=metadata)
                steps.append(metadata.step_stats)
            profiles.append(profile_of(steps))
        return profiles


def profile_of(steps: Sequence[Any]) -> Profile:
    """The profile of calls whose `StepStats` are given; operations of all devices count alike."""
    kinds: dict[str, tuple[float, int]] = {}
    wall = idle = 0.0
    for step in steps:
        intervals = []
        for node in (node for device in step.dev_stats for node in device.node_stats):
            begin, end = node.all_start_nanos + node.op_start_rel_nanos, node.all_start_nanos + node.op_end_rel_nanos
            intervals.append((1e-9 * begin, 1e-9 * end))
            named = _KIND.search(node.timeline_label)
            kind = named[1] if named else node.node_name
            seconds, count = kinds.get(kind, (0.0, 0))
            kinds[kind] = (seconds + 1e-9 * (end - begin), count + 1)
        begin, end = min(begin for begin, _ in intervals), max(end for _, end in intervals)
        wall += end - begin
        idle += end - begin - covered(intervals)
    calls = len(steps)
    of_one = {kind: (seconds / calls, count / calls) for kind, (seconds, count) in kinds.items()}
    return Profile(of_one, wall / calls, idle / calls)


def covered(intervals: Sequence[Interval]) -> float:
    """Length of the union of intervals (begin, end)."""
    length, reached = 0.0, float("-inf")
    for begin, end in sorted(intervals):
        length += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return length


@contextmanager
def _session(concrete: Any) -> Iterator[tuple[Any, list[Any], list[Any]]]:
    """A session with the graph of a function: (session, what to run for all of its effects, inputs to feed)."""
    compat, graph = tf.compat.v1, concrete.graph
    captured = concrete.captured_inputs
    own, others = graph.inputs[: len(graph.inputs) - len(captured)], graph.inputs[len(graph.inputs) - len(captured) :]
    values = [_held(tensor) if tensor.dtype == tf.resource else tensor.numpy() for tensor in captured]
    with tf.Graph().as_default() as copy:
        given = {}
        for inner, outer, value in zip(others, captured, values):
            held = outer.dtype == tf.resource
            given[inner.name] = compat.Variable(value, use_resource=True).handle if held else tf.constant(value)
        tf.graph_util.import_graph_def(graph.as_graph_def(), input_map=given, name="")
        needed = dict.fromkeys(op.name for op in (*(tensor.op for tensor in graph.outputs), *graph.control_outputs))
        placeholders = [copy.get_tensor_by_name(tensor.name) for tensor in own]
        with compat.Session(graph=copy) as session:
            session.run(compat.global_variables_initializer())
            yield session, [copy.get_operation_by_name(name) for name in needed], placeholders


def _held(handle: Any) -> Any:
    """What a variable holds, by its handle, which does not tell the type, but refuses to be read as another."""
    for dtype in TYPES:
        with suppress(tf.errors.InvalidArgumentError):
            return tf.raw_ops.ReadVariableOp(resource=handle, dtype=dtype).numpy()
    raise ValueError(f"Expected a variable of {[dtype.name for dtype in TYPES]}. Received: {handle}.")
