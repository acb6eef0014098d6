"""Layers whose weight W acts as W / sigma, where sigma is its largest singular value (arXiv:1802.05957).

A function of the weight: the variable itself is left alone, so optimizer, averages and saved files see W, and the
gradient flows through both W and sigma. (`keras.layers.SpectralNormalization` overwrites the variable instead.)
"""

import keras
from keras import layers, ops

from gan.utils.types import Tensor


def unit(x: Tensor) -> Tensor:
    """x / |x| of a vector; zeros stay zeros."""
    return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x)), 1e-24))


def power_iteration(matrix: Tensor, u: Tensor) -> Tensor:
    """One step from `u` [n] towards the right singular vector of `matrix` [m, n] of the largest singular value."""
    return unit(ops.matmul(unit(ops.matmul(matrix, u)), matrix))


def singular_value(matrix: Tensor, u: Tensor) -> Tensor:
    """sigma = v^T W u with v = W u / |W u|, where u and v count as constants: d sigma / d W is then v u^T.

    matrix: W [m, n]; u: a right singular vector [n] -> scalar.
    """
    u = ops.stop_gradient(u)
    v = ops.stop_gradient(unit(ops.matmul(matrix, u)))
    return ops.sum(v * ops.matmul(matrix, u))


class _Spectral(layers.Layer):
    """What the layers below share. The weight, as a matrix, has the last axis as columns, all others as rows.

    One call with `training=True` moves `u` by one step of power iteration; one without uses it as it is. The weight
    must not be all zeros. Arithmetic of sigma is in the variables' precision (float32 under mixed precision).
    """

    def build(self, input_shape: tuple[int | None, ...] | None = None) -> None:
        super().build(input_shape)
        self.u = keras.Variable(
            lambda shape, dtype: unit(keras.random.normal(shape, dtype=dtype)),
            shape=(self.kernel.shape[-1],),
            dtype=self.variable_dtype,
            trainable=False,
            autocast=False,
            # Each replica moves its own, and they stay alike, as the weights are. Replicas that had to meet for it, as
            # `add_weight` asks, could not do so inside the `tf.cond` of a lazy penalty.
            synchronization="on_read",
            aggregation="only_first_replica",
            name="u",
        )

    def add_weight(self, *args: object, **options: object) -> keras.Variable:
        return super().add_weight(*args, **{**options, "autocast": False})

    def _normalized(self, training: bool | None) -> Tensor:
        """W / sigma, in the precision of the layer's arithmetic."""
        weight, u = ops.convert_to_tensor(self.kernel), ops.convert_to_tensor(self.u)
        matrix = ops.reshape(weight, (-1, weight.shape[-1]))
        if training:
            u = power_iteration(ops.stop_gradient(matrix), u)
            self.u.assign(u)
        return ops.cast(weight / ops.maximum(singular_value(matrix, u), 1e-12), self.compute_dtype)

    def _finished(self, outputs: Tensor) -> Tensor:
        """Outputs plus bias, through the activation."""
        if self.use_bias:
            outputs = outputs + ops.cast(self.bias, self.compute_dtype)
        return outputs if self.activation is None else self.activation(outputs)

    # Convolutions and dense layers of Keras save kernel and bias only.
    def save_own_variables(self, store: Tensor) -> None:
        layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store: Tensor) -> None:
        layers.Layer.load_own_variables(self, store)


@keras.saving.register_keras_serializable(package="gan")
class SpectralConv2D(_Spectral, layers.Conv2D):
    """`keras.layers.Conv2D`, channels last, with the kernel [h, w, in, out] as W / sigma, W of shape [h w in, out]."""

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        return self._finished(self.convolution_op(inputs, self._normalized(training)))


@keras.saving.register_keras_serializable(package="gan")
class SpectralDense(_Spectral, layers.Dense):
    """`keras.layers.Dense` with the kernel as W / sigma."""

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        return self._finished(ops.matmul(inputs, self._normalized(training)))
