"""The DCGAN architecture, arXiv:1511.06434, with fewer filters, so that it trains within a minute on a CPU."""

import math

from keras import layers

from gan.models.networks.norms import Norm, batch_normalization
from gan.models.networks.sizes import ImageShape, crop, downsamplings, stage_sizes
from gan.utils.types import Tensor


def generator(x: Tensor, image_shape: ImageShape, width: int) -> Tensor:
    """Returns images [B, H, W, C] before the tanh for inputs [B, N], through transposed convolutions.

    The last hidden stage has `width` filters. Each stage before it has twice as many as the next one.
    """
    *targets, seed = stage_sizes(image_shape)
    stages = len(targets)
    seed_shape = (*seed, width * 2 ** (stages - 1))
    x = layers.Dense(math.prod(seed_shape), use_bias=False)(x)
    x = layers.Reshape(seed_shape)(x)
    for stage in reversed(range(stages)):
        x = batch_normalization(x)
        x = layers.ReLU()(x)
        filters = width * 2 ** (stage - 1) if stage else image_shape[2]
        x = layers.Conv2DTranspose(filters, 4, strides=2, padding="same", use_bias=stage == 0)(x)
        x = crop(x, targets[stage])
    return x


def discriminator(x: Tensor, width: int, norm: Norm) -> Tensor:
    """Returns features [B, F] of images [B, H, W, C], through stride-2 convolutions.

    The first convolution has `width` filters, each next one twice as many.
    """
    stages = downsamplings(x.shape[1:])
    x = layers.LeakyReLU(0.2)(norm.conv(width, 4, strides=2, padding="same")(x))
    for stage in range(1, stages):
        x = norm.conv(width * 2**stage, 4, strides=2, padding="same", use_bias=norm.hidden_bias)(x)
        x = layers.LeakyReLU(0.2)(norm.hidden(x))
    return layers.Flatten()(x)
