"""Kernels stored as float16 or int8: weight-only, dequantized in the graph of the exported generator."""

from dataclasses import dataclass

import keras
import numpy as np

from gan.errors import InputError
from gan.evaluation.robustness.faults import int8_steps
from gan.evaluation.robustness.perturbed import find_kernels
from gan.models.network_copy import averaged_copy
from gan.models.networks.inspect import layers_of
from gan.saving.engines.card import Weights


@dataclass(frozen=True)
class StoredKernel:
    """A kernel as an exported file stores it: float16, or int8 with a scale for each output channel.

    The generator computes with `values` as float32, times `scale`.
    """

    index: int
    """Index in `model.weights`."""
    values: np.ndarray
    """float16 or int8, of the shape of the kernel."""
    scale: np.ndarray | None = None
    """float32 [channels] for int8; None for float16."""
    axis: int = 0
    """Axis of the output channels, >= 0."""

    @property
    def name(self) -> str:
        """Name in the exported graph."""
        return f"kernel_{self.index}"

    @property
    def broadcast_scale(self) -> np.ndarray | None:
        """The scale with as many axes as the kernel, or None."""
        if self.scale is None:
            return None
        return self.scale.reshape([-1 if axis == self.axis else 1 for axis in range(self.values.ndim)])

    @property
    def rounded(self) -> np.ndarray:
        """The kernel that the generator computes with: float32."""
        single = self.values.astype(np.float32)
        return single if self.broadcast_scale is None else single * self.broadcast_scale


def store_kernels(network: keras.Model, weights: Weights) -> list[StoredKernel]:
    """Rounds the kernels of a network to a number type.

    int8 is symmetric, with a scale for each output channel: the last axis of a kernel, axis 2 of that of a
    `Conv2DTranspose`. Depthwise kernels, whose output channels are on two axes, stay float32 with int8. So do biases
    and statistics with either type.

    Args:
        network: the generator. It does not change.
        weights: `float32`, `float16` or `int8`. `float32` stores no kernel in another way.

    Raises `InputError` if a kernel is not finite, or too large for float16.
    """
    if weights == "float32":
        return []
    stored = []
    for kernel in find_kernels(network):
        value = np.array(kernel.weight.numpy(), np.float32)
        if not np.isfinite(value).all() or (weights == "float16" and np.abs(value).max(initial=0.0) > 65_504):
            raise InputError(
                f"The weights cannot be stored as {weights}",
                expected="finite weights" + ", at most 65,504 in size" * (weights == "float16"),
                received=f"{kernel.weight.path}: up to {np.abs(value).max():g}",
            )
        if weights == "float16":
            stored.append(StoredKernel(kernel.index, value.astype(np.float16)))
        elif len(kernel.channels) == 1:
            steps, scale = int8_steps(value, kernel.channels)
            stored.append(
                StoredKernel(
                    kernel.index, steps.astype(np.int8), scale.astype(np.float32).ravel(), axis=kernel.channels[0]
                )
            )
    return stored


def single_copy(network: keras.Model) -> keras.Model:
    """Returns a copy of a network with the same weights that computes in float32, whatever its policy is."""
    copy = averaged_copy(network, "float32")
    for layer in layers_of(copy):  # also those inside layers, which are copied with their own policies
        layer.dtype_policy = "float32"
    return copy


def rounded_copy(network: keras.Model, kernels: list[StoredKernel]) -> keras.Model:
    """Returns a copy of a network with the rounded kernels, in float32."""
    copy = single_copy(network)
    for kernel in kernels:
        copy.weights[kernel.index].assign(kernel.rounded)
    return copy
