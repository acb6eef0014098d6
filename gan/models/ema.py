"""The averaged generator: a copy that follows the generator, and computes in full precision on one device."""

import keras
import tensorflow as tf

from gan.utils.types import Tensor


def averaged_copy(generator: keras.Model) -> keras.Model:
    """A generator with the same weights, in layers that compute in the precision of their variables.

    Whatever the generator trains with (bfloat16, statistics over several replicas), the copy is an ordinary float32
    model, and so is the file that is saved of it.
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
    """Moves the average towards the generator, as far as so many images do: halfway in `half_life` of them."""
    kept = tf.pow(0.5, tf.cast(images, tf.float32) / half_life)
    for mean, variable in zip(average.weights, generator.weights):
        mean.assign_add(tf.cast(1.0 - kept, mean.dtype) * (variable - mean))


def averaged(model: keras.Model) -> keras.Model:
    """The averaged generator of a GAN (`generator_ema`), or the model itself where it has none."""
    return getattr(model, "generator_ema", model)
