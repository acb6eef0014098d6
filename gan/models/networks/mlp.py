"""Dense networks for images of any size, a corrected version of a common tutorial GAN (100-128-256-512-1024-784)."""

import math

from keras import layers

from gan.models.networks.norms import Norm, batch_normalization
from gan.models.networks.sizes import ImageShape
from gan.utils.types import Tensor


def generator(x: Tensor, image_shape: ImageShape, width: int) -> Tensor:
    """Returns images [B, H, W, C] before the tanh for inputs [B, N].

    The dense layers have width, 2 width, 4 width and 8 width units, with batch normalization.
    """
    for stage in range(4):
        x = layers.Dense(width * 2**stage, use_bias=False)(x)
        x = batch_normalization(x)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Dense(math.prod(image_shape))(x)
    return layers.Reshape(image_shape)(x)


def discriminator(x: Tensor, width: int, norm: Norm) -> Tensor:
    """Returns features [B, width] of images [B, H, W, C].

    The dense layers have 8 width, 4 width, 2 width and width units.
    """
    x = layers.Flatten()(x)
    x = layers.LeakyReLU(0.2)(norm.dense(width * 8)(x))
    for stage in reversed(range(3)):
        x = norm.dense(width * 2**stage, use_bias=norm.hidden_bias)(x)
        x = layers.LeakyReLU(0.2)(norm.hidden(x))
    return x
