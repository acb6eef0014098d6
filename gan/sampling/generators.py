"""What counts as a generator: a network, a GAN, an exported generator, or a place where one is saved."""

import os
import weakref
from collections.abc import Callable
from typing import Annotated

import keras
import numpy as np
import tensorflow as tf

from gan.errors import InputError
from gan.models.gan import GAN
from gan.models.networks.inputs import NetworkInputs
from gan.models.networks.load import load_generator
from gan.saving.engines.engine import Engine
from gan.saving.engines.find import find_exported, load_exported
from gan.saving.engines.format import ExportedFile
from gan.saving.models import no_network
from gan.saving.zip_safety import ModelFile
from gan.utils.arguments import checked

GeneratorLike = Annotated[
    keras.Model | Engine | str | os.PathLike[str] | ModelFile | ExportedFile,
    "a generator, a GAN, a run folder, a .keras file, a pretrained name or an exported generator",
]
"""A generator, a GAN (its averaged generator is meant), or what `load_generator` or `load_exported` loads."""


def as_generator(given: GeneratorLike) -> keras.Model:
    """Returns the generator that is given: the network itself, the averaged generator of a GAN, or a loaded one.

    Raises `InputError` for a network that does not take latents, such as a discriminator, for an exported generator,
    and as `load_generator` does.
    """
    if isinstance(given, KerasEngine):
        return given.network
    if isinstance(given, (Engine, ExportedFile)):
        file = getattr(given, "file", given)
        raise no_network(getattr(file, "path", type(given).__name__))
    if isinstance(given, ModelFile):
        return load_generator(given)
    if isinstance(given, (str, os.PathLike)):
        return load_generator(os.fspath(given))
    network = given.generator_ema if isinstance(given, GAN) else given
    inputs = NetworkInputs.of(network)
    if "latents" not in inputs.specs or len(network.outputs) != 1:
        raise InputError(
            "This model is not a generator",
            expected="latents [B, L] in, images [B, H, W, C] out",
            received=f"{network.name}: {inputs} in, {len(network.outputs)} out",
        )
    return network


_compiled: weakref.WeakKeyDictionary[keras.Model, Callable[..., tf.Tensor]] = weakref.WeakKeyDictionary()


@checked
def compiled(generator: GeneratorLike) -> Callable[..., tf.Tensor]:
    """Returns the generator as one graph: (latents [B, L](, labels [B])) -> [B, H, W, C], for any batch size.

    The graph takes its arguments in the order of the generator's inputs, see `NetworkInputs.in_order`. It uses the
    weights that the generator has at the time of the call.

    The graph is traced once per generator. It is several times faster than an eager call, which runs layer by layer,
    and tracing takes as long as the first eager call.
    """
    network = as_generator(generator)
    if network not in _compiled:
        reference = weakref.ref(network)  # the cached graph must not keep the key of its cache entry alive
        signature = NetworkInputs.of(network)

        def call(*inputs: tf.Tensor) -> tf.Tensor:
            arranged = signature.arrange(**dict(zip(signature.specs, inputs)))
            return reference()(arranged, training=False)  # type: ignore[misc]

        _compiled[network] = tf.function(call, input_signature=list(signature.specs.values()), autograph=False)
    return _compiled[network]


class KerasEngine(Engine):
    """A Keras network as an engine, compiled as one graph.

    Args:
        network: a generator.
    """

    def __init__(self, network: keras.Model) -> None:
        self.network = network  # its graph does not keep it alive
        self._inputs = NetworkInputs.of(network)
        self.latent_dim, self.num_classes = self._inputs.latent_dim, self._inputs.num_classes
        self.image_shape = tuple(network.output_shape[1:])
        self._graph = compiled(network)

    def __call__(self, latents: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """Computes samples, see `Engine`."""
        return self._graph(*self._inputs.in_order(latents=latents, labels=labels)).numpy()


def as_engine(given: GeneratorLike) -> Engine:
    """Returns what computes the samples of a generator: an exported generator in its engine, or a Keras network.

    Raises `InputError` as `load_exported` and `as_generator` do.
    """
    if isinstance(given, Engine):
        return given
    exported = find_exported(given) if isinstance(given, (str, os.PathLike)) else given
    if isinstance(exported, ExportedFile):
        return load_exported(exported)
    return KerasEngine(as_generator(given))
