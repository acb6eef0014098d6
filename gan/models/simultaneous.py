"""Updates of D and G with the gradients of the same D: one backward pass through D for both losses.

D computes the logit of an image from that image alone. So the gradient of any loss of the logits with respect to a fake
is the derivative of the loss with respect to the fake's logit, times the gradient of that logit. D's update computes
the gradient of D's loss with respect to each fake on its way to D's weights. Multiplied by the quotient of the two
derivatives, a number per fake, it is the gradient of G's loss.
"""

from collections.abc import Sequence

import tensorflow as tf
from keras import ops

from gan.models.critic import Logits
from gan.models.losses import AdversarialLoss
from gan.utils.types import Tensor

LEAST = 1e-20
"""Least size of the derivative of D's loss with respect to a fake's logit. It changes D's gradient by less than the
rounding of float32. It keeps the quotient finite where D's loss is flat, as the hinge loss is."""


def never_flat(logits: Logits) -> Logits:
    """Returns the same logits. In a gradient, derivatives of the fakes' logits smaller than `LEAST` become `LEAST`."""

    @tf.custom_gradient
    def apply(fake: Tensor) -> Tensor:
        return fake, lambda upstream: tf.where(tf.abs(upstream) < LEAST, tf.cast(LEAST, upstream.dtype), upstream)

    return logits._replace(fake=apply(logits.fake))


def generator_loss(loss: AdversarialLoss, logits: Logits, fake: Tensor, of_d_loss: Sequence[Tensor] = ()) -> Tensor:
    """Returns G's adversarial loss, a scalar, whose gradient with respect to the fakes uses D's backward pass.

    Args:
        loss: the adversarial loss.
        logits: logits of D.
        fake: samples of G [B, H, W, C]. The tape that recorded how G made them must be active.
        of_d_loss: derivatives of D's loss with respect to the fakes [B, H, W, C], and with respect to their logits
            [B, 1] before `never_flat`. (): the tape has recorded D as well, and makes another backward pass.
    """
    if not of_d_loss:
        return ops.mean(loss.generator(logits.real, logits.fake))
    of_images, of_logits = of_d_loss
    real_logits, fake_logits = tf.stop_gradient(logits.real), tf.stop_gradient(logits.fake)
    with tf.GradientTape() as tape:
        tape.watch(fake_logits)
        value = ops.mean(loss.generator(real_logits, fake_logits))
    quotients = tape.gradient(value, fake_logits) / of_logits
    gradient = tf.reshape(quotients, [-1] + [1] * (len(fake.shape) - 1)) * of_images

    @tf.custom_gradient
    def apply(_: Tensor) -> Tensor:
        return tf.identity(value), lambda upstream: upstream * gradient

    return apply(fake)
