"""perturbed: a copy of a model, with a fault in its kernels."""

import copy
from collections.abc import Iterator

import keras
import numpy as np
from keras import layers

from gan.errors import InputError
from gan.evaluation.robustness.faults import FAULTS, check_fault

NOT_KERNELS = frozenset(
    ("bias", "gamma", "beta", "scale", "moving_mean", "moving_variance", "mean", "variance", "vector_u")
)
"""Names of weights that keep their values whatever their shape: the bias of a GRU or of attention has two dimensions,
and so have a layer normalisation's over two axes. A variance with noise might even be negative."""

TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)


class Perturbable:
    """A copy of a model, `model`, to be given one fault after another; the model it was made from stays as it is.

    What counts as a kernel: floating-point weights of two or more dimensions, embeddings among them, that are neither
    bias nor statistic or scale of a normalisation (`NOT_KERNELS`, by name). All else stays as it is.

    The copy is made as Keras saves and loads, in memory. So it carries what `clone_model` and `set_weights` leave
    behind (the statistics of a `Normalization`, a vocabulary), and nested, shared and subclassed models work as far as
    Keras can save them. Raises `InputError` for a model that it cannot.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = _copy(model)
        channels = _channels(self.model)
        self._kernels = [
            (index, weight, np.array(keras.ops.convert_to_numpy(weight)), channels.get(id(weight), (-1,)))
            for index, weight in enumerate(self.model.weights)
            if len(weight.shape) >= 2
            and weight.name not in NOT_KERNELS
            and keras.backend.is_float_dtype(keras.backend.standardize_dtype(weight.dtype))
        ]

    def clean(self) -> keras.Model:
        """`model` as the original is, to the last bit."""
        for _, weight, kernel, _ in self._kernels:
            weight.assign(kernel)
        return self.model

    def apply(self, fault: str, *, severity: float, seed: int = 0) -> keras.Model:
        """`model`, now with this fault alone; with severity 0, as the original is."""
        check_fault(fault, severity, seed)
        if severity == 0:
            return self.clean()
        for index, weight, kernel, channels in self._kernels:
            axes = tuple(axis % kernel.ndim for axis in channels)
            single = kernel.astype(np.float32)
            weight.assign(FAULTS[fault](single, severity=severity, channels=axes, seed=seed, index=index))
        return self.model


def perturbed(model: keras.Model, fault: str, *, severity: float = 1.0, seed: int = 0) -> keras.Model:
    """A copy of a model, with a fault in its kernels: see `Perturbable` for what is a kernel, and for the copy.

    Args:
        model: any built Keras model that Keras can save.
        fault: `weight_noise`, `float16` or `int8`, see `FAULTS`.
        severity: for `weight_noise` the standard deviation of the noise in those of the kernel; for the others 1, or 0
            for none. Severity 0 is an exact copy.
        seed: of the noise, 0 <= seed < 2**32. Noise is a function of (seed, index of the weight in `model.weights`).

    Raises `InputError` for an unknown fault, a severity that it does not have, or a model that cannot be copied.
    """
    check_fault(fault, severity, seed)
    return Perturbable(model).apply(fault, severity=severity, seed=seed)


def _copy(model: keras.Model) -> keras.Model:
    if not isinstance(model, keras.Model) or not model.built:
        raise InputError("There is nothing to perturb", expected="a built Keras model", received=repr(model))
    classes = {type(layer).__name__: type(layer) for layer in _layers(model)}
    custom = {name: kind for name, kind in classes.items() if not kind.__module__.startswith("keras.")}
    try:
        with keras.saving.custom_object_scope(custom):  # one's own classes need not be registered for this
            return copy.deepcopy(model)
    except (TypeError, ValueError, NotImplementedError, AttributeError) as error:
        raise InputError(
            "The model cannot be copied",
            expected="one that Keras can save and load (its own classes with `get_config`)",
            received=f"{type(model).__name__}: {' '.join(str(error).split())[:200]}",
        ) from error


def _channels(model: keras.Model) -> dict[int, tuple[int, ...]]:
    """id of a kernel -> axes of its output channels, where that is not the last one alone."""
    found: dict[int, tuple[int, ...]] = {}
    for layer in _layers(model):
        if isinstance(layer, TRANSPOSED):
            found[id(layer.kernel)] = (-2,)
        elif isinstance(layer, DEPTHWISE):
            found[id(layer.kernel)] = (-2, -1)  # each input has channels of its own
        elif isinstance(layer, SEPARABLE):
            found[id(layer.depthwise_kernel)] = (-2, -1)
    return found


def _layers(model: keras.Model) -> list[keras.layers.Layer]:
    """A model and all layers in it, at any depth, each once: `model.layers` does not look into wrappers and blocks."""
    found: dict[int, keras.layers.Layer] = {id(model): model}
    waiting = [model]
    while waiting:
        for layer in _held(vars(waiting.pop())):
            if id(layer) not in found:
                found[id(layer)] = layer
                waiting.append(layer)
    return list(found.values())


def _held(value: object) -> Iterator[keras.layers.Layer]:
    """The layers that a value is or holds, in containers of any depth."""
    if isinstance(value, keras.layers.Layer):
        yield value
    elif isinstance(value, dict):
        for item in list(value.values()):
            yield from _held(item)
    elif isinstance(value, (list, tuple, set)):
        for item in value:
            yield from _held(item)
