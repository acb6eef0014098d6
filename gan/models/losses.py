"""Adversarial losses: what D and what G minimise, per sample, from logits."""

from abc import ABC, abstractmethod

import keras
from keras import ops

from gan.errors import InputError
from gan.utils.types import Tensor


def binary_cross_entropy_real(logits: Tensor) -> Tensor:
    """-log sigmoid(logits), as softplus(-logits): the cross-entropy of logits against the target 1."""
    return ops.softplus(-logits)


def binary_cross_entropy_fake(logits: Tensor) -> Tensor:
    """-log(1 - sigmoid(logits)), as softplus(logits): the cross-entropy of logits against the target 0."""
    return ops.softplus(logits)


class AdversarialLoss(ABC):
    """A pair of losses. Both take logits [B, 1] and return [B, 1]: no reduction, no state.

    `relativistic` says that G's loss looks at real logits too: the train step then computes them again with the
    updated D, and otherwise passes those of the D step. `boundary` is the logit between real and fake, which accuracies
    are counted by; None where a logit alone says nothing, and only differences of logits do.
    """

    relativistic: bool = False
    boundary: float | None = 0.0

    @abstractmethod
    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """What D minimises."""

    @abstractmethod
    def generator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """What G minimises."""

    def get_config(self) -> dict[str, object]:
        """The constructor's arguments; Keras saves a compiled GAN with them."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, object]) -> "AdversarialLoss":
        """The inverse of `get_config`."""
        return cls(**config)


@keras.saving.register_keras_serializable(package="gan")
class NonSaturating(AdversarialLoss):
    """The original GAN with the generator loss that keeps its gradient while D is winning. arXiv:1406.2661, section 3.

    D: softplus(-D(x)) + softplus(D(G(z)));  G: softplus(-D(G(z))).
    """

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return binary_cross_entropy_real(real_logits) + binary_cross_entropy_fake(fake_logits)

    def generator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return binary_cross_entropy_real(fake_logits)


@keras.saving.register_keras_serializable(package="gan")
class Minimax(AdversarialLoss):
    """The original game, one value for both: G's gradient fades while D is winning. arXiv:1406.2661, eq. 1.

    D: softplus(-D(x)) + softplus(D(G(z)));  G: log(1 - sigmoid(D(G(z)))) = -softplus(D(G(z))).
    """

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return binary_cross_entropy_real(real_logits) + binary_cross_entropy_fake(fake_logits)

    def generator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return -binary_cross_entropy_fake(fake_logits)


@keras.saving.register_keras_serializable(package="gan")
class Hinge(AdversarialLoss):
    """The margin loss of geometric GANs, usual with spectral normalisation. arXiv:1705.02894, eq. 13.

    D: max(0, 1 - D(x)) + max(0, 1 + D(G(z)));  G: -D(G(z)).
    """

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return ops.relu(1.0 - real_logits) + ops.relu(1.0 + fake_logits)

    def generator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return -fake_logits


@keras.saving.register_keras_serializable(package="gan")
class LeastSquares(AdversarialLoss):
    """Regression to 1 for reals and 0 for fakes; G regresses its fakes to 1. arXiv:1611.04076, eq. 9.

    D: (D(x) - 1)^2 / 2 + D(G(z))^2 / 2;  G: (D(G(z)) - 1)^2 / 2.
    """

    boundary = 0.5

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return 0.5 * ops.square(real_logits - 1.0) + 0.5 * ops.square(fake_logits)

    def generator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return 0.5 * ops.square(fake_logits - 1.0)


@keras.saving.register_keras_serializable(package="gan")
class Wasserstein(AdversarialLoss):
    """The difference of mean scores; D needs a penalty that bounds its slope, such as wgan_gp. arXiv:1701.07875.

    D: D(G(z)) - D(x);  G: -D(G(z)).
    """

    boundary = None

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return fake_logits - real_logits

    def generator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return -fake_logits


@keras.saving.register_keras_serializable(package="gan")
class Relativistic(AdversarialLoss):
    """RpGAN: each fake is judged against a real, which leaves no mode out. arXiv:1807.00734, eq. 3; arXiv:2501.05441.

    D: softplus(-(D(x) - D(G(z))));  G: softplus(-(D(G(z)) - D(x))).
    """

    relativistic = True
    boundary = None

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return ops.softplus(fake_logits - real_logits)

    def generator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return ops.softplus(real_logits - fake_logits)


LOSSES: dict[str, type[AdversarialLoss]] = {
    "non_saturating": NonSaturating,
    "minimax": Minimax,
    "hinge": Hinge,
    "least_squares": LeastSquares,
    "wasserstein": Wasserstein,
    "relativistic": Relativistic,
}


def get(loss: str | AdversarialLoss) -> AdversarialLoss:
    """The loss of that name, or the loss itself. Raises `InputError` for anything else."""
    if isinstance(loss, AdversarialLoss):
        return loss
    if loss in LOSSES:
        return LOSSES[loss]()
    raise InputError(
        "Unknown `loss`", expected=f"one of {sorted(LOSSES)} or an AdversarialLoss", received=f"loss={loss!r}"
    )
