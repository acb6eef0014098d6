"""Writers of exported generators, one for each format: SavedModel, ONNX, LiteRT."""

import logging
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from gan.deployment.graph import GeneratorGraph
from gan.deployment.rounding import StoredKernel
from gan.errors import InputError
from gan.saving.engines.card import FormatName
from gan.saving.engines.onnx import OPSET
from gan.saving.engines.saved_model import SIGNATURE
from gan.utils.extras import import_extra
from gan.utils.types import Tensor

Writer = Callable[[keras.Model, Sequence[StoredKernel], Path], None]
"""Writes a generator, with some kernels stored as other types, to a path that does not exist."""


def write_saved_model(network: keras.Model, kernels: Sequence[StoredKernel], path: Path) -> None:
    """Writes a SavedModel with the signature `serving_default(latents, labels) -> images`."""
    graph = GeneratorGraph(network, kernels, as_inputs=False)
    definition = graph.images.get_concrete_function().graph.as_graph_def()
    inner = [node for function in definition.library.function for node in function.node_def]
    python = [node for node in (*definition.node, *inner) if "PyFunc" in node.op]
    if python:
        raise InputError(
            "A SavedModel cannot contain Python code",
            expected="layers of TensorFlow operations",
            received=f"the operation {python[0].op} in {python[0].name}",
        )
    tf.saved_model.save(graph, str(path), signatures={SIGNATURE: graph.images})


def write_onnx(network: keras.Model, kernels: Sequence[StoredKernel], path: Path) -> None:
    """Writes an ONNX model of opset `OPSET`. Stored kernels are initializers of their type, and cast in the graph."""
    onnx = import_extra("onnx", extra="export")
    convert = import_extra("tf2onnx", extra="export").convert
    graph = GeneratorGraph(network, kernels, as_inputs=True)
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # errors are raised
    try:
        model, _ = convert.from_function(graph.images, input_signature=graph.specs, opset=OPSET)
    finally:
        logger.setLevel(level)
    _in_fixed_order(model.graph, {})
    unknown = [node for node in model.graph.node if not onnx.defs.has(node.op_type, OPSET, node.domain)]
    if unknown:
        raise InputError(
            "ONNX cannot express this generator",
            expected=f"layers whose operations ONNX has (opset {OPSET})",
            received=f"the operation {unknown[0].op_type} in {unknown[0].name}",
        )
    nodes = []
    for kernel in kernels:
        single = f"{kernel.name}.float32" if kernel.scale is not None else kernel.name
        model.graph.initializer.append(onnx.numpy_helper.from_array(kernel.values, f"{kernel.name}.stored"))
        nodes.append(onnx.helper.make_node("Cast", [f"{kernel.name}.stored"], [single], to=onnx.TensorProto.FLOAT))
        if kernel.broadcast_scale is not None:
            scale = f"{kernel.name}.scale"
            model.graph.initializer.append(onnx.numpy_helper.from_array(kernel.broadcast_scale, scale))
            nodes.append(onnx.helper.make_node("Mul", [single, scale], [kernel.name]))
    names = {kernel.name for kernel in kernels}
    inputs = [value for value in model.graph.input if value.name not in names]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    nodes += list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


_NUMBER = re.compile(r"__\d+")
"""A number that tf2onnx appends to a name."""


def _in_fixed_order(graph: Tensor, numbers: dict[str, str]) -> None:
    """Orders and names the nodes of a graph by its structure alone. The same generator then gives the same file.

    tf2onnx orders them by sets, and numbers them through all graphs of a process.

    Args:
        graph: the graph, which changes.
        numbers: {number of tf2onnx: new number}, which grows.
    """

    def renamed(name: str) -> str:
        return _NUMBER.sub(lambda found: numbers.setdefault(found[0], f"__{len(numbers)}"), name)

    nodes = _sorted_nodes(graph)
    del graph.node[:]
    graph.node.extend(nodes)
    for node in graph.node:
        node.name = renamed(node.name)
        for names in (node.input, node.output):
            names[:] = [renamed(name) for name in names]
        for inner in _graphs_of(node):
            _in_fixed_order(inner, numbers)
    for entry in (*graph.initializer, *graph.input, *graph.output):
        entry.name = renamed(entry.name)
    for entry in (*graph.input, *graph.output):
        for axis in entry.type.tensor_type.shape.dim:
            if axis.dim_param:
                axis.dim_param = "batch"
    graph.doc_string = ""  # with another such number
    del graph.value_info[:]  # sizes of inner tensors, which engines infer
    initializers = sorted(graph.initializer, key=lambda tensor: tensor.name)
    del graph.initializer[:]
    graph.initializer.extend(initializers)


