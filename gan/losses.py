"""Adversarial losses: what D and what G minimise, per sample, from logits."""

from abc import ABC, abstractmethod
from typing import Any

import keras
from keras import ops

from gan.errors import InputError


def binary_cross_entropy_real(logits: Any) -> Any:
    """-log sigmoid(logits), as softplus(-logits): the cross-entropy of logits against the target 1."""
    return ops.softplus(-logits)


def binary_cross_entropy_fake(logits: Any) -> Any:
    """-log(1 - sigmoid(logits)), as softplus(logits): the cross-entropy of logits against the target 0."""
    return ops.softplus(logits)


class AdversarialLoss(ABC):
    """A pair of losses. Both take logits [B, 1] and return [B, 1]: no reduction, no state.

    `relativistic` says that G's loss looks at real logits too: the train step then computes them again with the
    updated D, and otherwise passes those of the D step.
    """

    relativistic: bool = False

    @abstractmethod
    def discriminator(self, real_logits: Any, fake_logits: Any) -> Any:
        """What D minimises."""

    @abstractmethod
    def generator(self, real_logits: Any, fake_logits: Any) -> Any:
        """What G minimises."""

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; Keras saves a compiled GAN with them."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "AdversarialLoss":
        """The inverse of `get_config`."""
        return cls(**config)


@keras.saving.register_keras_serializable(package="gan")
class NonSaturating(AdversarialLoss):
    """The original GAN with the generator loss that keeps its gradient while D is winning. arXiv:1406.2661, section 3.

    D: softplus(-D(x)) + softplus(D(G(z)));  G: softplus(-D(G(z))).
    """

    def discriminator(self, real_logits: Any, fake_logits: Any) -> Any:
        return binary_cross_entropy_real(real_logits) + binary_cross_entropy_fake(fake_logits)

    def generator(self, real_logits: Any, fake_logits: Any) -> Any:
        return binary_cross_entropy_real(fake_logits)


LOSSES: dict[str, type[AdversarialLoss]] = {"non_saturating": NonSaturating}


def get(loss: str | AdversarialLoss) -> AdversarialLoss:
    """The loss of that name, or the loss itself. Raises `InputError` for anything else."""
    if isinstance(loss, AdversarialLoss):
        return loss
    if loss in LOSSES:
        return LOSSES[loss]()
    raise InputError(
        "Unknown `loss`", expected=f"one of {sorted(LOSSES)} or an AdversarialLoss", received=f"loss={loss!r}"
    )
