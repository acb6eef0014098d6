"""Residual networks without normalisation, after R3GAN (arXiv:2501.05441).

As there: pre-activations of slope .2, bottlenecks between 1x1 convolutions, resampling apart from the convolutions,
1x1 convolutions where the number of channels changes, G and D mirror images, an initialisation that keeps the variance
in check instead of normalisation (Fixup, arXiv:1901.09321). Otherwise, for the sake of a CPU: the 3x3 convolution is
plain and half as wide as its block (R3GAN's, grouped and twice as wide, takes two to three times as long here);
resampling by nearest neighbour and its transpose up to a factor, the mean of 2x2, instead of a filter of four taps.
"""

import math

from keras import initializers, layers

from gan.models.networks.norms import NORMS, Norm
from gan.models.networks.sizes import ImageShape, crop, stage_sizes, upsamplings
from gan.utils.types import Tensor

SLOPE = 0.2


def _scaled(variance: float) -> initializers.Initializer:
    """Weights under which a leaky ReLU layer multiplies the mean square of its inputs by `variance` (He's at 1)."""
    return initializers.VarianceScaling(2.0 * variance / (1.0 + SLOPE**2), "fan_in", "truncated_normal")


def residual_block(x: Tensor, blocks: int, norm: Norm) -> Tensor:
    """x [B, H, W, C] + branch(x): leaky ReLU and convolution three times, 1x1, 3x3 and 1x1, C/2 filters inside.

    At first the branch adds 1/`blocks` of the mean square of x, so all blocks of a network together multiply it by less
    than e. (Fixup starts the last convolution at zero, which spectral normalisation could not divide by.)
    """
    filters = x.shape[-1]
    branch = x
    for kernel, width, variance in ((1, -(-filters // 2), 1.0), (3, -(-filters // 2), 1.0), (1, filters, 1.0 / blocks)):
        branch = layers.LeakyReLU(SLOPE)(norm.hidden(branch))
        branch = norm.conv(width, kernel, padding="same", kernel_initializer=_scaled(variance))(branch)
    return layers.Add()([x, branch])


def generator(x: Tensor, image_shape: ImageShape, width: int) -> Tensor:
    """[B, N] -> images before the tanh. At the image's size there are `width` channels, each stage before it doubles.

    A block works at each size; then 1x1 convolution to half the channels, and each pixel twice in both directions.
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
    """Images -> features [B, F], the generator's stages backwards: `width` channels first, then doubled each stage."""
    stages = upsamplings(x.shape[1:])
    x = norm.conv(width, 3, padding="same")(x)
    x = residual_block(x, stages + 1, norm)
    for stage in range(1, stages + 1):
        x = layers.AveragePooling2D(2, padding="same")(x)
        x = norm.conv(width * 2**stage, 1, use_bias=False)(x)
        x = residual_block(x, stages + 1, norm)
    return layers.Flatten()(layers.LeakyReLU(SLOPE)(norm.hidden(x)))
