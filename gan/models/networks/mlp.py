"""Dense networks for images of any size: those of many first tutorials (100-128-256-512-1024-784), put right."""

import math

from keras import layers

from gan.models.networks.norms import Norm, batch_normalization
from gan.models.networks.sizes import ImageShape
from gan.utils.types import Tensor


def generator(x: Tensor, image_shape: ImageShape, width: int) -> Tensor:
    """Dense layers of width, 2 width, 4 width, 8 width, with batch normalisation: [B, N] -> images before the tanh."""
    for stage in range(4):
        x = layers.Dense(width * 2**stage, use_bias=False)(x)
        x = batch_normalization(x)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Dense(math.prod(image_shape))(x)
    return layers.Reshape(image_shape)(x)


def discriminator(x: Tensor, width: int, norm: Norm) -> Tensor:
    """Dense layers of 8 width, 4 width, 2 width, width: images -> features [B, width]."""
    x = layers.Flatten()(x)
    x = layers.LeakyReLU(0.2)(norm.dense(width * 8)(x))
    for stage in reversed(range(3)):
        x = norm.dense(width * 2**stage, use_bias=norm.hidden_bias)(x)
        x = layers.LeakyReLU(0.2)(norm.hidden(x))
    return x
