"""Cost of a `tf.function`: FLOPs of its products, counted in the graph, and traced time of its operations."""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

Shape = tuple[int | None, ...] | None
Tensor = tuple["_Frame", str]
"""A frame, and the name of a tensor among the inputs of a node in it, such as `Conv2D:0`."""
Interval = tuple[float, float]
TYPES = (tf.float32, tf.int64, tf.int32, tf.bfloat16, tf.float64, tf.bool, tf.uint8, tf.uint32)
"""Data types of variables."""
_KIND = re.compile(r" = (\w+)\(")
"""Finds the kind of an operation in a traced label."""


def product_flops(concrete: Any, *, then_share: float = 1.0) -> float:
    """Counts the FLOPs of one call: 2 for each multiplication and addition of a matrix product or a convolution.

    Only operations that a result or a side effect needs are counted. TensorFlow removes the others, such as gradients
    of weights that are not requested. Elementwise operations (activations, optimizers, moving averages) are not
    counted: they are overhead compared with the products.

    Args:
        concrete: the result of `tf.function(...).get_concrete_function(...)`.
        then_share: share of calls in which a condition is true, such as 1/16 for a lazy penalty. The condition is false
            in all other calls.

    Raises ValueError for a product whose shapes are unknown in the graph, and for a product in a loop, because the
    number of iterations is unknown.
    """
    return sum(_Library(concrete, then_share).counts())


def _matmul(node: Any, inputs: Sequence[Shape], output: Shape) -> float:
    """Returns 2 m k n for [..., m, k] x [..., k, n] -> [..., m, n]."""
    transposed = any(node.attr[name].b for name in ("transpose_a", "adj_x"))
    return 2.0 * _product(output) * _product(inputs[0][-2 if transposed else -1 :][:1] if inputs[0] else None)


def _forward(node: Any, inputs: Sequence[Shape], output: Shape) -> float:
    """Counts a convolution. Each output [B, h, w, out] uses the kernel [kh, kw, in, out] without its last axis."""
    return 2.0 * _product(output) * _taps(inputs[1])


def _to_input(node: Any, inputs: Sequence[Shape], output: Shape) -> float:
    """Counts the gradient of the input, (sizes, kernel, gradient): the same products as in the forward pass."""
    return 2.0 * _product(inputs[2]) * _taps(inputs[1])


def _to_kernel(node: Any, inputs: Sequence[Shape], output: Shape) -> float:
    """Counts the gradient of the kernel, (input, sizes, gradient): the same products as in the forward pass."""
    return 2.0 * _product(inputs[2]) * _taps(output)


def _depthwise(count: Callable[..., float]) -> Callable[..., float]:
    """Adapts a count to depthwise kernels [kh, kw, in, multiplier]: each output channel uses one input channel."""

    def of_one_channel(node: Any, inputs: Sequence[Shape], output: Shape) -> float:
        kernel = output if count is _to_kernel else inputs[1]
        return count(node, inputs, output) / _product(kernel[2:3] if kernel else None)

    return of_one_channel


PRODUCTS: Mapping[str, Callable[..., float]] = {
    "MatMul": _matmul,
    "BatchMatMulV2": _matmul,
    "BatchMatMulV3": _matmul,
    "Conv2D": _forward,
    "Conv2DBackpropInput": _to_input,
    "Conv2DBackpropFilter": _to_kernel,
    "DepthwiseConv2dNative": _depthwise(_forward),
    "DepthwiseConv2dNativeBackpropInput": _depthwise(_to_input),
    "DepthwiseConv2dNativeBackpropFilter": _depthwise(_to_kernel),
}
"""Functions (node, input shapes, output shape) -> FLOPs, by kind of operation."""

UNCOUNTED = ("Conv1D", "Conv3D", "Conv3DBackpropInputV2", "Conv3DBackpropFilterV2", "Einsum", "BatchMatMul", "XlaDotV2")
"""Products that no network of this package uses. They raise an error instead of being ignored."""

BRANCHES: Mapping[str, Sequence[str]] = {
    "If": ("then_branch", "else_branch"),
    "StatelessIf": ("then_branch", "else_branch"),
    "PartitionedCall": ("f",),
    "StatefulPartitionedCall": ("f",),
}
"""Attributes with the names of the functions that an operation calls."""
LOOPS = ("While", "StatelessWhile")


