"""Adversarial losses of the discriminator (D) and the generator (G), per sample, computed from logits."""

from abc import ABC, abstractmethod

import keras
from keras import ops

from gan.errors import InputError
from gan.utils.types import Tensor


def binary_cross_entropy_real(logits: Tensor) -> Tensor:
    """Returns the cross-entropy with target 1: -log sigmoid(logits) = softplus(-logits). Any shape, kept."""
    return ops.softplus(-logits)


def binary_cross_entropy_fake(logits: Tensor) -> Tensor:
    """Returns the cross-entropy with target 0: -log(1 - sigmoid(logits)) = softplus(logits). Any shape, kept."""
    return ops.softplus(logits)


class AdversarialLoss(ABC):
    """Base class of a pair of losses, one for D and one for G.

    Both methods take logits of real images and of fakes, each [B, 1], and return one loss per sample, [B, 1]. A loss
    has no state. The train step computes the mean.

    In the formulas of the subclasses, x is a real image, z a latent vector, and D returns a logit.
    """

    relativistic: bool = False
    """Whether G's loss depends on the real logits. If so, the train step computes them again with the updated D.
    Otherwise `generator` receives the real logits of the D update, and ignores them."""
    boundary: float | None = 0.0
    """Logit that separates real from fake when accuracies are counted. None: only differences of logits have a meaning,
    and the midpoint of the mean real and the mean fake logit is used."""

    @abstractmethod
    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Returns the loss that D minimizes: [B, 1]."""

    @abstractmethod
    def generator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """Returns the loss that G minimizes: [B, 1]."""

    def get_config(self) -> dict[str, object]:
        """Returns the constructor's arguments, which Keras saves with a compiled GAN."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, object]) -> "AdversarialLoss":
        """Creates the loss from the output of `get_config`."""
        return cls(**config)


@keras.saving.register_keras_serializable(package="gan")
class NonSaturating(AdversarialLoss):
    """The non-saturating loss: G keeps a large gradient while D classifies well. arXiv:1406.2661, section 3.

    D: softplus(-D(x)) + softplus(D(G(z)));  G: softplus(-D(G(z))).
    """

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return binary_cross_entropy_real(real_logits) + binary_cross_entropy_fake(fake_logits)

    def generator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return binary_cross_entropy_real(fake_logits)


@keras.saving.register_keras_serializable(package="gan")
class Minimax(AdversarialLoss):
    """The original minimax loss: G's gradient vanishes while D classifies well. arXiv:1406.2661, eq. 1.

    D: softplus(-D(x)) + softplus(D(G(z)));  G: log(1 - sigmoid(D(G(z)))) = -softplus(D(G(z))).
    """

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return binary_cross_entropy_real(real_logits) + binary_cross_entropy_fake(fake_logits)

    def generator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return -binary_cross_entropy_fake(fake_logits)


@keras.saving.register_keras_serializable(package="gan")
class Hinge(AdversarialLoss):
    """The hinge loss of Geometric GAN, common with spectral normalization. arXiv:1705.02894, eq. 13.

    D: max(0, 1 - D(x)) + max(0, 1 + D(G(z)));  G: -D(G(z)).
    """

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return ops.relu(1.0 - real_logits) + ops.relu(1.0 + fake_logits)

    def generator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return -fake_logits


@keras.saving.register_keras_serializable(package="gan")
class LeastSquares(AdversarialLoss):
    """The least-squares loss: D regresses reals to 1 and fakes to 0, G regresses fakes to 1. arXiv:1611.04076, eq. 9.

    D: (D(x) - 1)^2 / 2 + D(G(z))^2 / 2;  G: (D(G(z)) - 1)^2 / 2.
    """

    boundary = 0.5

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return 0.5 * ops.square(real_logits - 1.0) + 0.5 * ops.square(fake_logits)

    def generator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return 0.5 * ops.square(fake_logits - 1.0)


@keras.saving.register_keras_serializable(package="gan")
class Wasserstein(AdversarialLoss):
    """The Wasserstein loss, a difference of mean logits. arXiv:1701.07875.

    D must be Lipschitz continuous: use a penalty that bounds its gradient, such as `wgan_gp`.

    D: D(G(z)) - D(x);  G: -D(G(z)).
    """

    boundary = None

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return fake_logits - real_logits

    def generator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return -fake_logits


@keras.saving.register_keras_serializable(package="gan")
class Relativistic(AdversarialLoss):
    """The relativistic pairing loss (RpGAN), which counters mode dropping. arXiv:1807.00734, eq. 3; arXiv:2501.05441.

    It compares the i-th fake of a batch with the i-th real.

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
    """Returns a loss by its name in `LOSSES`, or an `AdversarialLoss` as it is.

    Raises `InputError` for anything else.
    """
    if isinstance(loss, AdversarialLoss):
        return loss
    if isinstance(loss, str) and loss in LOSSES:
        return LOSSES[loss]()
    raise InputError(
        "Unknown `loss`",
        expected=f"one of {sorted(LOSSES)} or an AdversarialLoss (the binary cross-entropy of D and G is "
        "'non_saturating', their mean squared error 'least_squares')",
        received=f"loss={loss!r}",
    )
