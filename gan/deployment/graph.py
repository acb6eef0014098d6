"""The graph of a generator for an export: named inputs and outputs, and kernels that are stored as other numbers."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace

import keras
import numpy as np
import tensorflow as tf

from gan.deployment.rounding import StoredKernel
from gan.models.networks.inputs import NetworkInputs
from gan.models.networks.inspect import layers_of
from gan.utils.types import Tensor

UPSAMPLING = (keras.layers.UpSampling1D, keras.layers.UpSampling2D, keras.layers.UpSampling3D)
"""Layers whose operations lose the sizes of their outputs."""


def state_sizes(network: keras.Model) -> None:
    """Makes the graph of a network state the sizes that nearest-neighbor upsampling leaves unknown.

    LiteRT has no convolutions of images of unknown height. The network changes, but not what it computes.
    """
    for layer in layers_of(network):
        if isinstance(layer, UPSAMPLING):
            layer.call = _with_stated_size(layer, layer.call)


def _with_stated_size(layer: keras.Layer, call: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def call_and_reshape(inputs: Tensor) -> Tensor:
        sizes = layer.compute_output_shape(inputs.shape)[1:]
        outputs = call(inputs)
        return outputs if None in sizes else tf.reshape(outputs, [-1, *sizes])

    return call_and_reshape


class GeneratorGraph(tf.Module):
    """A generator as a function latents(, labels) -> {"images": float32 [B, H, W, C]}.

    `images` is a `tf.function` with a fixed signature: latents float32 [None, L], and labels int32 [None] if there are
    classes. TensorFlow folds constants while it converts a graph, and would turn a kernel of int8 into one of float32.
    So a kernel that is stored as another type is either a variable of that type, which the graph dequantizes, or one
    more input of the function, to which the writer of the format connects the stored kernel.

    Args:
        network: the generator.
        kernels: kernels that are stored as other types.
        as_inputs: whether these kernels are inputs (float32, named `StoredKernel.name`) instead of variables.
    """

    def __init__(self, network: keras.Model, kernels: Sequence[StoredKernel], *, as_inputs: bool) -> None:
        super().__init__(name="generator")
        self._inputs = NetworkInputs.of(network)
        self._of = SimpleNamespace(network=network)  # hides the network: a file with its own variables would be larger
        self._stored = {kernel.index: kernel for kernel in kernels}
        specs = [tf.TensorSpec([None, self._inputs.latent_dim], tf.float32, name="latents")]
        if "labels" in self._inputs.specs:
            specs.append(tf.TensorSpec([None], tf.int32, name="labels"))
        if as_inputs:
            specs += [tf.TensorSpec(kernel.values.shape, tf.float32, name=kernel.name) for kernel in kernels]
        self.specs = specs
        self._values = [] if as_inputs else [tf.Variable(kernel.values, trainable=False) for kernel in kernels]
        self._scales = [] if as_inputs else [kernel.broadcast_scale for kernel in kernels]
        kept = [variable for index, variable in enumerate(network.weights) if index not in self._stored]
        self._kept = [tf.Variable(np.asarray(variable), trainable=False) for variable in kept]
        self.images = tf.function(self._images, input_signature=specs, autograph=False)

    def _images(self, latents: Tensor, *others: Tensor) -> dict[str, Tensor]:
        rest = list(others)
        values = {"latents": latents, "labels": rest.pop(0) if "labels" in self._inputs.specs else None}
        kernels = iter(rest or self._dequantized())
        kept = iter(self._kept)
        network = self._of.network
        weights = {
            id(variable): next(kernels) if index in self._stored else tf.convert_to_tensor(next(kept))
            for index, variable in enumerate(network.weights)
        }
        cast = {name: tf.cast(values[name], spec.dtype) for name, spec in self._inputs.specs.items()}
        images, _ = network.stateless_call(
            [weights[id(variable)] for variable in network.trainable_variables],
            [weights.get(id(variable), variable.value) for variable in network.non_trainable_variables],
            self._inputs.arrange(**cast),
            training=False,
        )
        return {"images": tf.cast(keras.tree.flatten(images)[0], tf.float32)}

    def _dequantized(self) -> list[Tensor]:
        single = [tf.cast(value, tf.float32) for value in self._values]
        return [value if scale is None else value * scale for value, scale in zip(single, self._scales)]
