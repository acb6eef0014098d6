"""Dropout that needs half as many random numbers."""

from typing import Any

import keras
import tensorflow as tf
from keras import layers


@keras.saving.register_keras_serializable(package="gan")
class Dropout(layers.Dropout):
    """`keras.layers.Dropout` (arXiv:1207.0580) that draws 16 bits an element, where Keras draws 32.

    Each element is dropped with the probability `rate`, rounded to a multiple of 2^-16; the others are divided by what
    is left. Drawing takes most of the time of a dropout on a CPU: a tenth of a step of TensorFlow's DCGAN tutorial.
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
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
