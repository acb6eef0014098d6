"""Differentiable augmentation of all images, real and fake, before the discriminator.

It helps with small datasets. Each layer is differentiable with respect to its images. Random numbers differ for each
image and depend only on the key that a layer is called with. Default strengths are those of the DiffAugment code
(arXiv:2006.10738).
"""

from abc import abstractmethod
from collections.abc import Iterable

import keras
import tensorflow as tf
from keras import ops

from gan.errors import InputError, check_share
from gan.models import random
from gan.utils.types import Tensor


class Augmentation(keras.Layer):
    """Base class of an augmentation layer: `augmentation(images, key)` returns float32 images [B, H, W, C].

    `images` are [B, H, W, C] in [-1, 1]. `key`, int64 [2], determines the random numbers.
    """

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name, dtype="float32")

    @abstractmethod
    def call(self, images: Tensor, key: Tensor) -> Tensor:
        """Returns the augmented images."""


class _WithStrength(Augmentation):
    """Base class of an augmentation with a `strength` in [0, 1], where 0 changes nothing."""

    def __init__(self, strength: float, *, name: str | None = None) -> None:
        check_share("strength", strength)
        super().__init__(name=name)
        self.strength = strength

    def get_config(self) -> dict[str, object]:
        return {"strength": self.strength, "name": self.name}


def _uniform(images: Tensor, key: Tensor, low: float, high: float) -> Tensor:
    """Returns one number in [low, high) per image: [B, 1, 1, 1]."""
    return random.uniform((tf.shape(images)[0], 1, 1, 1), key, low, high)


def _offsets(images: Tensor, key: Tensor, limits: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Returns random (rows, columns) per image, each a whole number from -limit to limit: int32 [B] twice."""
    count = tf.shape(images)[0]
    drawn = [
        ops.cast(ops.floor(random.uniform((count,), random.fold_in(key, axis), -limit, limit + 1)), "int32")
        for axis, limit in enumerate(limits)
    ]
    return drawn[0], drawn[1]


@keras.saving.register_keras_serializable(package="gan")
class Brightness(_WithStrength):
    """Adds one number from -strength to strength to all pixels of an image."""

    def __init__(self, strength: float = 0.5, *, name: str | None = None) -> None:
        super().__init__(strength, name=name)

    def call(self, images: Tensor, key: Tensor) -> Tensor:
        return images + _uniform(images, key, -self.strength, self.strength)


@keras.saving.register_keras_serializable(package="gan")
class Contrast(_WithStrength):
    """Multiplies the differences from the image's mean by a factor from 1 - strength to 1 + strength."""

    def __init__(self, strength: float = 0.5, *, name: str | None = None) -> None:
        super().__init__(strength, name=name)

    def call(self, images: Tensor, key: Tensor) -> Tensor:
        mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
        return mean + (images - mean) * _uniform(images, key, 1.0 - self.strength, 1.0 + self.strength)


@keras.saving.register_keras_serializable(package="gan")
class Translation(_WithStrength):
    """Shifts an image by whole pixels, by up to `strength` times its height and width. New pixels are 0."""

    def __init__(self, strength: float = 0.125, *, name: str | None = None) -> None:
        super().__init__(strength, name=name)

    def call(self, images: Tensor, key: Tensor) -> Tensor:
        height, width = images.shape[1:3]
        limits = (int(height * self.strength + 0.5), int(width * self.strength + 0.5))
        down, right = _offsets(images, key, limits)
        # a product with 0/1 matrices: linear, so every derivative exists, on every device and under XLA
        moved = ops.einsum("bij,bjwc->biwc", _shift_matrices(down, height), images)
        return ops.einsum("bij,bhjc->bhic", _shift_matrices(right, width), moved)


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
class Chain(Augmentation):
    """Applies augmentations in sequence. Each one has its own random numbers."""

    def __init__(self, parts: Iterable[Augmentation], *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.parts = list(parts)

    def call(self, images: Tensor, key: Tensor) -> Tensor:
        for number, part in enumerate(self.parts):
            images = part(images, random.fold_in(key, number))
        return images

    def get_config(self) -> dict[str, object]:
        return {"parts": [keras.saving.serialize_keras_object(part) for part in self.parts], "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, object]) -> "Chain":
        return cls(**{**config, "parts": keras.saving.deserialize_keras_object(config["parts"])})


AUGMENTATIONS: dict[str, type[Augmentation]] = {
    "brightness": Brightness,
    "contrast": Contrast,
    "translation": Translation,
    "cutout": Cutout,
}


def get(names: Iterable[str]) -> Augmentation | None:
    """Returns the augmentations with these names in `AUGMENTATIONS`, with their defaults, in this order.

    Returns None for an empty list. Raises `InputError` for an unknown name.
    """
    names = list(names)
    for name in names:
        if name not in AUGMENTATIONS:
            raise InputError(
                "Unknown `augment`", expected=f"some of {list(AUGMENTATIONS)}", received=f"augment={name!r}"
            )
    return Chain(AUGMENTATIONS[name]() for name in names) if names else None
