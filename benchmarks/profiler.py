"""Floating-point operations of the matrix products and convolutions of a `tf.function`, counted in its graph."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

Shape = tuple[int | None, ...] | None
Tensor = tuple["_Frame", str]
"""A tensor as a node in a frame names it among its inputs, such as `Conv2D:0`."""


def product_flops(concrete: Any, *, then_share: float = 1.0) -> float:
    """FLOPs of one call: 2 for each multiplication and addition of a matrix product or a convolution.

    Counted are the operations that a result or a side effect needs; TensorFlow removes the others, such as the
    gradients of weights that are not asked for. What is done once an element (activations, optimizers, averages) is not
    counted: it is the overhead that the rate of the products is measured by.

    Args:
        concrete: what `tf.function(...).get_concrete_function(...)` returns.
        then_share: how often a condition in it is true, such as 1/16 where a lazy penalty is due; it is false in the
            others.

    Raises ValueError for a product whose shapes the graph does not tell, and for one in a loop, whose length it does
    not tell.
    """
    return sum(_Library(concrete, then_share).counts())


def _matmul(node: Any, inputs: Sequence[Shape], output: Shape) -> float:
    """2 m k n: [..., m, k] x [..., k, n] -> [..., m, n]."""
    transposed = any(node.attr[name].b for name in ("transpose_a", "adj_x"))
    return 2.0 * _product(output) * _product(inputs[0][-2 if transposed else -1 :][:1] if inputs[0] else None)


def _forward(node: Any, inputs: Sequence[Shape], output: Shape) -> float:
    """Each output [B, h, w, out] takes the kernel [kh, kw, in, out] without its last axis."""
    return 2.0 * _product(output) * _taps(inputs[1])


def _to_input(node: Any, inputs: Sequence[Shape], output: Shape) -> float:
    """The same products as forward, whose output had the shape of the gradient, (sizes, kernel, gradient)."""
    return 2.0 * _product(inputs[2]) * _taps(inputs[1])


def _to_kernel(node: Any, inputs: Sequence[Shape], output: Shape) -> float:
    """The same, of (input, sizes, gradient) -> gradient of the kernel."""
    return 2.0 * _product(inputs[2]) * _taps(output)


def _depthwise(count: Callable[..., float]) -> Callable[..., float]:
    """Each output channel sees one input channel only: kernels are [kh, kw, in, multiplier]."""

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
"""(node, shapes of its inputs, shape of its output) -> FLOPs, by kind of operation."""

UNCOUNTED = ("Conv1D", "Conv3D", "Conv3DBackpropInputV2", "Conv3DBackpropFilterV2", "Einsum", "BatchMatMul", "XlaDotV2")
"""Products, too, that no network of this package makes: refused rather than left out."""

BRANCHES: Mapping[str, Sequence[str]] = {
    "If": ("then_branch", "else_branch"),
    "StatelessIf": ("then_branch", "else_branch"),
    "PartitionedCall": ("f",),
    "StatefulPartitionedCall": ("f",),
}
"""Attributes that name the functions which an operation calls."""
LOOPS = ("While", "StatelessWhile")


def _definitions(operations: set[str]) -> dict[str, Any]:
    """The definitions (OpDef) of kinds of operations, which TensorFlow tells of those in a graph that is exported."""
    graph = tf.compat.v1.GraphDef()
    for operation in sorted(operations):
        graph.node.add(name=operation, op=operation)
    with tf.Graph().as_default():  # exporting is refused where functions run at once
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
    """A function that is called, with its share of calls; `call`: its caller's frame, and what it is given there."""

    nodes: Mapping[str, Any]
    share: float
    call: tuple["_Frame", Mapping[str, str]] | None = None
    results: Sequence[str] = ()
    effects: Sequence[str] = ()


class _Library:
    """Walks from the results and side effects back through all that they need, into the functions that are called."""

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
        """FLOPs of each product that is needed, times its share of calls."""
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
            # what a called function is given is asked for from inside it, except whether to call it
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
        """What the caller gives for an argument; None: this is no argument."""
        caller, given = frame.call or (frame, {})
        return (caller, given[name]) if name in given else None

    def _parsed(self, frame: _Frame, tensor: str) -> tuple[str, int | None]:
        """(node or argument, number of its output) of `node`, `node:1`, `node:output:1`; None for `^node`."""
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
