"""Gradient penalties for the discriminator, per sample."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import keras
import tensorflow as tf
from keras import ops

from gan.errors import InputError, check_not_negative, check_whole
from gan.models import random
from gan.utils.types import Tensor

Critic = Callable[[Tensor], Tensor]


def squared_gradient_norm(critic: Critic, images: Tensor) -> Tensor:
    """Returns |d critic(x) / dx|^2 per sample: images [B, ...] -> float32 [B], summed over all axes but the first."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = critic(images)
    gradients = ops.cast(tape.gradient(logits, images, unconnected_gradients="zero"), "float32")
    return ops.sum(ops.square(gradients), axis=tuple(range(1, len(gradients.shape))))


def safe_sqrt(squared: Tensor) -> Tensor:
    """Returns the square root, with gradient 0 instead of infinity at 0.

    The gradient norm of a critic can be 0 at the start of training.
    """
    positive = squared > 0
    return ops.where(positive, ops.sqrt(ops.where(positive, squared, 1.0)), 0.0)


def _share(images: Tensor, key: Tensor) -> Tensor:
    """Returns one uniform number in [0, 1) per image: [B, 1, ..., 1]."""
    return random.uniform((tf.shape(images)[0], *[1] * (len(images.shape) - 1)), key)


class Penalty(ABC):
    """Base class of a penalty: `penalty(critic, real, fake, key) -> float32 [B]`, with its weight already applied.

    * `critic` maps images to logits. It includes the labels and the augmentation of the batch.
    * `real` and `fake` are images [B, H, W, C] in [-1, 1].
    * `key`, int64 [2], determines the random numbers.

    A lazy penalty (`every` > 1) is computed in every `every`-th D update only. There the train step multiplies it by
    `every`, so its mean strength does not depend on `every` (arXiv:1912.04958, section 3.1).

    Args:
        every: D updates from one computation of the penalty to the next; >= 1.
    """

    name: str
    """Name of the penalty in the logs."""

    def __init__(self, *, every: int = 1) -> None:
        check_whole("every", every, 1)
        self.every = every

    @abstractmethod
    def __call__(self, critic: Critic, real: Tensor, fake: Tensor, key: Tensor = None) -> Tensor:
        """Returns the penalty per sample: float32 [B]. `r1` and `r2` use no random numbers and need no key."""

    @abstractmethod
    def get_config(self) -> dict[str, object]:
        """Returns the constructor's arguments, which Keras saves with a compiled GAN."""

    @classmethod
    def from_config(cls, config: dict[str, object]) -> "Penalty":
        """Creates the penalty from the output of `get_config`."""
        return cls(**config)  # type: ignore[arg-type]


class GradientPenalty(Penalty):
    """Base class of a penalty on the gradient norm: `cost` of the norm, at the images that `points` returns."""

    def __call__(self, critic: Critic, real: Tensor, fake: Tensor, key: Tensor = None) -> Tensor:
        return self.cost(squared_gradient_norm(critic, self.points(real, fake, key)))

    @abstractmethod
    def points(self, real: Tensor, fake: Tensor, key: Tensor) -> Tensor:
        """Returns the images at which the gradient is computed: [B, H, W, C]."""

    @abstractmethod
    def cost(self, squared_norm: Tensor) -> Tensor:
        """Returns the penalty for squared gradient norms: [B] -> [B]."""


class ZeroCentered(GradientPenalty):
    """The penalty gamma/2 |grad D|^2, which drives the gradient to 0.

    Args:
        gamma: weight; >= 0.
        every: see `Penalty`.
    """

    def __init__(self, gamma: float = 0.3, *, every: int = 16) -> None:
        super().__init__(every=every)
        check_not_negative("gamma", gamma)
        self.gamma = gamma

    def cost(self, squared_norm: Tensor) -> Tensor:
        return 0.5 * self.gamma * squared_norm

    def get_config(self) -> dict[str, object]:
        return {"gamma": self.gamma, "every": self.every}


class OneCentered(GradientPenalty):
    """The penalty lambda (|grad D| - 1)^2. An optimal Wasserstein critic has gradient norm 1 almost everywhere.

    Args:
        weight: lambda; >= 0.
        every: see `Penalty`.
    """

    def __init__(self, weight: float = 10.0, *, every: int = 1) -> None:
        super().__init__(every=every)
        check_not_negative("weight", weight)
        self.weight = weight

    def cost(self, squared_norm: Tensor) -> Tensor:
        return self.weight * ops.square(safe_sqrt(squared_norm) - 1.0)

    def get_config(self) -> dict[str, object]:
        return {"weight": self.weight, "every": self.every}


@keras.saving.register_keras_serializable(package="gan")
class R1(ZeroCentered):
    """gamma/2 |grad D(x)|^2 at real images x; GANs converge locally with it. arXiv:1801.04406, eq. 9."""

    name = "r1"

    def points(self, real: Tensor, fake: Tensor, key: Tensor) -> Tensor:
        return real


@keras.saving.register_keras_serializable(package="gan")
class R2(ZeroCentered):
    """gamma/2 |grad D(G(z))|^2 at fakes. arXiv:1801.04406, eq. 10; together with `r1`: arXiv:2501.05441."""

    name = "r2"

    def points(self, real: Tensor, fake: Tensor, key: Tensor) -> Tensor:
        return fake


@keras.saving.register_keras_serializable(package="gan")
class WassersteinGP(OneCentered):
    """lambda (|grad D(y)| - 1)^2 at y = x + e (G(z) - x). arXiv:1704.00028, eq. 3.

    e is uniform in [0, 1], one number per pair of a real image x and a fake G(z).
    """

    name = "wgan_gp"

    def points(self, real: Tensor, fake: Tensor, key: Tensor) -> Tensor:
        real, fake = ops.cast(real, "float32"), ops.cast(fake, "float32")
        return real + _share(real, key) * (fake - real)


@keras.saving.register_keras_serializable(package="gan")
class DRAGAN(OneCentered):
    """lambda (|grad D(y)| - 1)^2 at y = x + e std u / 2, close to real images x. arXiv:1705.07215, eq. 5.

    std is the standard deviation of the pixel values of the batch; each replica uses its own part of the batch. u and e
    are uniform in [0, 1]: u per pixel value, e per image, as in the authors' code.
    """

    name = "dragan"

    def points(self, real: Tensor, fake: Tensor, key: Tensor) -> Tensor:
        real = ops.cast(real, "float32")
        noise = random.uniform(tf.shape(real), random.fold_in(key, 0))
        share = _share(real, random.fold_in(key, 1))
        return real + share * 0.5 * ops.std(real) * noise


PENALTIES: dict[str, Callable[..., Penalty]] = {
    "r1": R1,
    "r2": R2,
    "wgan_gp": WassersteinGP,
    "dragan": DRAGAN,
}


def get(penalty: str | Penalty) -> Penalty:
    """Returns a penalty by its name in `PENALTIES`, with its defaults, or a `Penalty` as it is.

    Raises `InputError` for anything else.
    """
    if isinstance(penalty, Penalty):
        return penalty
    if penalty in PENALTIES:
        return PENALTIES[penalty]()
    raise InputError(
        "Unknown `penalty`", expected=f"one of {sorted(PENALTIES)} or a Penalty", received=f"penalty={penalty!r}"
    )
