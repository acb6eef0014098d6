"""Class conditioning: label embeddings in the generator, and projection or concatenation in the discriminator."""

import math
from collections.abc import Callable

from keras import initializers, layers, ops

from gan.models.networks.norms import Norm
from gan.utils.types import Tensor

LABEL_EMBEDDING = "label_embedding"
"""Name of the layer with the label embedding of a conditional network. A saved file also shows the number of classes
through this layer."""

Features = Callable[[Tensor], Tensor]
"""images [B, H, W, C] -> features [B, F]: the body of a discriminator."""


def with_labels(latents: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Concatenates latents [B, L] with a learned embedding of the labels, int32 [B], of the same length: [B, 2 L]."""
    return layers.Concatenate()(
        [latents, layers.Embedding(num_classes, latents.shape[-1], name=LABEL_EMBEDDING)(labels)]
    )


def unconditional(images: Tensor, features: Features, norm: Norm) -> Tensor:
    """Returns the logits [B, 1] of images [B, H, W, C] without labels: w . features(x) + b."""
    x = features(images)  # first: layers draw seeds when they are created, so their order must stay the same
    return norm.dense(1)(x)


def projection(images: Tensor, labels: Tensor, num_classes: int, features: Features, norm: Norm) -> Tensor:
    """Returns the logits [B, 1] of a projection discriminator: w . f + b + e_y . f. arXiv:1802.05637.

    f = features(image), and e_y is a learned embedding of the label y. Images are [B, H, W, C], labels int32 [B].
    """
    x = features(images)
    logits = norm.dense(1)(x)
    # One matrix product with the embeddings of all classes, of which the label's is kept. With few classes this is
    # faster than looking up one row per image. The initializer is Keras' default for embeddings.
    embeddings = norm.dense(
        num_classes, use_bias=False, kernel_initializer=initializers.RandomUniform(), name=LABEL_EMBEDDING
    )
    products = layers.Multiply()([embeddings(x), ops.one_hot(labels, num_classes)])
    return layers.Add()([logits, ops.sum(products, axis=1, keepdims=True)])


def concat(images: Tensor, labels: Tensor, num_classes: int, features: Features, norm: Norm) -> Tensor:
    """Returns the logits [B, 1] of images [B, H, W, C] with the label, int32 [B], as one more channel. arXiv:1411.1784.

    The channel is a learned embedding of the label with H * W numbers. The embedding is never normalized, since it does
    not act on the image.
    """
    size = images.shape[1:3]
    # Initialized on the scale of the pixels, [-1, 1]. Keras' default, +-0.05, is too small beside them.
    table = layers.Embedding(num_classes, math.prod(size), initializers.RandomUniform(-1.0, 1.0), name=LABEL_EMBEDDING)
    plane = layers.Reshape((*size, 1))(table(labels))
    return unconditional(layers.Concatenate()([images, plane]), features, norm)


CONDITIONINGS: dict[str, Callable[[Tensor, Tensor, int, Features, Norm], Tensor]] = {
    "projection": projection,
    "concat": concat,
}
"""name -> (images, labels, number of classes, features, normalization) -> logits [B, 1]."""