def _definitions(operations: set[str]) -> dict[str, Any]:
    """Returns the definitions (OpDef) of operations. TensorFlow provides them only for an exported graph."""
    graph = tf.compat.v1.GraphDef()
    for operation in sorted(operations):
        graph.node.add(name=operation, op=operation)
    with tf.Graph().as_default():  # exporting fails in eager mode
        meta = tf.compat.v1.train.export_meta_graph(graph_def=graph)
    return {operation.name: operation for operation in meta.meta_info_def.stripped_op_list.op}


def _taps(kernel: Shape) -> float:
    return _product(kernel[:3] if kernel else None)


def _product(shape: Shape) -> float:
    if shape is None or None in shape:
        raise ValueError(f"Expected a known shape. Received: {shape}.")
    return float(math.prod(side for side in shape if side is not None))


@dataclass(frozen=True, eq=False)
class _Frame:
    """A called function with its share of calls. `call`: the frame of the caller, and the arguments by name."""

    nodes: Mapping[str, Any]
    share: float
    call: tuple["_Frame", Mapping[str, str]] | None = None
    results: Sequence[str] = ()
    effects: Sequence[str] = ()


class _Library:
    """Walks back from results and side effects through everything that they need, including called functions."""

    def __init__(self, concrete: Any, then_share: float) -> None:
        graph = concrete.graph
        shaped = graph.as_graph_def(add_shapes=True)
        used = {
            node.op for function in (shaped.node, *(f.node_def for f in shaped.library.function)) for node in function
        }
        self.operations = _definitions(used)
        self.functions = {function.signature.name: function for function in shaped.library.function}
        self.shares = {"then_branch": then_share, "else_branch": 1.0 - then_share, "f": 1.0}
        self.main = _Frame(
            {node.name: node for node in shaped.node},
            1.0,
            results=[tensor.name for tensor in graph.outputs],
            effects=[operation.name for operation in graph.control_outputs],
        )
        self.frames: dict[tuple[int, str, str], _Frame] = {}

    def counts(self) -> Iterator[float]:
        """Yields the FLOPs of each needed product, times its share of calls."""
        waiting: list[Tensor] = [(self.main, result) for result in self.main.results]
        waiting += [(self.main, f"^{effect}") for effect in self.main.effects]
        seen: set[tuple[int, str]] = set()
        counted: set[tuple[int, str]] = set()
        while waiting:
            frame, tensor = waiting.pop()
            name, index = self._parsed(frame, tensor)
            if (id(frame), key := f"{name}:{index}") in seen:
                continue
            seen.add((id(frame), key))
            if (given := self._given(frame, name)) is not None:
                waiting.append(given)
                continue
            node = frame.nodes[name]
            called = list(self._called(frame, node))
            waiting += [(inner, f"^{effect}") for inner in called for effect in inner.effects]
            waiting += [(inner, inner.results[index]) for inner in called if index is not None]
            if (id(frame), name) in counted:
                continue
            counted.add((id(frame), name))
            # arguments are requested from inside the called function, except the condition of the call
            needed = [i for i in node.input if i.startswith("^")] + list(node.input[: len(called) - 1])
            waiting += [(frame, source) for source in (needed if called else node.input)]
            yield frame.share * self._flops(frame, node)

    def _called(self, frame: _Frame, node: Any) -> Iterator[_Frame]:
        attributes = BRANCHES.get(node.op, ())
        given = [source for source in node.input if not source.startswith("^")][len(attributes) - 1 :]
        for attribute in attributes:
            key = (id(frame), node.name, attribute)
            if key not in self.frames:
                function = self.functions[node.attr[attribute].func.name]
                self.frames[key] = _Frame(
                    {inner.name: inner for inner in function.node_def},
                    frame.share * self.shares[attribute],
                    (frame, {argument.name: source for argument, source in zip(function.signature.input_arg, given)}),
                    [function.ret[result.name] for result in function.signature.output_arg],
                    list(function.control_ret.values()),
                )
            yield self.frames[key]

    def _given(self, frame: _Frame, name: str) -> Tensor | None:
        """Returns the tensor that the caller passes for an argument. None: `name` is not an argument."""
        caller, given = frame.call or (frame, {})
        return (caller, given[name]) if name in given else None

    def _parsed(self, frame: _Frame, tensor: str) -> tuple[str, int | None]:
        """Splits `node`, `node:1` or `node:output:1` into (node or argument, output number). None for `^node`."""
        if tensor.startswith("^"):
            return tensor[1:], None
        name, *output = tensor.split(":")
        if len(output) == 2:
            node, before = frame.nodes[name], 0
            for argument in self.operations[node.op].output_arg:
                if argument.name == output[0]:
                    break
                before += self._length(node, argument)
            return name, before + int(output[1])
        return name, int(output[0]) if output else 0

    def _length(self, node: Any, argument: Any) -> int:
        if argument.number_attr:
            return int(node.attr[argument.number_attr].i)
        return len(node.attr[argument.type_list_attr].list.type) if argument.type_list_attr else 1

    def _shape(self, frame: _Frame, tensor: str) -> Shape:
        name, index = self._parsed(frame, tensor)
        while (given := self._given(frame, name)) is not None:
            frame, tensor = given
            name, index = self._parsed(frame, tensor)
        shapes = frame.nodes[name].attr["_output_shapes"].list.shape
        shape = tf.TensorShape(shapes[index or 0]) if shapes else tf.TensorShape(None)
        return None if shape.rank is None else tuple(shape.as_list())

    def _flops(self, frame: _Frame, node: Any) -> float:
        if node.op in UNCOUNTED:
            raise ValueError(f"Expected one of {sorted(PRODUCTS)}. Received: {node.name}, a {node.op}.")
        if node.op in LOOPS and self._has_product(node.attr["body"].func.name):
            raise ValueError(f"Expected no products in a loop. Received: {node.name}.")
        if node.op not in PRODUCTS:
            return 0.0
        inputs = [self._shape(frame, source) for source in node.input if not source.startswith("^")]
        try:
            return PRODUCTS[node.op](node, inputs, self._shape(frame, f"{node.name}:0"))
        except ValueError as error:
            raise ValueError(f"{node.name}, a {node.op} of {inputs}: {error}") from error

    def _has_product(self, function: str) -> bool:
        nodes = self.functions[function].node_def
        called = [n.attr[a].func.name for n in nodes for a in (*BRANCHES.get(n.op, ()), *(["body"] * (n.op in LOOPS)))]
        return any(n.op in PRODUCTS or n.op in UNCOUNTED for n in nodes) or any(map(self._has_product, called))


