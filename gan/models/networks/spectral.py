"""Spectrally normalized layers: they use W / sigma, where sigma is the largest singular value of W (arXiv:1802.05957).

The variable W itself is not changed, so the optimizer, moving averages and saved files contain W. The gradient flows
through both W and sigma. `keras.layers.SpectralNormalization` overwrites the variable instead.
"""

import keras
from keras import layers, ops

from gan.utils.types import Tensor


def unit(x: Tensor) -> Tensor:
    """Returns x / |x| for a vector, and zeros for zeros."""
    return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x)), 1e-24))


def power_iteration(matrix: Tensor, u: Tensor) -> Tensor:
    """Returns the result, [n], of one step of power iteration on `u` [n] with `matrix` [m, n].

    It converges to the right singular vector of the largest singular value.
    """
    return unit(ops.matmul(unit(ops.matmul(matrix, u)), matrix))


def singular_value(matrix: Tensor, u: Tensor) -> Tensor:
    """Returns the scalar sigma = v^T W u with v = W u / |W u|. The gradient treats u and v as constants.

    So d sigma / d W = v u^T.

    Args:
        matrix: W [m, n].
        u: a right singular vector of W [n].
    """
    u = ops.stop_gradient(u)
    v = ops.stop_gradient(unit(ops.matmul(matrix, u)))
    return ops.sum(v * ops.matmul(matrix, u))


class _Spectral(layers.Layer):
    """Base class of spectrally normalized layers.

    As a matrix, the weight has its last axis as columns and all other axes as rows. A call with `training=True` updates
    `u` by one step of power iteration; other calls use `u` unchanged. The weight must not be all zeros. Sigma is
    computed in the precision of the variables (float32 under mixed precision).
    """

    def build(self, input_shape: tuple[int | None, ...] | None = None) -> None:
        super().build(input_shape)
        self.u = keras.Variable(
            lambda shape, dtype: unit(keras.random.normal(shape, dtype=dtype)),
            shape=(self.kernel.shape[-1],),
            dtype=self.variable_dtype,
            trainable=False,
            autocast=False,
            # Each replica updates its own `u`; all stay equal because the weights are equal. The default of
            # `add_weight` synchronizes replicas, which is impossible inside the `tf.cond` of a lazy penalty.
            synchronization="on_read",
            aggregation="only_first_replica",
            name="u",
        )

    def add_weight(self, *args: object, **options: object) -> keras.Variable:
        return super().add_weight(*args, **{**options, "autocast": False})

    def _normalized(self, training: bool | None) -> Tensor:
        """Returns W / sigma in the precision in which the layer computes."""
        weight, u = ops.convert_to_tensor(self.kernel), ops.convert_to_tensor(self.u)
        matrix = ops.reshape(weight, (-1, weight.shape[-1]))
        if training:
            u = power_iteration(ops.stop_gradient(matrix), u)
            self.u.assign(u)
        return ops.cast(weight / ops.maximum(singular_value(matrix, u), 1e-12), self.compute_dtype)

    def _add_bias_and_activate(self, outputs: Tensor) -> Tensor:
        """Adds the bias and applies the activation."""
        if self.use_bias:
            outputs = outputs + ops.cast(self.bias, self.compute_dtype)
        return outputs if self.activation is None else self.activation(outputs)

    # Keras' own methods of convolutions and dense layers save only kernel and bias, and would leave out `u`.
    def save_own_variables(self, store: Tensor) -> None:
        layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store: Tensor) -> None:
        layers.Layer.load_own_variables(self, store)


@keras.saving.register_keras_serializable(package="gan")
class SpectralConv2D(_Spectral, layers.Conv2D):
    """`keras.layers.Conv2D`, channels last, with the kernel [h, w, in, out] divided by sigma of [h * w * in, out]."""

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        return self._add_bias_and_activate(self.convolution_op(inputs, self._normalized(training)))


@keras.saving.register_keras_serializable(package="gan")
class SpectralDense(_Spectral, layers.Dense):
    """`keras.layers.Dense` with the kernel [in, out] divided by its sigma."""

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        return self._add_bias_and_activate(ops.matmul(inputs, self._normalized(training)))
