"""Generators and discriminators as functional Keras models of any size, from built-in layers only.

So a saved generator loads with plain Keras, in safe mode, where this package is not installed.
"""

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from gan.checks import check, check_whole
from gan.errors import InputError

ImageShape = tuple[int, int, int]

LABEL_EMBEDDING = "label_embedding"
"""Name of the embedding layer of a class-conditional network; tells its number of classes, in a bare file too."""

SMALLEST_SIDE = 4
"""Height or width, in pixels, at which the convolutional networks stop halving."""


def upsamplings(image_shape: ImageShape) -> int:
    """How often H and W can both be halved exactly before one falls below 4: 28 -> 7 is two, 32 -> 4 is three."""
    height, width = image_shape[:2]
    stages = 0
    while height % 2 == 0 and width % 2 == 0 and min(height, width) // 2 >= SMALLEST_SIDE:
        height, width, stages = height // 2, width // 2, stages + 1
    if stages == 0:
        raise InputError(
            "These images cannot be halved",
            expected=f"an even height and width of at least {2 * SMALLEST_SIDE}",
            received=f"image_shape={image_shape}",
        )
    return stages


def downsamplings(image_shape: ImageShape) -> int:
    """How many stride-2 convolutions bring the smaller side to 4 or below: 28 -> 14 -> 7 -> 4 is three."""
    return max(1, math.ceil(math.log2(min(image_shape[:2]) / SMALLEST_SIDE)))


def _dcgan_generator(x: Any, image_shape: ImageShape, width: int) -> Any:
    height, columns, channels = image_shape
    stages = upsamplings(image_shape)
    seed_shape = (height >> stages, columns >> stages, width * 2 ** (stages - 1))
    x = layers.Dense(math.prod(seed_shape), use_bias=False)(x)
    x = layers.Reshape(seed_shape)(x)
    for stage in reversed(range(stages)):
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU()(x)
        filters = width * 2 ** (stage - 1) if stage else channels
        x = layers.Conv2DTranspose(filters, 4, strides=2, padding="same", use_bias=stage == 0)(x)
    return x


def _dcgan_discriminator(x: Any, image_shape: ImageShape, width: int) -> Any:
    for stage in range(downsamplings(image_shape)):
        x = layers.Conv2D(width * 2**stage, 4, strides=2, padding="same")(x)
        x = layers.LeakyReLU(0.2)(x)
    return layers.Flatten()(x)


def _mlp_generator(x: Any, image_shape: ImageShape, width: int) -> Any:
    for stage in range(4):
        x = layers.Dense(width * 2**stage, use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Dense(math.prod(image_shape))(x)
    return layers.Reshape(image_shape)(x)


def _mlp_discriminator(x: Any, image_shape: ImageShape, width: int) -> Any:
    x = layers.Flatten()(x)
    for stage in reversed(range(4)):
        x = layers.Dense(width * 2**stage)(x)
        x = layers.LeakyReLU(0.2)(x)
    return x


Body = Callable[[Any, ImageShape, int], Any]
GENERATORS: dict[str, tuple[Body, int]] = {"dcgan": (_dcgan_generator, 24), "mlp": (_mlp_generator, 128)}
DISCRIMINATORS: dict[str, tuple[Body, int]] = {"dcgan": (_dcgan_discriminator, 24), "mlp": (_mlp_discriminator, 128)}
"""arch -> (what stands between input and output, default width)."""


def build_generator(
    image_shape: ImageShape, latent_dim: int, num_classes: int = 0, arch: str = "dcgan", width: int | None = None
) -> keras.Model:
    """A generator: latents [B, latent_dim](, labels int32 [B]) -> images float32 [B, H, W, C] in [-1, 1] (tanh).

    Args:
        image_shape: (height, width, channels).
        latent_dim: length of a latent vector.
        num_classes: 0 for an unconditional network; otherwise it takes labels in 0..num_classes-1 as second input,
            and their learned embedding (of `latent_dim` numbers) is appended to the latents.
        arch: `dcgan` (transposed convolutions, arXiv:1511.06434: the stage nearest the image has `width` filters and
            each one before it twice as many) or `mlp` (dense layers of width, 2 width, 4 width, 8 width).
        width: default 24 for `dcgan`, 128 for `mlp`.

    Raises `InputError` for an unknown `arch`, or a size that `dcgan` cannot halve.
    """
    body, width = _lookup(GENERATORS, image_shape, arch, width)
    check_whole("latent_dim", latent_dim, 1)
    inputs = [keras.Input((latent_dim,), name="latents")]
    x = inputs[0]
    if num_classes:
        inputs.append(keras.Input((), dtype="int32", name="labels"))
        x = layers.Concatenate()([x, layers.Embedding(num_classes, latent_dim, name=LABEL_EMBEDDING)(inputs[1])])
    x = body(x, image_shape, width)
    images = layers.Activation("tanh", dtype="float32", name="images")(x)
    return keras.Model(inputs if num_classes else inputs[0], images, name="generator")


def build_discriminator(
    image_shape: ImageShape, num_classes: int = 0, arch: str = "dcgan", width: int | None = None
) -> keras.Model:
    """A discriminator: images [B, H, W, C] in [-1, 1](, labels int32 [B]) -> logits float32 [B, 1], no sigmoid.

    Args:
        image_shape: (height, width, channels).
        num_classes: 0 for an unconditional network; otherwise labels are its second input, and the logit gains the
            inner product of the features with the label's learned embedding (projection, arXiv:1802.05637).
        arch: `dcgan` (stride-2 convolutions without normalisation, `width` filters in the first and twice as many in
            each next) or `mlp` (dense layers of 8 width, 4 width, 2 width, width).
        width: default 24 for `dcgan`, 128 for `mlp`.

    Raises `InputError` for an unknown `arch`.
    """
    body, width = _lookup(DISCRIMINATORS, image_shape, arch, width)
    inputs = [keras.Input(image_shape, name="images")]
    features = body(inputs[0], image_shape, width)
    logits = layers.Dense(1)(features)
    if num_classes:
        inputs.append(keras.Input((), dtype="int32", name="labels"))
        embedding = layers.Embedding(num_classes, features.shape[-1], name=LABEL_EMBEDDING)(inputs[1])
        logits = layers.Add()([logits, layers.Dot(axes=1)([features, embedding])])
    logits = layers.Activation("linear", dtype="float32", name="logits")(logits)
    return keras.Model(inputs if num_classes else inputs[0], logits, name="discriminator")


def num_classes(network: keras.Model) -> int:
    """How many labels a network distinguishes; 0 when it takes none."""
    embeddings = [layer for layer in network.layers if layer.name == LABEL_EMBEDDING]
    return embeddings[0].input_dim if embeddings else 0


def has_batch_statistics(network: keras.Model) -> bool:
    """Whether one sample's output depends on the others of its batch during training."""
    return any(
        isinstance(layer, layers.BatchNormalization) or (isinstance(layer, keras.Model) and has_batch_statistics(layer))
        for layer in network.layers
    )


def _lookup(
    table: dict[str, tuple[Body, int]], image_shape: ImageShape, arch: str, width: int | None
) -> tuple[Body, int]:
    if arch not in table:
        raise InputError("Unknown `arch`", expected=f"one of {sorted(table)}", received=f"arch={arch!r}")
    check(len(image_shape) == 3, "image_shape", "(height, width, channels)", image_shape)
    for side in image_shape:
        check_whole("image_shape", side, 1)
    body, default_width = table[arch]
    width = default_width if width is None else width
    check_whole("width", width, 1)
    return body, width
