"""Base classes of augmentations: a single one, and several in sequence."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Self

import keras
import tensorflow as tf
from keras import ops

from gan.errors import check_share
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


class Composite(Augmentation):
    """Base class of an augmentation that consists of others.

    parts: the augmentations, in the order in which they are applied.
    """

    def __init__(self, parts: Iterable[Augmentation], *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.parts = list(parts)

    def get_config(self) -> dict[str, object]:
        return {"parts": [keras.saving.serialize_keras_object(part) for part in self.parts], "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, object]) -> Self:
        return cls(**{**config, "parts": keras.saving.deserialize_keras_object(config["parts"])})


@keras.saving.register_keras_serializable(package="gan")
class Chain(Composite):
    """Applies augmentations in sequence. Each one has its own random numbers."""

    def call(self, images: Tensor, key: Tensor) -> Tensor:
        for number, part in enumerate(self.parts):
            images = part(images, random.fold_in(key, number))
        return images


@keras.saving.register_keras_serializable(package="gan")
class Occasional(Composite):
    """Applies augmentations in sequence, each one to each image with the same probability, independently.

    parts: the augmentations.
    probability: a number in [0, 1]. 0 changes nothing, and 1 does the same as `Chain`.
    """

    def __init__(self, parts: Iterable[Augmentation], *, probability: float, name: str | None = None) -> None:
        check_share("probability", probability)
        super().__init__(parts, name=name)
        self.probability = probability

    def call(self, images: Tensor, key: Tensor) -> Tensor:
        return apply_to_some(self.parts, images, key, self.probability)

    def get_config(self) -> dict[str, object]:
        return {**super().get_config(), "probability": self.probability}


def apply_to_some(parts: Iterable[Augmentation], images: Tensor, key: Tensor, probability: Tensor) -> Tensor:
    """Applies each augmentation to each image with a probability, independently. Works on samples of any shape.

    The augmentations have the random numbers that they have in a `Chain`. So the result is that of a `Chain` bit for
    bit if `probability` is 1, and `images` if it is 0.
    """
    for number, part in enumerate(parts):
        chosen = one_per_image(images, random.fold_in(key, -1 - number)) < probability
        images = ops.where(chosen, part(images, random.fold_in(key, number)), images)
    return images


def one_per_image(images: Tensor, key: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Returns one uniform number in [low, high) per image: [B, 1, ..., 1], with the rank of `images`."""
    return random.uniform((tf.shape(images)[0], *[1] * (len(images.shape) - 1)), key, low, high)
