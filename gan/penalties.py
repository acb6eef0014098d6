"""Gradient penalties on the discriminator, per sample."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from gan.checks import check_not_negative, check_whole
from gan.errors import InputError

Critic = Callable[[Any], Any]


def squared_gradient_norm(critic: Critic, images: Any) -> Any:
    """|d critic(x) / dx|^2 per sample, summed over all axes but the batch's: images [B, ...] -> [B]."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = critic(images)
    gradients = ops.cast(tape.gradient(logits, images), "float32")
    return ops.sum(ops.square(gradients), axis=tuple(range(1, len(gradients.shape))))


class Penalty(ABC):
    """`penalty(critic, real, fake) -> [B]`, already weighted, for images [B,H,W,C] in [-1, 1].

    `critic` maps images to logits and closes over labels and augmentation. A lazy penalty is computed in every
    `every`-th step only, and counts `every` times there, so that its mean strength does not depend on `every`
    (arXiv:1912.04958, section 3.1). `name` is its key in the log.
    """

    name: str

    def __init__(self, *, every: int = 1) -> None:
        check_whole("every", every, 1)
        self.every = every

    @abstractmethod
    def __call__(self, critic: Critic, real: Any, fake: Any) -> Any:
        """The penalty per sample."""

    @abstractmethod
    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; Keras saves a compiled GAN with them."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Penalty":
        """The inverse of `get_config`."""
        return cls(**config)


@keras.saving.register_keras_serializable(package="gan")
class R1(Penalty):
    """gamma/2 |grad D(x)|^2 on reals, the zero-centred penalty that lets GANs converge. arXiv:1801.04406, eq. 9."""

    name = "r1"

    def __init__(self, gamma: float = 0.1, *, every: int = 16) -> None:
        super().__init__(every=every)
        check_not_negative("gamma", gamma)
        self.gamma = gamma

    def __call__(self, critic: Critic, real: Any, fake: Any) -> Any:
        return 0.5 * self.gamma * squared_gradient_norm(critic, real)

    def get_config(self) -> dict[str, Any]:
        return {"gamma": self.gamma, "every": self.every}


PENALTIES: dict[str, Callable[..., Penalty]] = {"r1": R1}


def get(penalty: str | Penalty) -> Penalty:
    """The penalty of that name with its defaults, or the penalty itself. Raises `InputError` for anything else."""
    if isinstance(penalty, Penalty):
        return penalty
    if penalty in PENALTIES:
        return PENALTIES[penalty]()
    raise InputError(
        "Unknown `penalty`", expected=f"one of {sorted(PENALTIES)} or a Penalty", received=f"penalty={penalty!r}"
    )
