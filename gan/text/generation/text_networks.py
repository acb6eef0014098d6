"""The networks of a text GAN: one-dimensional residual networks without normalization, after arXiv:1705.10929.

As there, G ends in a softmax over the characters of each place, and D reads it as it is, or the one-hot rows of a real
text. Nothing is sampled or rounded between G and D, so the gradient of D's loss reaches G. Different from there, G
begins at a quarter of the length and D ends at it: a block there costs a quarter, and sees four times as far.

Two neighbors become one place in D, with twice the channels, and the other way round in G: nothing of their order is
lost, as it would be by a mean.

The category of a text shows in n-grams anywhere in it. So D also has the largest value of each of some windows over all
places, as a recognizer has, and G gets the category again at each length.
"""

from itertools import pairwise

import keras
from keras import initializers, layers

from gan.models.networks.conditioning import LABEL_EMBEDDING, projection, unconditional
from gan.models.networks.norms import NORMS
from gan.utils.types import Tensor

KERNEL = 3
"""Places that a convolution sees."""
STAGES = 2
"""Halvings of the length in D, and doublings in G."""
BLOCKS = STAGES + 1
"""Residual blocks of each network: one at each length."""
WINDOWS = (3, 5)
"""Places of the n-grams that D looks for anywhere in a text."""


def build_text_generator(
    length: int, size: int, latent_dim: int, num_classes: int = 0, *, width: int = 64
) -> keras.Model:
    """Builds a generator: latents [B, Z](, labels int32 [B]) -> images float32 [B, length, 1, size] in [-1, 1].

    A pixel is 2 p - 1, where p is the probability of a character: softmax over the channels.

    Args:
        length: places of a text; >= 1.
        size: size of the alphabet, end and unknown character included; >= 3.
        latent_dim: length of a latent vector; >= 1.
        num_classes: number of categories; 0: no labels.
        width: filters of the convolutions; >= 1.
    """
    latents = x = keras.Input((latent_dim,), name="latents")
    labels = category = None
    if num_classes:
        labels = keras.Input((), dtype="int32", name="labels")
        # initialized on the scale of the latents: Keras' default, +-0.05, is too small beside them
        normal = initializers.RandomNormal(stddev=1.0)
        category = layers.Embedding(num_classes, latent_dim, normal, name=LABEL_EMBEDDING)(labels)
        x = layers.Concatenate()([latents, category])
    lengths = _lengths(length)
    x = layers.Reshape((lengths[-1], width))(layers.Dense(lengths[-1] * width)(x))
    x = _block(_with_category(x, category))
    for stage in reversed(range(STAGES)):
        x = layers.Reshape((2 * lengths[stage + 1], width))(layers.Conv1D(2 * width, 1)(x))
        x = layers.Cropping1D((0, 2 * lengths[stage + 1] - lengths[stage]))(x)
        x = _block(_with_category(x, category))
    x = layers.Conv1D(size, KERNEL, padding="same")(layers.ReLU()(x))
    p = layers.Softmax(dtype="float32", name="probabilities")(x)
    images = layers.Rescaling(2.0, -1.0, dtype="float32", name="images")(layers.Reshape((length, 1, size))(p))
    return keras.Model([latents, labels] if num_classes else latents, images, name="generator")


def build_text_discriminator(length: int, size: int, num_classes: int = 0, *, width: int = 64) -> keras.Model:
    """Builds a discriminator: images [B, length, 1, size] in [-1, 1](, labels int32 [B]) -> logits float32 [B, 1].

    The labels enter by projection (arXiv:1802.05637). The arguments are those of `build_text_generator`.
    """
    images = keras.Input((length, 1, size), name="images")
    labels = keras.Input((), dtype="int32", name="labels") if num_classes else None

    def features(x: Tensor) -> Tensor:
        p = layers.Rescaling(0.5, 0.5)(layers.Reshape((length, size))(x))
        x = _block(layers.Conv1D(width, 1)(p))
        for longer, shorter in pairwise(_lengths(length)):
            x = layers.ZeroPadding1D((0, 2 * shorter - longer))(x)
            x = _block(layers.Conv1D(width, 1)(layers.Reshape((shorter, 2 * width))(x)))
        padded = layers.ZeroPadding1D(1)(p)
        found = [layers.Conv1D(width, window, padding="same", activation="relu")(padded) for window in WINDOWS]
        pooled = [layers.GlobalMaxPooling1D()(one) for one in found]
        return layers.Concatenate()([layers.Flatten()(layers.ReLU()(x)), *pooled])

    norm = NORMS["none"]
    if num_classes:
        logits = projection(images, labels, num_classes, features, norm)
    else:
        logits = unconditional(images, features, norm)
    logits = layers.Activation("linear", dtype="float32", name="logits")(logits)
    return keras.Model([images, labels] if num_classes else images, logits, name="discriminator")


def _with_category(x: Tensor, category: Tensor | None) -> Tensor:
    """Returns x [B, L, C] plus a learned linear function of the category's embedding, the same at each place."""
    if category is None:
        return x
    filters = x.shape[-1]
    return layers.Add()([x, layers.Reshape((1, filters))(layers.Dense(filters)(category))])


def _lengths(length: int) -> list[int]:
    """Returns the lengths of the stages, the full one first. Each next one is half as long, rounded up."""
    lengths = [length]
    for _ in range(STAGES):
        lengths.append(-(-lengths[-1] // 2))
    return lengths


def _block(x: Tensor) -> Tensor:
    """Returns x + branch(x), both [B, L, C]: ReLU and convolution, twice. It begins with a small branch."""
    filters = x.shape[-1]
    branch = layers.Conv1D(filters, KERNEL, padding="same", kernel_initializer="he_normal")(layers.ReLU()(x))
    small = initializers.VarianceScaling(2.0 / BLOCKS, "fan_in", "truncated_normal")
    branch = layers.Conv1D(filters, KERNEL, padding="same", kernel_initializer=small)(layers.ReLU()(branch))
    return layers.Add()([x, branch])
