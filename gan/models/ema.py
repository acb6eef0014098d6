"""The averaged generator: an exponential moving average (EMA) of the generator's weights, in float32."""

import keras
import tensorflow as tf

from gan.utils.types import Tensor


def averaged_copy(generator: keras.Model) -> keras.Model:
    """Returns a copy of the generator with the same weights, whose layers compute in the precision of their variables.

    The generator may train in bfloat16 or with batch statistics over several replicas. The copy, and the file saved
    from it, is an ordinary float32 model.
    """

    def plain(layer: keras.Layer) -> keras.Layer:
        config = {**layer.get_config(), "dtype": layer.dtype_policy.variable_dtype}
        if "synchronized" in config:
            config["synchronized"] = False
        return type(layer).from_config(config)

    copy = keras.models.clone_model(generator, clone_function=plain, recursive=True)
    copy.set_weights(generator.get_weights())
    return copy


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
