"""`build_generator` and `build_discriminator`: an architecture between latents, labels, images and logits."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

import keras
from keras import layers

from gan.errors import InputError, check, check_whole
from gan.models.networks import dcgan, mlp, resnet, tf_tutorial
from gan.models.networks.conditioning import CONDITIONINGS, unconditional, with_labels
from gan.models.networks.norms import NORMS, Norm
from gan.models.networks.sizes import ImageShape
from gan.utils.types import Tensor

Part = TypeVar("Part")


class Generator(NamedTuple):
    """An architecture of G."""

    images: Callable[[Tensor, ImageShape, int], Tensor]
    """(inputs [B, N], image shape, width) -> images [B, H, W, C] before the tanh."""
    width: int
    """Default width."""


class Discriminator(NamedTuple):
    """An architecture of D."""

    features: Callable[[Tensor, int, Norm], Tensor]
    """(images [B, H, W, C], width, normalisation) -> features [B, F]."""
    width: int
    """Default width."""


GENERATORS: dict[str, Generator] = {
    "dcgan": Generator(dcgan.generator, 32),
    "mlp": Generator(mlp.generator, 128),
    "resnet": Generator(resnet.generator, 16),
    "tf_tutorial": Generator(tf_tutorial.generator, 64),
}
DISCRIMINATORS: dict[str, Discriminator] = {
    "dcgan": Discriminator(dcgan.discriminator, 32),
    "mlp": Discriminator(mlp.discriminator, 128),
    "resnet": Discriminator(resnet.discriminator, 16),
    "tf_tutorial": Discriminator(tf_tutorial.discriminator, 64),
}
"""arch -> network; a new architecture is a file beside these and an entry here."""


def build_generator(
    image_shape: ImageShape, latent_dim: int, num_classes: int = 0, arch: str = "dcgan", width: int | None = None
) -> keras.Model:
    """A generator: latents [B, latent_dim](, labels int32 [B]) -> images float32 [B, H, W, C] in [-1, 1] (tanh).

    Args:
        image_shape: (height, width, channels); height and width from 8 to 256, or from 1 for `mlp`.
        latent_dim: length of a latent vector.
        num_classes: 0 for an unconditional network; otherwise it takes labels in 0..num_classes-1 as second input,
            and their learned embedding (of `latent_dim` numbers) is appended to the latents.
        arch: `dcgan` (transposed convolutions, arXiv:1511.06434: the stage nearest the image has `width` filters and
            each one before it twice as many), `mlp` (dense layers of width, 2 width, 4 width, 8 width), `resnet`
            (residual blocks without normalisation, after R3GAN, arXiv:2501.05441) or `tf_tutorial` (TensorFlow's DCGAN
            tutorial). All but `mlp` begin where the smaller side, halved again and again, would fall below 4.
        width: default 32 for `dcgan`, 128 for `mlp`, 16 for `resnet`, 64 for `tf_tutorial`.

    Raises `InputError` for an unknown `arch`, or a size that it cannot make; the message names the nearest it can.
    """
    body, default_width = _lookup(GENERATORS, "arch", arch)
    width = _check(image_shape, default_width if width is None else width)
    check_whole("latent_dim", latent_dim, 1)
    latents = x = keras.Input((latent_dim,), name="latents")
    labels = keras.Input((), dtype="int32", name="labels") if num_classes else None
    if num_classes:
        x = with_labels(latents, labels, num_classes)
    x = body(x, image_shape, width)
    images = layers.Activation("tanh", dtype="float32", name="images")(x)
    return keras.Model([latents, labels] if num_classes else latents, images, name="generator")


def build_discriminator(
    image_shape: ImageShape,
    num_classes: int = 0,
    arch: str = "dcgan",
    width: int | None = None,
    *,
    conditioning: str = "projection",
    norm: str = "none",
) -> keras.Model:
    """A discriminator: images [B, H, W, C] in [-1, 1](, labels int32 [B]) -> logits float32 [B, 1], no sigmoid.

    Args:
        image_shape: (height, width, channels); height and width from 8 to 256, or from 1 for `mlp`.
        num_classes: 0 for an unconditional network; otherwise labels are its second input.
        arch: `dcgan` (stride-2 convolutions, `width` filters in the first and twice as many in each next), `mlp`
            (dense layers of 8 width, 4 width, 2 width, width), `resnet` or `tf_tutorial` (see `build_generator`).
        width: default 32 for `dcgan`, 128 for `mlp`, 16 for `resnet`, 64 for `tf_tutorial`.
        conditioning: `projection` (the logit gains the inner product of the features with the label's learned
            embedding, arXiv:1802.05637) or `concat` (the label's learned embedding is one more image channel,
            arXiv:1411.1784). Without classes it has no effect.
        norm: `none`, `batch` (batch normalisation before each activation but the first, arXiv:1511.06434; in `resnet`
            before every one) or `spectral` (every weight over its largest singular value, arXiv:1802.05957; a saved
            network then needs this package).

    Raises `InputError` for an unknown `arch`, `conditioning` or `norm`, or a size that it cannot take.
    """
    body, default_width = _lookup(DISCRIMINATORS, "arch", arch)
    width = _check(image_shape, default_width if width is None else width)
    condition, normalization = _lookup(CONDITIONINGS, "conditioning", conditioning), _lookup(NORMS, "norm", norm)
    images = keras.Input(image_shape, name="images")
    labels = keras.Input((), dtype="int32", name="labels") if num_classes else None

    def features(x: Tensor) -> Tensor:
        return body(x, width, normalization)

    if num_classes:
        logits = condition(images, labels, num_classes, features, normalization)
    else:
        logits = unconditional(images, features, normalization)
    logits = layers.Activation("linear", dtype="float32", name="logits")(logits)
    return keras.Model([images, labels] if num_classes else images, logits, name="discriminator")


def _lookup(table: Mapping[str, Part], option: str, name: str) -> Part:
    if name not in table:
        raise InputError(f"Unknown `{option}`", expected=f"one of {sorted(table)}", received=f"{option}={name!r}")
    return table[name]


def _check(image_shape: ImageShape, width: int) -> int:
    check(len(image_shape) == 3, "image_shape", "(height, width, channels)", image_shape)
    for side in image_shape:
        check_whole("image_shape", side, 1)
    check_whole("width", width, 1)
    return width
