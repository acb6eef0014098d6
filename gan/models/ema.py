"""The averaged generator: an exponential moving average (EMA) of the generator's weights, in float32."""

import keras
import tensorflow as tf

from gan.utils.types import Tensor


def update(average: keras.Model, generator: keras.Model, images: Tensor, half_life: float) -> None:
    """Moves the weights of the averaged generator towards those of the generator, batch statistics included.

    weight += (1 - 0.5^(images / half_life)) * (new weight - weight)

    Args:
        average: averaged generator, changed in place.
        generator: generator in training.
        images: number of real images in the train step.
        half_life: number of images that halves the distance to a constant generator; > 0.
    """
    kept = tf.pow(0.5, tf.cast(images, tf.float32) / half_life)
    for mean, variable in zip(average.weights, generator.weights):
        mean.assign_add(tf.cast(1.0 - kept, mean.dtype) * (variable - mean))


def averaged(model: keras.Model) -> keras.Model:
    """Returns the averaged generator of a GAN (`generator_ema`), or the model itself if it has none."""
    return getattr(model, "generator_ema", model)
