"""Faster computations of some Keras layers inside a train step, equal to those of Keras up to rounding.

One difference is larger: in a second derivative, as in a penalty on a D with batch normalization, the derivative is
exact here, while Keras stops the gradient of the mean. So Keras has a gradient for a bias before the normalization, on
which no output depends.

The layers of a network stay those of Keras, and so do its saved files. Only what a layer computes is replaced, while a
train step is traced. `docs/experiments.md` has the measured gains.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import keras
import tensorflow as tf
from keras import layers

from gan.models.networks.inspect import layers_of
from gan.utils.types import Tensor

FEW_CHANNELS = 3
"""Most channels of images for which a transposed convolution is computed as a convolution of the small image."""

PRODUCTS = False
"""Whether convolutions of images with few channels, and the gradients of kernels, are matrix products, whatever their
size. For measurements on a card, see `benchmarks/gpu_plan.py`. On a CPU it is slower."""

LARGE_WINDOW = 1_024
"""Fewest numbers in a window of a convolution for which the gradient of its kernel is a matrix product in bfloat16."""

_LEAST_EPSILON = 1.001e-5
"""Least epsilon of cuDNN's batch normalization."""

_FUSED_TYPES = ("float32", "bfloat16", "float16")


class Substitute(NamedTuple):
    """A faster computation of a layer.

    `fits(layer)` tells whether it has the results of the layer. `call(layer, keras_call, inputs, **options)` computes
    the outputs, where `keras_call` is the layer's own `call`, for inputs that the substitute cannot take.
    """

    fits: Callable[[keras.Layer], bool]
    call: Callable[..., Tensor]


@contextmanager
def use_fast_layers(network: keras.Model) -> Iterator[None]:
    """Lets the layers of a network compute faster inside, with the results of Keras up to rounding.

    Subclasses of Keras' layers, and layers with options that no substitute knows, compute as always. So do all layers
    with several replicas, which trace the same layers in turns.
    """
    replaced = []
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        yield
        return
    for layer in layers_of(network):
        substitute = SUBSTITUTES.get(type(layer))
        if substitute is not None and layer.built and "call" not in vars(layer) and substitute.fits(layer):
            vars(layer)["call"] = partial(substitute.call, layer, layer.call)
            replaced.append(layer)
    try:
        yield
    finally:
        for layer in replaced:
            del vars(layer)["call"]


def leaky_relu(x: Tensor, slope: float) -> Tensor:
    """Returns max(x, slope x), for a slope in (0, 1). Any shape.

    Its gradient uses the sign of the result, which is that of x. So x need not be kept, and TensorFlow computes a
    convolution, its bias and this function in one operation.
    """

    @tf.custom_gradient
    def apply(x: Tensor) -> Tensor:
        y = tf.nn.leaky_relu(x, slope)
        return y, lambda gradient: tf.raw_ops.LeakyReluGrad(gradients=gradient, features=y, alpha=slope)

    return apply(x)


def convolution(x: Tensor, kernel: Tensor, strides: tuple[int, int]) -> Tensor:
    """Returns the convolution of x [B, H, W, C] with a kernel [k, l, C, F], padding `same`: [B, ceil(H/s), ..., F].

    Its gradient with respect to x is `transposed_convolution`.
    """

    @tf.custom_gradient
    def apply(x: Tensor, kernel: Tensor) -> Tensor:
        def gradients(upstream: Tensor) -> tuple[Tensor, Tensor]:
            of_x = _input_gradient(x, upstream, kernel, strides)
            return of_x, _filter_gradient(x, upstream, kernel.shape, strides)

        return _forward(x, kernel, strides), gradients

    return apply(x, kernel)


