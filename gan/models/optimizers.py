"""Adam with one TensorFlow operation per variable."""

import keras
import tensorflow as tf

from gan.utils.types import Tensor


@keras.saving.register_keras_serializable(package="gan")
class Adam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` (arXiv:1412.6980) that updates each variable with TensorFlow's fused Adam kernel.

    Formula and state are those of Keras, so each of the two can load the state that the other saved. Keras uses about
    twelve small operations per variable, which take much of a train step of small networks.

    Keras' own update is used with several replicas of a `tf.distribute` strategy, with `amsgrad`, and for variables
    that are not float32.
    """

    def update_step(self, gradient: Tensor, variable: Tensor, learning_rate: Tensor) -> None:
        """Updates one variable and its two moments."""
        several = tf.distribute.get_strategy().num_replicas_in_sync > 1
        if several or self.amsgrad or variable.dtype != tf.float32:
            super().update_step(gradient, variable, learning_rate)
            return
        # Private in Keras: the index of a variable's two moments. The kernel needs the moment variables themselves, and
        # Keras does not document their order in the public `variables`.
        index = self._get_variable_index(variable)
        step = tf.cast(tf.convert_to_tensor(self.iterations) + 1, tf.float32)  # not a variable when it accumulates
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, tf.float32),
        )
