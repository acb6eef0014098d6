"""Residual networks without normalization, after R3GAN (arXiv:2501.05441).

As in R3GAN:

* leaky ReLU with slope 0.2 before each convolution; bottleneck blocks between 1x1 convolutions,
* resampling separate from the convolutions; 1x1 convolutions that change the number of channels,
* G and D mirror each other,
* an initialization that limits the variance, instead of normalization (Fixup, arXiv:1901.09321).

Different from R3GAN, for speed on a CPU:

* The 3x3 convolution is not grouped and half as wide as its block. R3GAN's is grouped and twice as wide as its block,
  which takes two to three times as long on a CPU.
* G upsamples by nearest neighbor. D downsamples by the mean of 2x2 pixels, its transpose up to a factor. R3GAN uses a
  filter with four taps.
"""

import math

from keras import initializers, layers

from gan.models.networks.norms import NORMS, Norm
from gan.models.networks.sizes import ImageShape, crop, stage_sizes, upsamplings
from gan.utils.types import Tensor

SLOPE = 0.2


def _scaled(variance: float) -> initializers.Initializer:
    """Returns an initializer with which leaky ReLU and layer multiply the mean square of their inputs by `variance`.

    A variance of 1 gives He initialization.
    """
    return initializers.VarianceScaling(2.0 * variance / (1.0 + SLOPE**2), "fan_in", "truncated_normal")


def residual_block(x: Tensor, blocks: int, norm: Norm) -> Tensor:
    """Returns x + branch(x), both [B, H, W, C].

    The branch is leaky ReLU and convolution, three times: 1x1 and 3x3 with C/2 filters (rounded up), 1x1 with C
    filters.

    At initialization the branch adds 1/`blocks` of the mean square of x. All blocks of a network together then multiply
    the mean square by less than e. Fixup initializes the last convolution with zeros instead, which is impossible with
    spectral normalization.
    """
    filters = x.shape[-1]
    branch = x
    for kernel, width, variance in ((1, -(-filters // 2), 1.0), (3, -(-filters // 2), 1.0), (1, filters, 1.0 / blocks)):
        branch = layers.LeakyReLU(SLOPE)(norm.hidden(branch))
        branch = norm.conv(width, kernel, padding="same", kernel_initializer=_scaled(variance))(branch)
    return layers.Add()([x, branch])


def generator(x: Tensor, image_shape: ImageShape, width: int) -> Tensor:
    """Returns images [B, H, W, C] before the tanh for inputs [B, N].

    There is one residual block at each size. Between two sizes, a 1x1 convolution halves the number of channels, and
    nearest-neighbor upsampling doubles height and width. At the image size there are `width` channels.
    """
    sizes = stage_sizes(image_shape)
    seed_shape = (*sizes[-1], width * 2 ** (len(sizes) - 1))
    x = layers.Dense(math.prod(seed_shape))(x)
    x = layers.Reshape(seed_shape)(x)
    x = residual_block(x, len(sizes), NORMS["none"])
    for stage in reversed(range(len(sizes) - 1)):
        x = layers.Conv2D(width * 2**stage, 1, use_bias=False)(x)
        x = crop(layers.UpSampling2D()(x), sizes[stage])
        x = residual_block(x, len(sizes), NORMS["none"])
    return layers.Conv2D(image_shape[2], 3, padding="same")(layers.LeakyReLU(SLOPE)(x))


def discriminator(x: Tensor, width: int, norm: Norm) -> Tensor:
    """Returns features [B, F] of images [B, H, W, C], with the stages of the generator in reverse order.

    The first stage has `width` channels, each next one twice as many.
    """
    stages = upsamplings(x.shape[1:])
    x = norm.conv(width, 3, padding="same")(x)
    x = residual_block(x, stages + 1, norm)
    for stage in range(1, stages + 1):
        x = layers.AveragePooling2D(2, padding="same")(x)
        x = norm.conv(width * 2**stage, 1, use_bias=False)(x)
        x = residual_block(x, stages + 1, norm)
    return layers.Flatten()(layers.LeakyReLU(SLOPE)(norm.hidden(x)))
