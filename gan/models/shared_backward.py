"""Updates of D and G with the gradients of the same D: one backward pass through D for both losses.

D computes the logit of an image from that image alone. So the gradient of any loss of the logits with respect to a fake
is the derivative of the loss with respect to the fake's logit, times the gradient of that logit. D's update computes
the gradient of D's loss with respect to each fake on its way to D's weights. Multiplied by the quotient of the two
derivatives, a number per fake, it is the gradient of G's loss.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import layers, ops

from gan.errors import InputError
from gan.models.critic import Logits
from gan.models.losses import AdversarialLoss
from gan.models.networks.graph import calls
from gan.models.networks.inspect import layers_of
from gan.models.networks.spectral import SpectralConv2D, SpectralDense
from gan.models.networks.tf_tutorial import Dropout
from gan.utils.types import Tensor

PER_IMAGE = {
    layers.Activation, layers.Add, layers.AveragePooling2D, layers.Concatenate, layers.Conv2D, layers.Conv2DTranspose,
    layers.Cropping2D, layers.Dense, layers.DepthwiseConv2D, layers.Dropout, layers.ELU, layers.Embedding,
    layers.Flatten, layers.GaussianNoise, layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D,
    layers.GroupNormalization, layers.InputLayer, layers.LayerNormalization, layers.LeakyReLU, layers.MaxPooling2D,
    layers.Multiply, layers.ReLU, layers.Rescaling, layers.Reshape, layers.SpatialDropout2D, layers.Subtract,
    layers.UpSampling2D, layers.ZeroPadding2D, Dropout, SpectralConv2D, SpectralDense,
}  # fmt: skip
"""Layers whose output for an image depends on that image alone, along other axes than the first."""
PER_IMAGE_FUNCTIONS = {"Add", "Cast", "Multiply", "OneHot", "Subtract", "Sum", "Mean"}
"""Functions of `keras.ops` of which the same holds."""

LEAST = 1e-20
"""Least size of the derivative of D's loss with respect to a fake's logit. It changes D's gradient by less than the
rounding of float32. It keeps the quotient finite where D's loss is flat, as the hinge loss is."""


def is_possible(
    generator: keras.Model, discriminator: keras.Model, d_optimizer: keras.optimizers.Optimizer, layer_losses: bool
) -> bool:
    """Returns whether the gradient of G's loss with respect to the fakes can be a multiple of that of D's loss.

    D must compute each logit from one image, without losses of its layers. Numbers as small as `LEAST` must not be
    rounded to 0, as in float16, and no scale of D's loss may overflow.

    layer_losses: whether layers of D add losses.
    """
    half = generator.outputs[0].dtype, *(layer.compute_dtype for layer in layers_of(discriminator))
    scaled = isinstance(d_optimizer, keras.optimizers.LossScaleOptimizer) or "float16" in half
    return not (layer_losses or scaled) and is_per_image(discriminator)


def is_per_image(network: keras.Model) -> bool:
    """Returns whether each output of a network is known to depend on one sample of its batch alone.

    Layers of other packages, subclasses of Keras' layers, own activations and models inside the network are not known.
    """
    if type(network).__module__.partition(".")[0] != "keras":
        return False
    return all(map(_keeps_samples_apart, {id(one): one for one, *_ in calls(network)}.values()))


def _keeps_samples_apart(operation: keras.Operation) -> bool:
    """Returns whether a layer or a function of `keras.ops` is known to act on each sample alone."""
    reduces = type(operation).__name__ in ("Sum", "Mean")
    axis = getattr(operation, "axis", None)
    axes = [axis] if isinstance(axis, int) else list(axis or ([0] if reduces else []))
    activation = getattr(operation, "activation", None)
    own_activation = activation is not None and getattr(activation, "__module__", "").partition(".")[0] != "keras"
    known = type(operation) in PER_IMAGE or (
        not isinstance(operation, keras.Layer) and type(operation).__name__ in PER_IMAGE_FUNCTIONS
    )
    return known and 0 not in axes and not own_activation


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
    if of_logits is None:
        expected = "a discriminator loss of the logits of reals and fakes"
        raise InputError("D's loss ignores the fakes", expected=expected, received=type(loss).__name__)
    real_logits, fake_logits = tf.stop_gradient(logits.real), tf.stop_gradient(logits.fake)
    with tf.GradientTape() as tape:
        tape.watch(fake_logits)
        value = ops.mean(loss.generator(real_logits, fake_logits))
    quotients = tape.gradient(value, fake_logits) / of_logits
    gradient = tf.reshape(quotients, [-1] + [1] * (len(fake.shape) - 1)) * tf.cast(of_images, quotients.dtype)

    @tf.custom_gradient
    def apply(images: Tensor) -> Tensor:
        return tf.identity(value), lambda upstream: tf.cast(upstream * gradient, images.dtype)

    return apply(fake)
