"""Differentiable augmentation of all images, real and fake, before the discriminator.

It helps with small datasets. Each layer is differentiable with respect to its images, twice. Random numbers differ for
each image and depend only on the key that a layer is called with. `brightness`, `contrast`, `translation` and `cutout`
are those of DiffAugment (arXiv:2006.10738), with the default strengths of its code. `flip`, `rotate90`,
`integer_translation`, `scale` and `color` are those of ADA (arXiv:2006.06676, appendix B), with its default strengths.
Two differ from ADA: `integer_translation` moves the pixels that leave the image to its other side, where ADA continues
the image by reflection, and `scale` interpolates without wavelet filters.
"""

import math
from collections.abc import Iterable
from typing import Literal

import keras
import tensorflow as tf
from keras import ops

from gan.errors import InputError, check_not_negative, check_share
from gan.models import random
from gan.models.adaptive import Adaptive as Adaptive
from gan.models.augmentation import Augmentation as Augmentation
from gan.models.augmentation import Chain as Chain
from gan.models.augmentation import Occasional as Occasional
from gan.models.augmentation import one_per_image
from gan.utils.types import Tensor


class _WithStrength(Augmentation):
    """Base class of an augmentation with a `strength` in [0, 1], where 0 changes nothing."""

    def __init__(self, strength: float, *, name: str | None = None) -> None:
        check_share("strength", strength)
        super().__init__(name=name)
        self.strength = strength

    def get_config(self) -> dict[str, object]:
        return {"strength": self.strength, "name": self.name}


class _WithoutOptions(Augmentation):
    """Base class of an augmentation without options."""

    def get_config(self) -> dict[str, object]:
        return {"name": self.name}