def _sorted_nodes(graph: Tensor) -> list[Tensor]:
    """Returns the nodes that the outputs need, each after those that it needs: depth first, in the order of inputs."""
    makers = {name: node for node in graph.node for name in node.output}
    found: dict[int, Tensor] = {}
    waiting = [(makers[output.name], False) for output in reversed(graph.output) if output.name in makers]
    while waiting:
        node, is_ready = waiting.pop()
        if is_ready:
            found.setdefault(id(node), node)
        elif id(node) not in found:
            waiting.append((node, True))
            needed = [makers[name] for name in _names_needed(node) if name in makers]
            waiting += [(other, False) for other in reversed(needed) if id(other) not in found]
    return list(found.values())


def _names_needed(node: Tensor) -> list[str]:
    """Returns the inputs of a node, and of the nodes of its graphs."""
    return [*node.input, *(name for graph in _graphs_of(node) for inner in graph.node for name in _names_needed(inner))]


def _graphs_of(node: Tensor) -> list[Tensor]:
    graphs = [graph for attribute in node.attribute for graph in (attribute.g, *attribute.graphs)]
    return [graph for graph in graphs if graph.node or graph.output]


def write_litert(network: keras.Model, kernels: Sequence[StoredKernel], path: Path) -> None:
    """Writes a LiteRT model of built-in operations alone. Stored kernels are constants of their type."""
    graph = GeneratorGraph(network, kernels, as_inputs=True)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(graph, folder, signatures={SIGNATURE: graph.images})
        content = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
    path.write_bytes(_with_kernels(content, kernels) if kernels else content)


def _with_kernels(content: bytes, kernels: Sequence[StoredKernel]) -> bytes:
    """Returns a LiteRT model whose inputs for kernels became outputs of DEQUANTIZE operations on constants."""
    flatbuffers = import_extra("flatbuffers", extra="export")
    schema = import_extra("ai_edge_litert.schema_py_generated", extra="export")
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    subgraph, signature = model.subgraphs[0], model.signatureDefs[0]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = 5  # int8 with a scale for each channel, and float16
    model.operatorCodes.append(code)
    inputs = {entry.name.decode(): entry.tensorIndex for entry in signature.inputs}
    operators = []
    for kernel in kernels:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(kernel.values.tobytes(), np.uint8)
        model.buffers.append(buffer)
        constant = schema.TensorT()
        constant.name = f"{kernel.name}.stored".encode()
        constant.shape = np.array(kernel.values.shape, np.int32)
        constant.buffer = len(model.buffers) - 1
        constant.hasRank = True
        constant.type = schema.TensorType.FLOAT16
        if kernel.scale is not None:
            constant.type = schema.TensorType.INT8
            constant.quantization = _quantization(schema, kernel)
        subgraph.tensors.append(constant)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(model.operatorCodes) - 1
        operator.inputs, operator.outputs = [len(subgraph.tensors) - 1], [inputs[kernel.name]]
        operator.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
        operator.builtinOptions = schema.DequantizeOptionsT()
        operators.append(operator)
    replaced = {inputs[kernel.name] for kernel in kernels}
    subgraph.operators = operators + list(subgraph.operators)
    subgraph.inputs = [index for index in subgraph.inputs if index not in replaced]
    signature.inputs = [entry for entry in signature.inputs if entry.tensorIndex not in replaced]
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _quantization(schema: Tensor, kernel: StoredKernel) -> Tensor:
    assert kernel.scale is not None
    found = schema.QuantizationParametersT()
    found.scale = kernel.scale
    found.zeroPoint = np.zeros(len(kernel.scale), np.int64)
    found.quantizedDimension = kernel.axis
    return found


WRITERS: dict[FormatName, Writer] = {"saved_model": write_saved_model, "onnx": write_onnx, "litert": write_litert}
"""Format -> writer."""