def transposed_convolution(x: Tensor, kernel: Tensor, strides: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Returns the transposed convolution of x [B, h, w, F] with a kernel [k, l, C, F], padding `same`: [B, H, W, C].

    It is computed as a convolution of x with ceil(k/s) x ceil(l/t) windows, whose s t C outputs for each position are
    then spread over s x t pixels (arXiv:1609.05158). With one channel, this takes less than half of the time of
    TensorFlow's kernel on a CPU, and it leaves no convolution whose results have a single channel.

    Args:
        strides: (s, t), at most the size of the kernel.
        size: (H, W), of which x has the size after a convolution with these strides: h = ceil(H/s).
    """

    @tf.custom_gradient
    def apply(x: Tensor, kernel: Tensor) -> Tensor:
        def gradients(upstream: Tensor) -> tuple[Tensor, Tensor]:
            return tf.nn.conv2d(upstream, kernel, strides, "SAME"), _filter_gradient(upstream, x, kernel.shape, strides)

        return _spread(x, kernel, strides, size), gradients

    return apply(x, kernel)


def _spread(x: Tensor, kernel: Tensor, strides: tuple[int, int], size: tuple[int, int]) -> Tensor:
    (height, width, channels, filters), (s, t) = kernel.shape, strides
    rows, columns = -(-height // s), -(-width // t)
    kernel = tf.pad(kernel, [[0, rows * s - height], [0, columns * t - width], [0, 0], [0, 0]])
    kernel = tf.reshape(kernel, [rows, s, columns, t, channels, filters])[::-1, :, ::-1]
    windows = tf.reshape(tf.transpose(kernel, [0, 2, 5, 1, 3, 4]), [rows, columns, filters, s * t * channels])
    padding = [[0, 0], [rows - 1, rows - 1], [columns - 1, columns - 1], [0, 0]]
    blocks = tf.nn.conv2d(x, windows, 1, padding)
    if s == t:
        y = tf.nn.depth_to_space(blocks, s) if s > 1 else blocks
    else:
        h, w = x.shape[1] + rows - 1, x.shape[2] + columns - 1
        y = tf.transpose(tf.reshape(blocks, [-1, h, w, s, t, channels]), [0, 1, 3, 2, 4, 5])
        y = tf.reshape(y, [-1, h * s, w * t, channels])
    above, left = (_padding_before(*one) for one in zip(size, (height, width), strides))
    return y[:, above : above + size[0], left : left + size[1]]


def _padding_before(size: int, kernel: int, stride: int) -> int:
    """Returns the zeros before the first row in TensorFlow's padding `same`."""
    return max((math.ceil(size / stride) - 1) * stride + kernel - size, 0) // 2


def _forward(x: Tensor, kernel: Tensor, strides: tuple[int, int]) -> Tensor:
    few = PRODUCTS and x.shape[3] <= FEW_CHANNELS and _divides(strides, kernel.shape[:2])
    return _product(x, kernel, strides) if few else tf.nn.conv2d(x, kernel, strides, "SAME")


def _input_gradient(x: Tensor, upstream: Tensor, kernel: Tensor, strides: tuple[int, int]) -> Tensor:
    if x.shape[3] <= FEW_CHANNELS:
        return transposed_convolution(upstream, kernel, strides, x.shape[1:3])
    return tf.nn.conv2d_transpose(upstream, kernel, tf.shape(x), strides, "SAME")


def _filter_gradient(x: Tensor, upstream: Tensor, shape: tf.TensorShape, strides: tuple[int, int]) -> Tensor:
    if _divides(strides, shape[:2]) and _product_pays(x.dtype, shape):
        return _filter_product(x, upstream, shape, strides)
    return tf.raw_ops.Conv2DBackpropFilter(
        input=x,
        filter_sizes=tf.constant(shape.as_list()),
        out_backprop=upstream,
        strides=[1, *strides, 1],
        padding="SAME",
    )


def _product_pays(dtype: tf.DType, shape: Sequence[int]) -> bool:
    """Returns whether a kernel's gradient is computed as a matrix product: large kernels in bfloat16, on a CPU."""
    height, width, channels, _ = shape
    large = height * width * channels >= LARGE_WINDOW
    return PRODUCTS or (large and dtype == tf.bfloat16 and not tf.config.list_logical_devices("GPU"))


def _filter_product(x: Tensor, upstream: Tensor, shape: tf.TensorShape, strides: tuple[int, int]) -> Tensor:
    """Returns the gradient of a kernel [k, l, C, F] as the product of all windows of x and the upstream gradient."""
    height, width, channels, filters = shape
    windows = tf.reshape(_windows(x, (height, width), strides), [-1, height * width * channels])
    product = tf.matmul(windows, tf.reshape(upstream, [-1, filters]), transpose_a=True)
    s, t = strides
    product = tf.reshape(product, [height // s, width // t, s, t, channels, filters])
    return tf.reshape(tf.transpose(product, [0, 2, 1, 3, 4, 5]), shape)


def _product(x: Tensor, kernel: Tensor, strides: tuple[int, int]) -> Tensor:
    """Returns the convolution of x [B, H, W, C] with a kernel [k, l, C, F] as a matrix product: [B, h, w, F]."""
    height, width, channels, filters = kernel.shape
    s, t = strides
    blocks = tf.reshape(kernel, [height // s, s, width // t, t, channels, filters])
    matrix = tf.reshape(tf.transpose(blocks, [0, 2, 1, 3, 4, 5]), [height * width * channels, filters])
    return tf.matmul(_windows(x, (height, width), strides), matrix)


def _windows(x: Tensor, kernel: tuple[int, int], strides: tuple[int, int]) -> Tensor:
    """Returns the window of each output of a convolution, padding `same`: [B, h, w, k l C].

    The image is cut into blocks of s x t pixels, of which a window has k/s x l/t. The order of its numbers is that of
    blocks, and within a block of pixels and channels. The strides s and t must divide the kernel's size.
    """
    (s, t), channels = strides, x.shape[3]
    rows, columns = kernel[0] // s, kernel[1] // t
    h, w = (math.ceil(size / stride) for size, stride in zip(x.shape[1:3], strides))
    paddings = [[0, 0]]
    for size, length, stride, number in zip(x.shape[1:3], kernel, strides, (h + rows - 1, w + columns - 1)):
        before = _padding_before(size, length, stride)
        paddings.append([before, number * stride - size - before])
    blocks = tf.reshape(tf.pad(x, [*paddings, [0, 0]]), [-1, h + rows - 1, s, w + columns - 1, t, channels])
    blocks = tf.reshape(tf.transpose(blocks, [0, 1, 3, 2, 4, 5]), [-1, h + rows - 1, w + columns - 1, s * t * channels])
    return tf.concat([blocks[:, a : a + h, b : b + w] for a in range(rows) for b in range(columns)], -1)


def _divides(strides: Sequence[int], kernel: Sequence[int]) -> bool:
    return all(size % stride == 0 for stride, size in zip(strides, kernel))


def _leaky(layer: layers.LeakyReLU, keras_call: Callable[..., Tensor], inputs: Tensor) -> Tensor:
    return leaky_relu(tf.convert_to_tensor(inputs), layer.negative_slope)


def _plain_convolution(layer: Tensor) -> bool:
    """Returns whether a (transposed) convolution has no option that the functions here do not know."""
    return (
        layer.padding == "same"
        and layer.data_format == "channels_last"
        and set(layer.dilation_rate) == {1}
        and getattr(layer, "groups", 1) == 1
        and all(stride <= size for stride, size in zip(layer.strides, layer.kernel_size))
        and max(layer.strides) > 1
        and getattr(layer, "lora_rank", None) is None
    )


def _with_bias(layer: Tensor, outputs: Tensor) -> Tensor:
    outputs = tf.nn.bias_add(outputs, layer.bias) if layer.use_bias else outputs
    return outputs if layer.activation is None else layer.activation(outputs)


def _fits_convolution(layer: layers.Conv2D) -> bool:
    shape = layer.kernel.shape
    large = _divides(layer.strides, layer.kernel_size) and _product_pays(tf.as_dtype(layer.compute_dtype), shape)
    return _plain_convolution(layer) and (shape[2] <= FEW_CHANNELS or large)


def _convolution(layer: layers.Conv2D, keras_call: Callable[..., Tensor], inputs: Tensor) -> Tensor:
    if None in inputs.shape[1:3]:
        return keras_call(inputs)
    outputs = convolution(tf.convert_to_tensor(inputs), tf.convert_to_tensor(layer.kernel), tuple(layer.strides))
    return _with_bias(layer, outputs)


def _fits_transposed(layer: layers.Conv2DTranspose) -> bool:
    return _plain_convolution(layer) and layer.output_padding is None and (PRODUCTS or layer.filters <= FEW_CHANNELS)


def _transposed(layer: layers.Conv2DTranspose, keras_call: Callable[..., Tensor], inputs: Tensor) -> Tensor:
    if None in inputs.shape[1:3]:
        return keras_call(inputs)
    strides = tuple(layer.strides)
    size = tuple(side * stride for side, stride in zip(inputs.shape[1:3], strides))
    outputs = transposed_convolution(tf.convert_to_tensor(inputs), tf.convert_to_tensor(layer.kernel), strides, size)
    return _with_bias(layer, outputs)


def _fits_normalization(layer: layers.BatchNormalization) -> bool:
    return (
        layer.trainable
        and not layer.synchronized
        and not layer.renorm
        and layer.epsilon >= _LEAST_EPSILON
        and layer.moving_mean.dtype == "float32"
    )


def _normalization(
    layer: layers.BatchNormalization,
    keras_call: Callable[..., Tensor],
    inputs: Tensor,
    training: bool | None = None,
    mask: Tensor = None,
) -> Tensor:
    rank = len(inputs.shape)
    known = inputs.dtype in _FUSED_TYPES and inputs.dtype == layer.compute_dtype
    if not training or mask is not None or rank != 4 or layer.axis not in (-1, 3) or not known:
        return keras_call(inputs, training=training, mask=mask)
    x, channels = tf.convert_to_tensor(inputs), inputs.shape[-1]
    scale = tf.cast(layer.gamma, "float32") if layer.scale else tf.ones([channels])
    offset = tf.cast(layer.beta, "float32") if layer.center else tf.zeros([channels])
    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x, scale=scale, offset=offset, mean=[], variance=[], epsilon=layer.epsilon, is_training=True
    )
    number = tf.cast(tf.size(x) // channels, "float32")
    biased = variance * (tf.maximum(number - 1.0, 1.0) / number)  # the operation returns the unbiased variance
    for moving, value in ((layer.moving_mean, mean), (layer.moving_variance, biased)):
        moving.assign(moving * layer.momentum + value * (1.0 - layer.momentum))
    return outputs


SUBSTITUTES: dict[type[keras.Layer], Substitute] = {
    layers.LeakyReLU: Substitute(lambda layer: 0.0 < layer.negative_slope < 1.0, _leaky),
    layers.Conv2D: Substitute(_fits_convolution, _convolution),
    layers.Conv2DTranspose: Substitute(_fits_transposed, _transposed),
    layers.BatchNormalization: Substitute(_fits_normalization, _normalization),
}
"""Substitutes by the exact class of a layer."""