def _offsets(images: Tensor, key: Tensor, limits: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Returns random (rows, columns) per image, each a whole number from -limit to limit: int32 [B] twice."""
    count = tf.shape(images)[0]
    drawn = [
        ops.cast(ops.floor(random.uniform((count,), random.fold_in(key, axis), -limit, limit + 1)), "int32")
        for axis, limit in enumerate(limits)
    ]
    return drawn[0], drawn[1]


def _product(rows: Tensor, columns: Tensor, images: Tensor) -> Tensor:
    """Returns images with new rows and columns, which are weighted sums of the old ones.

    A product with matrices is linear: every derivative exists, on every device and under XLA.

    Args:
        rows, columns: weights, float32 [B, H, H] and [B, W, W].
        images: float32 [B, H, W, C].
    """
    moved = ops.einsum("bij,bjwc->biwc", rows, images)
    return ops.einsum("bij,bhjc->bhic", columns, moved)


@keras.saving.register_keras_serializable(package="gan")
class Brightness(_WithStrength):
    """Adds one number from -strength to strength to all pixels of an image."""

    def __init__(self, strength: float = 0.5, *, name: str | None = None) -> None:
        super().__init__(strength, name=name)

    def call(self, images: Tensor, key: Tensor) -> Tensor:
        return images + one_per_image(images, key, -self.strength, self.strength)


@keras.saving.register_keras_serializable(package="gan")
class Contrast(_WithStrength):
    """Multiplies the differences from the image's mean by a factor from 1 - strength to 1 + strength."""

    def __init__(self, strength: float = 0.5, *, name: str | None = None) -> None:
        super().__init__(strength, name=name)

    def call(self, images: Tensor, key: Tensor) -> Tensor:
        mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
        return mean + (images - mean) * one_per_image(images, key, 1.0 - self.strength, 1.0 + self.strength)


@keras.saving.register_keras_serializable(package="gan")
class Translation(_WithStrength):
    """Shifts an image by whole pixels, by up to `strength` times its height and width. New pixels are 0."""

    def __init__(self, strength: float = 0.125, *, name: str | None = None) -> None:
        super().__init__(strength, name=name)

    def call(self, images: Tensor, key: Tensor) -> Tensor:
        down, right = _offsets(images, key, _limits(images, self.strength))
        height, width = images.shape[1:3]
        return _product(_shift_matrices(down, height), _shift_matrices(right, width), images)


def _limits(images: Tensor, share: float) -> tuple[int, int]:
    """Returns a share of the height and of the width, in whole pixels."""
    height, width = images.shape[1:3]
    return int(height * share + 0.5), int(width * share + 0.5)


def _shift_matrices(by: Tensor, length: int) -> Tensor:
    """Returns matrices that shift a line of pixels by `by` places: int32 [B] -> float32 [B, length, length]."""
    place = ops.arange(length)
    return ops.cast(place[None, :, None] - by[:, None, None] == place[None, None, :], "float32")


@keras.saving.register_keras_serializable(package="gan")
class Cutout(_WithStrength):
    """Sets a rectangle of `strength` times the height and width to 0. Its center is uniform over the image."""

    def __init__(self, strength: float = 0.5, *, name: str | None = None) -> None:
        super().__init__(strength, name=name)

    def call(self, images: Tensor, key: Tensor) -> Tensor:
        height, width = images.shape[1:3]
        cut = [
            _cut_mask(random.uniform((tf.shape(images)[0],), random.fold_in(key, axis)), side, self.strength)
            for axis, side in enumerate((height, width))
        ]
        return images * (1.0 - cut[0][:, :, None, None] * cut[1][:, None, :, None])


def _cut_mask(center: Tensor, length: int, share: float) -> Tensor:
    """Returns 1 for pixels nearer to the center than `share * length / 2`, else 0: [B] in [0, 1] -> [B, length]."""
    place = ops.arange(length, dtype="float32") + 0.5
    return ops.cast(ops.abs(place[None, :] - center[:, None] * length) < 0.5 * share * length, "float32")


@keras.saving.register_keras_serializable(package="gan")
class Flip(_WithoutOptions):
    """Mirrors half of the images, left to right.

    Both forms are equally likely, so G could learn mirrored images. `Occasional` and `Adaptive` prevent that.
    """

    def call(self, images: Tensor, key: Tensor) -> Tensor:
        return ops.where(one_per_image(images, key) < 0.5, ops.flip(images, axis=2), images)


@keras.saving.register_keras_serializable(package="gan")
class Rotate90(_WithoutOptions):
    """Turns each image by 0, 90, 180 or 270 degrees; one that is not square by 0 or 180 degrees.

    All are equally likely, so G could learn turned images. `Occasional` and `Adaptive` prevent that.
    """

    def call(self, images: Tensor, key: Tensor) -> Tensor:
        height, width = images.shape[1:3]
        half = one_per_image(images, random.fold_in(key, 0)) < 0.5
        images = ops.where(half, ops.flip(images, axis=(1, 2)), images)
        if height != width:
            return images
        quarter = one_per_image(images, random.fold_in(key, 1)) < 0.5
        return ops.where(quarter, ops.flip(ops.transpose(images, (0, 2, 1, 3)), axis=1), images)


@keras.saving.register_keras_serializable(package="gan")
class IntegerTranslation(_WithStrength):
    """Shifts an image by whole pixels, by up to `strength` times its height and width.

    Pixels that leave the image enter it at the other side, so no pixel is lost. `Translation` fills with 0 instead.
    """

    def __init__(self, strength: float = 0.125, *, name: str | None = None) -> None:
        super().__init__(strength, name=name)

    def call(self, images: Tensor, key: Tensor) -> Tensor:
        down, right = _offsets(images, key, _limits(images, self.strength))
        height, width = images.shape[1:3]
        return _product(_cycle_matrices(down, height), _cycle_matrices(right, width), images)


def _cycle_matrices(by: Tensor, length: int) -> Tensor:
    """Returns matrices that shift a line of pixels in a circle: int32 [B] -> float32 [B, length, length]."""
    place = ops.arange(length)
    return ops.cast(ops.mod(place[None, :, None] - by[:, None, None], length) == place[None, None, :], "float32")


@keras.saving.register_keras_serializable(package="gan")
class Scale(_WithStrength):
    """Enlarges or reduces an image about its center, by 2^(strength * n) for a standard normal number n.

    New pixels are bilinear interpolations. Beyond its borders, the image is continued by reflection. (The paper uses
    wavelet filters instead of interpolation.)
    """

    def __init__(self, strength: float = 0.2, *, name: str | None = None) -> None:
        super().__init__(strength, name=name)

    def call(self, images: Tensor, key: Tensor) -> Tensor:
        factor = ops.power(2.0, self.strength * random.normal((tf.shape(images)[0],), key))
        height, width = images.shape[1:3]
        return _product(_scale_matrices(factor, height), _scale_matrices(factor, width), images)


def _scale_matrices(factor: Tensor, length: int) -> Tensor:
    """Returns matrices that scale a line of pixels about its center: [B] -> float32 [B, length, length].

    Each row has the weights of the old pixels in a new one. Their sum is 1.
    """
    place, last = ops.arange(length, dtype="float32"), length - 1
    old = (place[None, :] - last / 2) / factor[:, None] + last / 2
    old = last - ops.abs(ops.mod(old, max(1.0, 2.0 * last)) - last)  # reflected at the centers of the outer pixels
    return ops.maximum(0.0, 1.0 - ops.abs(old[:, :, None] - place[None, None, :]))


@keras.saving.register_keras_serializable(package="gan")
class Color(Augmentation):
    """Changes brightness, contrast, saturation and hue of an image by one linear map of its colors.

    With standard normal numbers n, u uniform in [-1, 1), and a color x that has the gray part g (the mean of red, green
    and blue), the new color is

        c (g + s R(x - g)) + c b,   b = brightness * n,  c = 2^(contrast * n),  s = 2^(saturation * n),

    where R turns colors about the gray axis by the angle pi * hue * u. arXiv:2006.06676, appendix B. Images without
    three channels have no saturation and no hue, so only b and c change them.

    Args:
        brightness, contrast, saturation: spread of the random numbers; >= 0.
        hue: largest turn as a share of 180 degrees, in [0, 1].
    """

    def __init__(
        self,
        brightness: float = 0.2,
        contrast: float = 0.5,
        saturation: float = 1.0,
        hue: float = 1.0,
        *,
        name: str | None = None,
    ) -> None:
        for part, spread in (("brightness", brightness), ("contrast", contrast), ("saturation", saturation)):
            check_not_negative(part, spread)
        check_share("hue", hue)
        super().__init__(name=name)
        self.brightness, self.contrast, self.saturation, self.hue = brightness, contrast, saturation, hue

    def call(self, images: Tensor, key: Tensor) -> Tensor:
        count = tf.shape(images)[0]
        brightness, contrast, saturation = ops.unstack(random.normal((3, count), random.fold_in(key, 0)))
        if images.shape[-1] == 3:
            angle = math.pi * self.hue * random.uniform((count,), random.fold_in(key, 1), -1.0, 1.0)
            matrices = _color_matrices(ops.power(2.0, self.saturation * saturation), angle)
            images = ops.einsum("bij,bhwj->bhwi", matrices, images)
        factor = ops.power(2.0, self.contrast * contrast)
        return factor[:, None, None, None] * (images + (self.brightness * brightness)[:, None, None, None])

    def get_config(self) -> dict[str, object]:
        names = ("brightness", "contrast", "saturation", "hue", "name")
        return {name: getattr(self, name) for name in names}


def _color_matrices(saturation: Tensor, angle: Tensor) -> Tensor:
    """Returns matrices that turn colors about the gray axis and scale their distance from it: [B] twice -> [B, 3, 3].

    Rodrigues' formula for the axis (1, 1, 1) / sqrt(3).
    """
    gray = ops.full((3, 3), 1 / 3)
    cross = ops.convert_to_tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    cosine, sine = (saturation * turn(angle) for turn in (ops.cos, ops.sin))
    return gray + cosine[:, None, None] * (ops.eye(3) - gray) + sine[:, None, None] * cross


AUGMENTATIONS: dict[str, type[Augmentation]] = {
    "brightness": Brightness,
    "contrast": Contrast,
    "translation": Translation,
    "cutout": Cutout,
    "flip": Flip,
    "rotate90": Rotate90,
    "integer_translation": IntegerTranslation,
    "scale": Scale,
    "color": Color,
}


def get(names: Iterable[str], *, probability: float | Literal["ada"] = 1.0) -> Augmentation | None:
    """Returns the augmentations with these names in `AUGMENTATIONS`, with their defaults, in this order.

    Returns None for an empty list. Raises `InputError` for an unknown name or probability.

    probability: probability with which each one is applied to each image, in [0, 1]. "ada": training adapts it, see
        `Adaptive`.
    """
    names = list(names)
    for name in names:
        if name not in AUGMENTATIONS:
            raise InputError(
                "Unknown `augment`", expected=f"some of {list(AUGMENTATIONS)}", received=f"augment={name!r}"
            )
    parts = [AUGMENTATIONS[name]() for name in names]
    if isinstance(probability, str) and probability != "ada":
        raise InputError(
            "Bad `probability`", expected="a number from 0 to 1, or 'ada'", received=f"probability={probability!r}"
        )
    whole = Adaptive(parts) if probability == "ada" else Occasional(parts, probability=probability)
    return (Chain(parts) if probability == 1 else whole) if parts else None
