"""Copies of models with faults in their kernels."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

from gan.errors import InputError
from gan.evaluation.robustness.faults import FAULTS, check_fault
from gan.utils.arguments import checked
from gan.utils.global_state import restored

NOT_KERNELS = frozenset(
    ("bias", "gamma", "beta", "scale", "moving_mean", "moving_variance", "mean", "variance", "vector_u")
)
"""Names of weights that are never changed. Some have two dimensions: the bias of a GRU or of attention, and the weights
of a layer normalization over two axes. A variance with noise could be negative."""

TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)


@dataclass(frozen=True)
class Kernel:
    """A kernel of a model: its index in `model.weights`, its variable, and the axes of its output channels, >= 0."""

    index: int
    weight: keras.Variable
    channels: tuple[int, ...]


def find_kernels(model: keras.Model) -> list[Kernel]:
    """Returns the kernels of a model: its floating-point weights of two or more dimensions, including embeddings.

    A bias, statistic or scale of a normalization is not a kernel (`NOT_KERNELS`, by name).
    """
    channels = _channels(model)
    return [
        Kernel(index, weight, tuple(axis % len(weight.shape) for axis in channels.get(id(weight), (-1,))))
        for index, weight in enumerate(model.weights)
        if len(weight.shape) >= 2
        and weight.name not in NOT_KERNELS
        and keras.backend.is_float_dtype(keras.backend.standardize_dtype(weight.dtype))
    ]


class Perturbable:
    """A copy of a model, `model`, that receives one fault after another. The original model does not change.

    `find_kernels` says what a kernel is. Other weights do not change.

    The copy is saved and loaded by Keras, in memory. So it includes state that `clone_model` and `set_weights` omit,
    such as the statistics of a `Normalization` or a vocabulary. Nested, shared and subclassed models work if Keras can
    save them. Raises `InputError` for a model that Keras cannot save.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = _copy(model)
        self._kernels = [
            (kernel, np.array(keras.ops.convert_to_numpy(kernel.weight))) for kernel in find_kernels(self.model)
        ]

    def clean(self) -> keras.Model:
        """Restores the original weights exactly, and returns `model`."""
        for kernel, value in self._kernels:
            kernel.weight.assign(value)
        return self.model

    def apply(self, fault: str, *, severity: float, seed: int = 0) -> keras.Model:
        """Applies this fault alone, and returns `model`. Severity 0 restores the original weights."""
        check_fault(fault, severity, seed)
        if severity == 0:
            return self.clean()
        for kernel, value in self._kernels:
            rounded = FAULTS[fault](
                value.astype(np.float32), severity=severity, channels=kernel.channels, seed=seed, index=kernel.index
            )
            kernel.weight.assign(rounded)
        return self.model


@checked
def perturbed(model: keras.Model, fault: str, *, severity: float = 1.0, seed: int = 0) -> keras.Model:
    """Returns a copy of a model with a fault in its kernels. `Perturbable` describes kernels and the copy.

    Args:
        model: any built Keras model that Keras can save.
        fault: `weight_noise`, `float16` or `int8`, see `FAULTS`.
        severity: for `weight_noise`, the standard deviation of the noise, relative to the standard deviation of the
            kernel. For other faults, 1 (on) or 0 (off). Severity 0 returns an exact copy.
        seed: seed of the noise, 0 <= seed < 2**32. Noise is a function of (seed, index of the weight in
            `model.weights`).

    Raises `InputError` for an unknown fault or severity, or a model that cannot be copied.
    """
    check_fault(fault, severity, seed)
    return Perturbable(model).apply(fault, severity=severity, seed=seed)


@restored()
def _copy(model: keras.Model) -> keras.Model:
    if not isinstance(model, keras.Model) or not model.built:
        raise InputError("Nothing to perturb", expected="a built Keras model", received=repr(model))
    classes = {type(layer).__name__: type(layer) for layer in _layers(model)}
    custom = {name: kind for name, kind in classes.items() if not kind.__module__.startswith("keras.")}
    try:
        with keras.saving.custom_object_scope(custom):  # custom classes need no registration
            return copy.deepcopy(model)
    except (TypeError, ValueError, NotImplementedError, AttributeError) as error:
        raise InputError(
            "The model cannot be copied",
            expected="one that Keras can save and load (custom classes with `get_config`)",
            received=f"{type(model).__name__}: {' '.join(str(error).split())[:200]}",
        ) from error


def _channels(model: keras.Model) -> dict[int, tuple[int, ...]]:
    """Returns {id of a kernel: axes of its output channels}, for kernels where these are not just the last axis."""
    found: dict[int, tuple[int, ...]] = {}
    for layer in _layers(model):
        if isinstance(layer, TRANSPOSED):
            found[id(layer.kernel)] = (-2,)
        elif isinstance(layer, DEPTHWISE):
            found[id(layer.kernel)] = (-2, -1)  # each input channel has its own output channels
        elif isinstance(layer, SEPARABLE):
            found[id(layer.depthwise_kernel)] = (-2, -1)
    return found


def _layers(model: keras.Model) -> list[keras.layers.Layer]:
    """Returns a model and all its layers at any depth, each once. `model.layers` omits those in wrappers and blocks."""
    found: dict[int, keras.layers.Layer] = {id(model): model}
    waiting = [model]
    while waiting:
        for layer in _contained_layers(vars(waiting.pop())):
            if id(layer) not in found:
                found[id(layer)] = layer
                waiting.append(layer)
    return list(found.values())


def _contained_layers(value: object) -> Iterator[keras.layers.Layer]:
    """Yields the layers in a value, in containers of any depth."""
    if isinstance(value, keras.layers.Layer):
        yield value
    elif isinstance(value, dict):
        for item in list(value.values()):
            yield from _contained_layers(item)
    elif isinstance(value, (list, tuple, set)):
        for item in value:
            yield from _contained_layers(item)
