"""Builds generators and discriminators from an architecture, an image shape and a number of classes."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

import keras
from keras import layers

from gan.errors import InputError, check, check_whole
from gan.models.networks import dcgan, mlp, resnet, tf_tutorial
from gan.models.networks.conditioning import CONDITIONINGS, unconditional, with_labels
from gan.models.networks.data_format import channels_last
from gan.models.networks.norms import NORMS, Norm
from gan.models.networks.sizes import ImageShape
from gan.utils.types import Tensor

Part = TypeVar("Part")


class Generator(NamedTuple):
    """An architecture of a generator."""

    images: Callable[[Tensor, ImageShape, int], Tensor]
    """(inputs [B, N], image shape, width) -> images [B, H, W, C] before the tanh."""
    width: int
    """Default width."""


class Discriminator(NamedTuple):
    """An architecture of a discriminator."""

    features: Callable[[Tensor, int, Norm], Tensor]
    """(images [B, H, W, C], width, normalization) -> features [B, F]."""
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
"""Architectures by name. To add one, add a file to this folder and entries to these dicts."""


@channels_last()
def build_generator(
    image_shape: ImageShape, latent_dim: int, num_classes: int = 0, arch: str = "dcgan", width: int | None = None
) -> keras.Model:
    """Builds a generator: latents [B, latent_dim](, labels int32 [B]) -> images float32 [B, H, W, C] in [-1, 1] (tanh).

    Args:
        image_shape: (height, width, channels). Height and width must be in 8..256; for `mlp` they must be >= 1.
        latent_dim: length of a latent vector; >= 1.
        num_classes: number of classes; 0 for an unconditional generator. Otherwise labels in 0..num_classes-1 are the
            second input. Their learned embedding of length `latent_dim` is concatenated with the latents.
        arch: name of the architecture:

            * `dcgan`: transposed convolutions, arXiv:1511.06434. The last hidden stage has `width` filters, each stage
              before it twice as many as the next.
            * `mlp`: dense layers of width, 2 width, 4 width, 8 width units.
            * `resnet`: residual blocks without normalization, after R3GAN, arXiv:2501.05441.
            * `tf_tutorial`: the generator of TensorFlow's DCGAN tutorial.

            All except `mlp` start at the smallest size in `stage_sizes` and double it up to the image size.
        width: number of filters or units as above. None: 32 for `dcgan`, 128 for `mlp`, 16 for `resnet`, 64 for
            `tf_tutorial`.

    Raises `InputError` for an unknown `arch`, or an image shape that it does not support. The message names the
    nearest supported size.
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


@channels_last()
def build_discriminator(
    image_shape: ImageShape,
    num_classes: int = 0,
    arch: str = "dcgan",
    width: int | None = None,
    *,
    conditioning: str = "projection",
    norm: str = "none",
) -> keras.Model:
    """Builds a discriminator: images [B, H, W, C] in [-1, 1](, labels int32 [B]) -> logits float32 [B, 1].

    The logits are not passed through a sigmoid.

    Args:
        image_shape: (height, width, channels). Height and width must be in 8..256; for `mlp` they must be >= 1.
        num_classes: number of classes; 0 for an unconditional discriminator. Otherwise labels in 0..num_classes-1 are
            the second input.
        arch: name of the architecture:

            * `dcgan`: stride-2 convolutions, `width` filters in the first, twice as many in each next one.
            * `mlp`: dense layers of 8 width, 4 width, 2 width, width units.
            * `resnet`, `tf_tutorial`: see `build_generator`.

        width: number of filters or units as above. None: 32 for `dcgan`, 128 for `mlp`, 16 for `resnet`, 64 for
            `tf_tutorial`.
        conditioning: how labels enter; unused without classes:

            * `projection`: adds the inner product of the features and a learned embedding of the label to the logit,
              arXiv:1802.05637.
            * `concat`: adds a learned embedding of the label as one more image channel, arXiv:1411.1784.
        norm: normalization of the hidden layers:

            * `none`: no normalization.
            * `batch`: batch normalization before each activation except the first, arXiv:1511.06434; in `resnet`
              before every activation.
            * `spectral`: divides every weight by its largest singular value, arXiv:1802.05957. Loading a saved network
              then needs this package.

    Raises `InputError` for an unknown `arch`, `conditioning` or `norm`, or an image shape that is not supported.
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
