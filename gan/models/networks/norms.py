"""Normalisation of a discriminator: which layers carry its weights, and what follows a hidden one of them."""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf
from keras import layers

from gan.models.networks.spectral import SpectralConv2D, SpectralDense
from gan.utils.types import Tensor


def batch_normalization(x: Tensor, momentum: float = 0.9) -> Tensor:
    """Batch normalisation (arXiv:1502.03167), over all replicas of the `tf.distribute` strategy in scope.

    `momentum`: share of the moving mean and variance that a step keeps. At .9 they keep up with the average of a
    generator that is trained for a minute; Keras defaults to .99.
    """
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return layers.BatchNormalization(momentum=momentum, synchronized=replicas > 1)(x)


def unchanged(x: Tensor) -> Tensor:
    """x -> x."""
    return x


@dataclass(frozen=True)
class Norm:
    """What an architecture builds its discriminator from, so that it need not know which normalisation is asked for."""

    conv: Callable[..., layers.Layer] = layers.Conv2D
    dense: Callable[..., layers.Layer] = layers.Dense
    hidden: Callable[[Tensor], Tensor] = unchanged
    """Goes between a hidden layer, except the first, and its activation."""
    hidden_bias: bool = True
    """Whether such a layer has a bias; one before batch normalisation does nothing."""


NORMS: dict[str, Norm] = {
    "none": Norm(),
    "batch": Norm(hidden=batch_normalization, hidden_bias=False),
    "spectral": Norm(conv=SpectralConv2D, dense=SpectralDense),
}
"""name -> normalisation of D: none; batch, before each activation but the first (arXiv:1511.06434; in `resnet`
before every one); spectral, all layers."""