@dataclass(frozen=True)
class Profile:
    """Average time of one call, in seconds.

    kinds: {kind of operation: (seconds, operations)}, in the graph that TensorFlow has optimized.
    wall: time from the start of the first operation to the end of the last.
    idle: part of `wall` in which no operation runs.
    """

    kinds: dict[str, tuple[float, float]]
    wall: float
    idle: float

    def as_dict(self) -> dict[str, Any]:
        """Converts the profile to JSON types. The kind that takes longest comes first."""
        ranked = sorted(self.kinds.items(), key=lambda item: -item[1][0])
        return {
            "wall_seconds": self.wall,
            "idle_seconds": self.idle,
            "kinds": [{"kind": kind, "seconds": seconds, "count": count} for kind, (seconds, count) in ranked],
        }


def trace_calls(concrete: Any, arguments: Sequence[Any], *, calls: int, rounds: int = 1) -> list[Profile]:
    """Returns a profile of `calls` consecutive calls for each round. Uncounted calls before it warm up.

    The graph of the function runs in a session with copies of its variables. Only there does the public interface of
    TensorFlow report when each operation starts and ends (`RunOptions`, `RunMetadata`). Recording also takes time. It
    happens between operations, so it is part of `idle`.

    Args:
        concrete: the result of `tf.function(...).get_concrete_function(...)`.
        arguments: its arguments, one tensor each, in the order of `tf.nest.flatten`.
        calls: calls in a round.
        rounds: number of profiles.
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
    """Computes the profile of calls from their `StepStats`. Operations of all devices count equally."""
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
    """Returns the length of the union of intervals (begin, end)."""
    length, reached = 0.0, float("-inf")
    for begin, end in sorted(intervals):
        length += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return length


@contextmanager
def _session(concrete: Any) -> Iterator[tuple[Any, list[Any], list[Any]]]:
    """Opens a session with the graph of a function: (session, operations for all effects, inputs to feed)."""
    compat, graph = tf.compat.v1, concrete.graph
    captured = concrete.captured_inputs
    own, others = graph.inputs[: len(graph.inputs) - len(captured)], graph.inputs[len(graph.inputs) - len(captured) :]
    values = [_read_variable(tensor) if tensor.dtype == tf.resource else tensor.numpy() for tensor in captured]
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


def _read_variable(handle: Any) -> Any:
    """Reads a variable by its handle. The handle hides the type, but reading with a wrong type fails."""
    for dtype in TYPES:
        with suppress(tf.errors.InvalidArgumentError):
            return tf.raw_ops.ReadVariableOp(resource=handle, dtype=dtype).numpy()
    raise ValueError(f"Expected a variable of {[dtype.name for dtype in TYPES]}. Received: {handle}.")
