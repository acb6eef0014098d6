"""Adam with one operation a variable."""

import keras
import tensorflow as tf

from gan.utils.types import Tensor


@keras.saving.register_keras_serializable(package="gan")
class Adam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` (arXiv:1412.6980) whose update of a variable is TensorFlow's one kernel for it.

    The same formula and the same state, so that either goes on from what the other saved. Keras writes it as a dozen
    small operations a variable, which are much of a step where networks are small. Where replicas of a `tf.distribute`
    strategy share a step, for `amsgrad`, and for variables that are not float32, it is Keras' own.
    """

    def update_step(self, gradient: Tensor, variable: Tensor, learning_rate: Tensor) -> None:
        """Moves one variable (a `tf.Variable`), and its two means."""
        several = tf.distribute.get_strategy().num_replicas_in_sync > 1
        if several or self.amsgrad or variable.dtype != tf.float32:
            super().update_step(gradient, variable, learning_rate)
            return
        # Private in Keras: where it keeps the two means of a variable. A kernel needs the variables themselves, and the
        # public `variables` has them in an order that is no promise.
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations.value + 1, tf.float32)
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
