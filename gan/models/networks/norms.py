"""Normalization in the discriminator: none, batch or spectral."""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf
from keras import layers

from gan.models.networks.spectral import SpectralConv2D, SpectralDense
from gan.utils.types import Tensor


def batch_normalization(x: Tensor, momentum: float = 0.9) -> Tensor:
    """Applies batch normalization (arXiv:1502.03167) over all replicas of the `tf.distribute` strategy in scope.

    Args:
        x: inputs [B, ..., C].
        momentum: share of the moving mean and variance that a step keeps, in [0, 1]. Keras' default is 0.99. The
            default here is lower, so that the statistics are up to date after a training of one minute.
    """
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return layers.BatchNormalization(momentum=momentum, synchronized=replicas > 1)(x)


def unchanged(x: Tensor) -> Tensor:
    """Returns `x`."""
    return x


@dataclass(frozen=True)
class Norm:
    """Layers from which an architecture builds its discriminator, whatever the normalization."""

    conv: Callable[..., layers.Layer] = layers.Conv2D
    """Class of the convolutions."""
    dense: Callable[..., layers.Layer] = layers.Dense
    """Class of the dense layers."""
    hidden: Callable[[Tensor], Tensor] = unchanged
    """Applied between each hidden layer, except the first, and its activation."""
    hidden_bias: bool = True
    """Whether these hidden layers have a bias. Before batch normalization a bias has no effect."""


NORMS: dict[str, Norm] = {
    "none": Norm(),
    "batch": Norm(hidden=batch_normalization, hidden_bias=False),
    "spectral": Norm(conv=SpectralConv2D, dense=SpectralDense),
}
"""Normalizations of D by name: `none`; `batch`, before each activation except the first (arXiv:1511.06434; in
`resnet` before every activation); `spectral`, of all layers (arXiv:1802.05957)."""
