"""Differentiable augmentation: what D sees of every picture, real and fake, so that few pictures last longer.

Each layer is differentiable in its images and draws its random numbers, other ones for each picture, from a key that it
is given: nothing here keeps a random state. Strengths are those of the code of DiffAugment (arXiv:2006.10738).
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
    """`augmentation(images, key)`: images [B, H, W, C] in [-1, 1], key int64 [2] -> [B, H, W, C], in float32."""

    def __init__(self, *, name: str | None = None) -> None:
        super().__init__(name=name, dtype="float32")

    @abstractmethod
    def call(self, images: Tensor, key: Tensor) -> Tensor:
        """The changed images."""


class _OfStrength(Augmentation):
    """`strength`, a share in [0, 1], is what `get_config` saves; 0 changes nothing."""

    def __init__(self, strength: float, *, name: str | None = None) -> None:
        check_share("strength", strength)
        super().__init__(name=name)
        self.strength = strength

    def get_config(self) -> dict[str, object]:
        return {"strength": self.strength, "name": self.name}


def _uniform(images: Tensor, key: Tensor, low: float, high: float) -> Tensor:
    """A number for each picture: [B, 1, 1, 1]."""
    return random.uniform((tf.shape(images)[0], 1, 1, 1), key, low, high)


def _offsets(images: Tensor, key: Tensor, limits: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Whole numbers for each picture, (rows, columns), each from -limit to limit: int32 [B] twice."""
    count = tf.shape(images)[0]
    drawn = [
        ops.cast(ops.floor(random.uniform((count,), random.fold_in(key, axis), -limit, limit + 1)), "int32")
        for axis, limit in enumerate(limits)
    ]
    return drawn[0], drawn[1]


@keras.saving.register_keras_serializable(package="gan")
class Brightness(_OfStrength):
    """Adds a number from -strength to strength to all pixels."""

    def __init__(self, strength: float = 0.5, *, name: str | None = None) -> None:
        super().__init__(strength, name=name)

    def call(self, images: Tensor, key: Tensor) -> Tensor:
        return images + _uniform(images, key, -self.strength, self.strength)


@keras.saving.register_keras_serializable(package="gan")
class Contrast(_OfStrength):
    """Stretches the differences from the picture's mean by a factor from 1 - strength to 1 + strength."""

    def __init__(self, strength: float = 0.5, *, name: str | None = None) -> None:
        super().__init__(strength, name=name)

    def call(self, images: Tensor, key: Tensor) -> Tensor:
        mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
        return mean + (images - mean) * _uniform(images, key, 1.0 - self.strength, 1.0 + self.strength)


@keras.saving.register_keras_serializable(package="gan")
class Translation(_OfStrength):
    """Moves the picture by whole pixels, up to `strength` of its height and width; what comes in is 0."""

    def __init__(self, strength: float = 0.125, *, name: str | None = None) -> None:
        super().__init__(strength, name=name)

    def call(self, images: Tensor, key: Tensor) -> Tensor:
        height, width = images.shape[1:3]
        limits = (int(height * self.strength + 0.5), int(width * self.strength + 0.5))
        down, right = _offsets(images, key, limits)
        # a product with 0/1 matrices: linear, so every derivative exists, on every device and under XLA
        moved = ops.einsum("bij,bjwc->biwc", _moving(down, height), images)
        return ops.einsum("bij,bhjc->bhic", _moving(right, width), moved)


def _moving(by: Tensor, length: int) -> Tensor:
    """Matrices that move a line of pixels by so many places: int32 [B] -> float32 [B, length, length]."""
    place = ops.arange(length)
    return ops.cast(place[None, :, None] - by[:, None, None] == place[None, None, :], "float32")


@keras.saving.register_keras_serializable(package="gan")
class Cutout(_OfStrength):
    """Sets a rectangle of `strength` times the height and width, centred anywhere in the picture, to 0."""

    def __init__(self, strength: float = 0.5, *, name: str | None = None) -> None:
        super().__init__(strength, name=name)

    def call(self, images: Tensor, key: Tensor) -> Tensor:
        height, width = images.shape[1:3]
        cut = [
            _inside(random.uniform((tf.shape(images)[0],), random.fold_in(key, axis)), side, self.strength)
            for axis, side in enumerate((height, width))
        ]
        return images * (1.0 - cut[0][:, :, None, None] * cut[1][:, None, :, None])


def _inside(centre: Tensor, length: int, share: float) -> Tensor:
    """1 for pixels less than half of `share * length` from the centre, 0 for others: [B] in [0, 1] -> [B, length]."""
    place = ops.arange(length, dtype="float32") + 0.5
    return ops.cast(ops.abs(place[None, :] - centre[:, None] * length) < 0.5 * share * length, "float32")


@keras.saving.register_keras_serializable(package="gan")
class Chain(Augmentation):
    """Augmentations one after the other, each with random numbers of its own."""

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
    """The augmentations of these names, with their defaults, in this order; None for no name.

    Raises `InputError` for an unknown one.
    """
    names = list(names)
    for name in names:
        if name not in AUGMENTATIONS:
            raise InputError(
                "Unknown `augment`", expected=f"some of {list(AUGMENTATIONS)}", received=f"augment={name!r}"
            )
    return Chain(AUGMENTATIONS[name]() for name in names) if names else None
