"""How labels enter a network: appended to G's latents; in D as a projection or as one more image channel."""

import math
from collections.abc import Callable

from keras import initializers, layers, ops

from gan.models.networks.norms import Norm
from gan.utils.types import Tensor

LABEL_EMBEDDING = "label_embedding"
"""Name of the layer that holds the labels' embedding in a class-conditional network; tells its number of classes, in a
bare file too."""

Features = Callable[[Tensor], Tensor]


def with_labels(latents: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Latents [B, L] and the labels' learned embedding, of as many numbers, side by side: [B, 2 L]."""
    return layers.Concatenate()(
        [latents, layers.Embedding(num_classes, latents.shape[-1], name=LABEL_EMBEDDING)(labels)]
    )


def unconditional(images: Tensor, features: Features, norm: Norm) -> Tensor:
    """logit = w . features(x) + b: images [B, H, W, C] -> [B, 1]."""
    x = features(images)  # before the layer: each layer draws its seed when it is made, and runs are repeatable
    return norm.dense(1)(x)


def projection(images: Tensor, labels: Tensor, num_classes: int, features: Features, norm: Norm) -> Tensor:
    """logit = w . f + b + e_y . f, with features f of the image and a learned embedding e_y of the label.

    images [B, H, W, C], labels int32 [B] -> [B, 1]. arXiv:1802.05637. The products with the embeddings of all labels
    are one matrix product, of which the label's is kept: so few take less time than to look up a row an image.
    """
    x = features(images)
    logits = norm.dense(1)(x)
    # started as Keras starts embeddings
    embeddings = norm.dense(
        num_classes, use_bias=False, kernel_initializer=initializers.RandomUniform(), name=LABEL_EMBEDDING
    )
    of_labels = layers.Multiply()([embeddings(x), ops.one_hot(labels, num_classes)])
    return layers.Add()([logits, ops.sum(of_labels, axis=1, keepdims=True)])


def concat(images: Tensor, labels: Tensor, num_classes: int, features: Features, norm: Norm) -> Tensor:
    """The logit of the image with one more channel, a learned embedding of the label in H W numbers.

    images [B, H, W, C], labels int32 [B] -> [B, 1]. arXiv:1411.1784. The embedding is never normalised: it does not
    act on the image.
    """
    size = images.shape[1:3]
    # On the scale of the other channels: the default of Keras, +-.05, would be lost beside pixels in [-1, 1].
    table = layers.Embedding(num_classes, math.prod(size), initializers.RandomUniform(-1.0, 1.0), name=LABEL_EMBEDDING)
    plane = layers.Reshape((*size, 1))(table(labels))
    return unconditional(layers.Concatenate()([images, plane]), features, norm)


CONDITIONINGS: dict[str, Callable[[Tensor, Tensor, int, Features, Norm], Tensor]] = {
    "projection": projection,
    "concat": concat,
}
"""name -> (images, labels, number of classes, features, normalisation) -> logits [B, 1]."""
