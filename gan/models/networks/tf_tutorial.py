"""The networks of TensorFlow's DCGAN tutorial, https://www.tensorflow.org/tutorials/generative/dcgan, for any size.

For 28x28x1 images, width 64 and latents of length 100 they have the tutorial's layers and 2,330,944 + 212,865 weights.
Momentum 0.99 and slope 0.3 are the Keras defaults on which the tutorial relies. The seed of the dropout is a variable,
which a training state contains. All replicas drop the same elements.
"""

import math

import keras
import tensorflow as tf
from keras import layers

from gan.models.networks.norms import Norm, batch_normalization
from gan.models.networks.sizes import ImageShape, crop, stage_sizes, upsamplings
from gan.utils.types import Tensor


@keras.saving.register_keras_serializable(package="gan")
class Dropout(layers.Dropout):
    """`keras.layers.Dropout` (arXiv:1207.0580) with 16 random bits per element, where Keras uses 32.

    Each element is dropped with probability p, which is `rate` rounded to a multiple of 2^-16. The others are divided
    by 1 - p. Random bits take most of the time of dropout on a CPU: a tenth of a train step of TensorFlow's DCGAN
    tutorial.
    """

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if not training or self.rate == 0.0:
            return inputs
        shape = tf.shape(inputs)
        pairs = (tf.size(inputs) + 1) // 2
        seed = tf.cast(self.seed_generator.next(), tf.int64)
        drawn = tf.random.stateless_uniform([pairs], seed, None, None, tf.uint32, alg="philox")
        halves = tf.reshape(tf.bitcast(drawn, tf.uint16), [-1])[: tf.size(inputs)]
        dropped = round(self.rate * 2**16)
        kept = tf.cast(halves >= tf.constant(dropped, tf.uint16), inputs.dtype)
        return inputs * tf.reshape(kept * (1.0 / (1.0 - dropped / 2**16)), shape)


MOMENTUM, SLOPE = 0.99, 0.3


def generator(x: Tensor, image_shape: ImageShape, width: int) -> Tensor:
    """Returns images [B, H, W, C] before the tanh for inputs [B, N], through transposed convolutions.

    The last hidden stage has `width` filters. Each stage before it has twice as many as the next one.
    """
    *targets, seed = stage_sizes(image_shape)
    stages = len(targets)
    seed_shape = (*seed, width * 2**stages)
    x = layers.Dense(math.prod(seed_shape), use_bias=False)(x)
    # Batch normalization before the reshape, as in the tutorial, normalizes each position and channel separately.
    x = layers.LeakyReLU(SLOPE)(batch_normalization(x, MOMENTUM))
    x = layers.Reshape(seed_shape)(x)
    x = layers.Conv2DTranspose(width * 2 ** (stages - 1), 5, padding="same", use_bias=False)(x)
    for stage in reversed(range(stages)):
        x = layers.LeakyReLU(SLOPE)(batch_normalization(x, MOMENTUM))
        filters = width * 2 ** (stage - 1) if stage else image_shape[2]
        x = layers.Conv2DTranspose(filters, 5, strides=2, padding="same", use_bias=False)(x)
        x = crop(x, targets[stage])
    return x


def discriminator(x: Tensor, width: int, norm: Norm) -> Tensor:
    """Returns features [B, F] of images [B, H, W, C], through stride-2 convolutions with dropout.

    The first convolution has `width` filters, each next one twice as many.
    """
    stages = upsamplings(x.shape[1:])
    x = layers.LeakyReLU(SLOPE)(norm.conv(width, 5, strides=2, padding="same")(x))
    x = Dropout(0.3)(x)
    for stage in range(1, stages):
        x = norm.conv(width * 2**stage, 5, strides=2, padding="same", use_bias=norm.hidden_bias)(x)
        x = Dropout(0.3)(layers.LeakyReLU(SLOPE)(norm.hidden(x)))
    return layers.Flatten()(x)
