"""Gradient penalties on the discriminator, per sample: where its gradient is taken, and what its norm costs."""

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
    """|d critic(x) / dx|^2 per sample, summed over all axes but the batch's: images [B, ...] -> float32 [B]."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = critic(images)
    gradients = ops.cast(tape.gradient(logits, images), "float32")
    return ops.sum(ops.square(gradients), axis=tuple(range(1, len(gradients.shape))))


def safe_sqrt(squared: Tensor) -> Tensor:
    """The square root, with the gradient 0 instead of infinity at 0, where a WGAN's norm may begin."""
    positive = squared > 0
    return ops.where(positive, ops.sqrt(ops.where(positive, squared, 1.0)), 0.0)


def _share(images: Tensor, key: Tensor) -> Tensor:
    """A uniform number in [0, 1) for each picture: [B, 1, ..., 1]."""
    return random.uniform((tf.shape(images)[0], *[1] * (len(images.shape) - 1)), key)


class Penalty(ABC):
    """`penalty(critic, real, fake, key) -> [B]`, already weighted, for images [B, H, W, C] in [-1, 1].

    `critic` maps images to logits and closes over labels and augmentation; `key`, int64 [2], owns the random numbers.
    A lazy penalty is computed in every `every`-th step only, and counts `every` times there, so that its mean strength
    does not depend on `every` (arXiv:1912.04958, section 3.1). `name` is its key in the log.

    """

    name: str

    def __init__(self, *, every: int = 1) -> None:
        check_whole("every", every, 1)
        self.every = every

    @abstractmethod
    def __call__(self, critic: Critic, real: Tensor, fake: Tensor, key: Tensor = None) -> Tensor:
        """The penalty per sample: float32 [B]. The key can be left out where nothing is drawn (r1, r2)."""

    @abstractmethod
    def get_config(self) -> dict[str, object]:
        """The constructor's arguments; Keras saves a compiled GAN with them."""

    @classmethod
    def from_config(cls, config: dict[str, object]) -> "Penalty":
        """The inverse of `get_config`."""
        return cls(**config)  # type: ignore[arg-type]


class GradientPenalty(Penalty):
    """A cost of the norm of the critic's gradient at some points."""

    def __call__(self, critic: Critic, real: Tensor, fake: Tensor, key: Tensor = None) -> Tensor:
        return self.cost(squared_gradient_norm(critic, self.points(real, fake, key)))

    @abstractmethod
    def points(self, real: Tensor, fake: Tensor, key: Tensor) -> Tensor:
        """The images whose gradient is penalised: [B, H, W, C]."""

    @abstractmethod
    def cost(self, squared_norm: Tensor) -> Tensor:
        """What a squared norm of the gradient costs: [B] -> [B]."""


class ZeroCentred(GradientPenalty):
    """gamma/2 |grad D|^2, gamma >= 0: no slope where the data lies, nor, in the end, where the fakes do."""

    def __init__(self, gamma: float = 0.3, *, every: int = 16) -> None:
        super().__init__(every=every)
        check_not_negative("gamma", gamma)
        self.gamma = gamma

    def cost(self, squared_norm: Tensor) -> Tensor:
        return 0.5 * self.gamma * squared_norm

    def get_config(self) -> dict[str, object]:
        return {"gamma": self.gamma, "every": self.every}


class OneCentred(GradientPenalty):
    """lambda (|grad D| - 1)^2, lambda = `weight` >= 0: the slope 1 that a Wasserstein critic has nearly everywhere."""

    def __init__(self, weight: float = 10.0, *, every: int = 1) -> None:
        super().__init__(every=every)
        check_not_negative("weight", weight)
        self.weight = weight

    def cost(self, squared_norm: Tensor) -> Tensor:
        return self.weight * ops.square(safe_sqrt(squared_norm) - 1.0)

    def get_config(self) -> dict[str, object]:
        return {"weight": self.weight, "every": self.every}


@keras.saving.register_keras_serializable(package="gan")
class R1(ZeroCentred):
    """gamma/2 |grad D(x)|^2 on reals, the penalty that lets GANs converge. arXiv:1801.04406, eq. 9."""

    name = "r1"

    def points(self, real: Tensor, fake: Tensor, key: Tensor) -> Tensor:
        return real


@keras.saving.register_keras_serializable(package="gan")
class R2(ZeroCentred):
    """gamma/2 |grad D(G(z))|^2 on fakes. arXiv:1801.04406, eq. 10; with r1: arXiv:2501.05441."""

    name = "r2"

    def points(self, real: Tensor, fake: Tensor, key: Tensor) -> Tensor:
        return fake


@keras.saving.register_keras_serializable(package="gan")
class WassersteinGP(OneCentred):
    """lambda (|grad D(y)| - 1)^2 at y = x + e (G(z) - x), e uniform in [0, 1] a pair. arXiv:1704.00028, eq. 3."""

    name = "wgan_gp"

    def points(self, real: Tensor, fake: Tensor, key: Tensor) -> Tensor:
        real, fake = ops.cast(real, "float32"), ops.cast(fake, "float32")
        return real + _share(real, key) * (fake - real)


@keras.saving.register_keras_serializable(package="gan")
class DRAGAN(OneCentred):
    """lambda (|grad D(y)| - 1)^2 at y = x + e std u / 2, near reals only. arXiv:1705.07215, eq. 5.

    std is the standard deviation of the batch's pixel values (on several replicas, of each one's part), u uniform in
    [0, 1] for each of them and e for each picture, as in the authors' code.
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
    """The penalty of that name with its defaults, or the penalty itself. Raises `InputError` for anything else."""
    if isinstance(penalty, Penalty):
        return penalty
    if penalty in PENALTIES:
        return PENALTIES[penalty]()
    raise InputError(
        "Unknown `penalty`", expected=f"one of {sorted(PENALTIES)} or a Penalty", received=f"penalty={penalty!r}"
    )
