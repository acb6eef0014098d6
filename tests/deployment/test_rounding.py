"""Closed forms of stored kernels: steps, scales and bytes, and what the three kinds of files contain."""

import re

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from helpers.exports import save_network
from helpers.tiny import sequential
from keras import layers

from gan import InputError
from gan.deployment.export import export_generator
from gan.deployment.rounding import rounded_copy, single_copy, store_kernels


def dense(kernel):
    network = sequential((len(kernel),), layers.Dense(len(kernel[0])))
    network.set_weights([np.array(kernel, np.float32), np.zeros(len(kernel[0]), np.float32)])
    return network


def test_int8_of_a_dense_kernel():
    """Each output channel, a column, has the scale max|w| / 127; a column of zeros has the scale 0."""
    (stored,) = store_kernels(dense([[127.0, 0.5, 0.0], [-63.6, -1.0, 0.0]]), "int8")
    assert (stored.index, stored.axis, stored.name) == (0, 1, "kernel_0")
    assert stored.values.dtype == np.int8
    np.testing.assert_array_equal(stored.values, [[127, 64, 0], [-64, -127, 0]])  # 63.5 is rounded to the even 64
    np.testing.assert_allclose(stored.scale, [1.0, 1 / 127, 0.0], rtol=1e-7)
    np.testing.assert_allclose(stored.rounded, [[127, 64 / 127, 0], [-64, -1, 0]], rtol=1e-6)


def test_int8_of_a_transposed_convolution_scales_axis_2():
    network = sequential((2, 2, 1), layers.Conv2DTranspose(2, 1, use_bias=False))
    kernel = np.array([2.54, 1.27], np.float32).reshape(1, 1, 2, 1)  # height, width, output, input
    network.set_weights([kernel])
    (stored,) = store_kernels(network, "int8")
    assert stored.axis == 2
    assert stored.broadcast_scale.shape == (1, 1, 2, 1)
    np.testing.assert_array_equal(stored.values.ravel(), [127, 127])
    np.testing.assert_allclose(stored.scale, [0.02, 0.01], rtol=1e-6)


def test_int8_leaves_depthwise_kernels_biases_and_statistics():
    body = layers.DepthwiseConv2D(3), layers.BatchNormalization(), layers.Conv2D(2, 1)
    network = sequential((4, 4, 2), *body)
    assert [kernel.index for kernel in store_kernels(network, "int8")] == [6]  # after a bias and four statistics
    assert [kernel.index for kernel in store_kernels(network, "float16")] == [0, 6]


def test_float16_rounds_to_11_bits():
    (stored,) = store_kernels(dense([[1 + 2**-11, 2049.0], [65504.0, 1e-9]]), "float16")
    assert (stored.values.dtype, stored.scale) == (np.float16, None)
    np.testing.assert_array_equal(stored.rounded, [[1.0, 2048.0], [65504.0, 0.0]])


def test_float32_stores_no_kernel_in_another_way():
    assert store_kernels(dense([[1.0]]), "float32") == []


@pytest.mark.parametrize(
    ("weights", "value", "words"),
    [
        ("float16", 65_536.0, "at most 65,504 in size.*up to 65536"),
        ("float16", np.nan, "finite weights.*up to nan"),
        ("int8", np.nan, "stored as int8. Expected finite weights. Received: .*kernel: up to nan"),
        ("int8", np.inf, "finite weights.*up to inf"),
    ],
)
def test_weights_that_a_type_cannot_hold_are_refused(weights, value, words):
    with pytest.raises(InputError, match=words):
        store_kernels(dense([[value, 1.0]]), weights)


@pytest.mark.parametrize("weights", ["float16", "int8"])
def test_the_copy_has_the_rounded_kernels_and_the_original_its_own(weights):
    network = sequential((4,), layers.Dense(3))
    before = network.get_weights()
    kernels = store_kernels(network, weights)
    copy = rounded_copy(network, kernels)
    np.testing.assert_array_equal(copy.get_weights()[0], kernels[0].rounded)
    np.testing.assert_array_equal(network.get_weights()[0], before[0])
    assert np.abs(kernels[0].rounded - before[0]).max() > 0


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float16", "bfloat16", "float64"])
def test_a_single_copy_computes_in_float32(policy):
    inner = layers.Dense(3, dtype=policy)
    network = sequential((4,), layers.Dense(3, dtype=policy), layers.SpectralNormalization(inner, dtype=policy))
    copy = single_copy(network)
    assert all(layer.compute_dtype == "float32" for layer in (*copy.layers, copy.layers[-1].layer))
    assert copy.layers[0].kernel.dtype == "float32"
    for one, other in zip(copy.weights, network.weights):
        np.testing.assert_array_equal(one.numpy().astype(np.float32), other.numpy().astype(np.float32))


@pytest.fixture(scope="module")
def dcgan(tmp_path_factory):
    return save_network("dcgan 28", tmp_path_factory.mktemp("dcgan") / "generator.keras")


@pytest.fixture(scope="module")
def kernels(dcgan):
    network = single_copy(keras.saving.load_model(dcgan, compile=False))
    return {weights: store_kernels(network, weights) for weights in ("float16", "int8")}


@pytest.mark.parametrize("weights", ["int8", pytest.param("float16", marks=pytest.mark.slow)])
def test_onnx_initializers_have_the_type_and_the_bytes_of_the_kernels(dcgan, kernels, weights, tmp_path):
    exported = export_generator(dcgan, tmp_path, format="onnx", weights=weights)
    found = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(exported.path).graph.initializer}
    for kernel in kernels[weights]:
        stored = found[f"{kernel.name}.stored"]
        assert stored.dtype == weights
        np.testing.assert_array_equal(stored, kernel.values)
        if kernel.scale is not None:
            scale = found[f"{kernel.name}.scale"]
            np.testing.assert_array_equal(stored.astype(np.float32) * scale, kernel.rounded)
        same_size = [
            name
            for name, array in found.items()
            if array.size == kernel.values.size and name != f"{kernel.name}.stored"
        ]
        assert not [name for name in same_size if found[name].dtype == np.float32 and found[name].ndim > 1]


@pytest.mark.parametrize("weights", ["int8", pytest.param("float16", marks=pytest.mark.slow)])
def test_litert_tensors_have_the_type_and_the_bytes_of_the_kernels(dcgan, kernels, weights, tmp_path):
    exported = export_generator(dcgan, tmp_path, format="litert", weights=weights)
    model = schema.ModelT.InitFromPackedBuf(exported.path.read_bytes(), 0)
    tensors = {tensor.name.decode(): tensor for tensor in model.subgraphs[0].tensors}
    for kernel in kernels[weights]:
        tensor = tensors[f"{kernel.name}.stored"]
        content = bytes(bytearray(model.buffers[tensor.buffer].data))
        assert content == kernel.values.tobytes()
        assert tensor.type == (schema.TensorType.INT8 if weights == "int8" else schema.TensorType.FLOAT16)
        if kernel.scale is not None:
            np.testing.assert_array_equal(tensor.quantization.scale, kernel.scale)
            np.testing.assert_array_equal(tensor.quantization.zeroPoint, 0)
            assert tensor.quantization.quantizedDimension == kernel.axis


@pytest.mark.parametrize("weights", ["int8", pytest.param("float16", marks=pytest.mark.slow)])
def test_variables_of_a_saved_model_have_the_type_and_the_bytes_of_the_kernels(dcgan, kernels, weights, tmp_path):
    exported = export_generator(dcgan, tmp_path, format="saved_model", weights=weights)
    reader = tf.train.load_checkpoint(str(exported.path / "variables" / "variables"))
    names = [name for name in reader.get_variable_to_shape_map() if re.match(r"_values/\d+/", name)]
    found = [reader.get_tensor(name) for name in sorted(names, key=lambda name: int(name.split("/")[1]))]
    assert len(found) == len(kernels[weights])
    for stored, kernel in zip(found, kernels[weights]):
        assert stored.dtype == weights
        np.testing.assert_array_equal(stored, kernel.values)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["onnx", "litert", "saved_model"])
def test_files_of_the_pretrained_generator_are_a_half_and_a_quarter_as_large(form, tmp_path):
    sizes = {
        w: export_generator("mnist", tmp_path, format=form, weights=w).bytes for w in ("float32", "float16", "int8")
    }
    assert 0.45 < sizes["float16"] / sizes["float32"] < 0.65
    assert 0.24 < sizes["int8"] / sizes["float32"] < 0.45
