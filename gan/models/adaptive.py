"""Adaptive augmentation: training sets the probability with which images are augmented (ADA, arXiv:2006.06676)."""

from collections.abc import Iterable

import keras
import tensorflow as tf
from keras import ops

from gan.config.optimization import NEEDS_BOUNDARY
from gan.errors import InputError, check, check_positive, check_share, check_whole, is_number
from gan.models.augmentation import Augmentation, Composite, apply_to_some
from gan.models.critic import Logs
from gan.models.losses import LOSSES, AdversarialLoss
from gan.models.networks.inspect import layers_of
from gan.utils.types import Tensor

PROBABILITY = "augment_probability"
"""Name of the probability in the logs of a train step."""


@keras.saving.register_keras_serializable(package="gan")
class Adaptive(Composite):
    """Applies augmentations in sequence, each one to each image with a probability p that training adapts.

    p starts at 0. It rises while the discriminator D overfits, which shows in the logits of the augmented reals that D
    trains with. Let r be the mean sign of (logit - boundary of the loss): 0 at random, 1 if D recognizes every real.
    After every `every` train steps, with r over all images of these steps,

        p <- clip(p + sign(r - target) * (images of these steps) / images, 0, limit).

    arXiv:2006.06676, section 3. Of several D updates in a train step, the last one counts.

    An augmentation that can be undone does not leak into the samples while p is below `limit`: G can only match the
    augmented reals with samples like the reals (section 2 of the paper). At p = 1, a mirrored or turned G could not be
    told from the right one.

    Args:
        parts: the augmentations.
        target: value of r to hold, above -1 and below 1. 0.6: 80 % of the augmented reals are above the boundary.
        images: number of real images in which p can go from 0 to 1; > 0. The paper uses 500,000, a fiftieth of its
            runs. The default fits runs of 100,000 to 1,000,000 images.
        every: train steps from one change of p to the next; >= 1.
        limit: largest p, in [0, 1].

    Attributes:
        probability: p, a float32 variable. It is part of a saved GAN and of a training state.
    """

    def __init__(
        self,
        parts: Iterable[Augmentation],
        *,
        target: float = 0.6,
        images: float = 25_000,
        every: int = 4,
        limit: float = 0.8,
        name: str | None = None,
    ) -> None:
        check(is_number(target) and -1 < target < 1, "target", "a number > -1 and < 1", target)
        check_positive("images", images)
        check_whole("every", every, 1)
        check_share("limit", limit)
        super().__init__(parts, name=name)
        self.target, self.images, self.every, self.limit = target, images, every, limit
        self.probability = self._add_number("probability", ())
        self._sums = self._add_number("sums", (3,))  # since the last change of p: images, those above, train steps

    def _add_number(self, name: str, shape: tuple[int, ...]) -> keras.Variable:
        return self.add_weight(shape, "zeros", "float32", trainable=False, aggregation="only_first_replica", name=name)

    def call(self, images: Tensor, key: Tensor) -> Tensor:
        return apply_to_some(self.parts, images, key, self.probability)

    def adapt(self, share_above: Tensor, images: Tensor) -> None:
        """Counts the reals of one train step, and changes p if it is due.

        share_above: share of the augmented reals of the step whose logits are above the boundary, in [0, 1].
        images: number of real images of the step.
        """
        images = ops.cast(images, "float32")
        seen, above, steps = ops.unstack(self._sums + ops.stack([images, images * share_above, 1.0]))
        change = ops.sign(2.0 * above / seen - 1.0 - self.target) * seen / self.images
        due = steps >= self.every
        self.probability.assign(ops.where(due, ops.clip(self.probability + change, 0.0, self.limit), self.probability))
        self._sums.assign(ops.where(due, 0.0, ops.stack([seen, above, steps])))

    def reset(self) -> None:
        """Lets p start at 0 again."""
        self.probability.assign(0.0)
        self._sums.assign([0.0, 0.0, 0.0])

    def get_config(self) -> dict[str, object]:
        own = {"target": self.target, "images": self.images, "every": self.every, "limit": self.limit}
        return {**super().get_config(), **own}


class Adaptation:
    """Adapts the augmentation of a GAN in each train step. Does nothing for an augmentation that is not adaptive.

    Attributes:
        names: names of the logs that `update` returns.

    Raises `InputError` for several adaptive augmentations, and for a loss without a boundary.
    """

    def __init__(self, augment: Augmentation | None, loss: AdversarialLoss) -> None:
        layers = () if augment is None else layers_of(augment)
        self._parts = [layer for layer in layers if isinstance(layer, Adaptive)]
        self.names = (PROBABILITY,) * len(self._parts)
        if len(self._parts) > 1:
            received = ", ".join(part.name for part in self._parts)
            raise InputError(
                "Several adaptive augmentations", expected="one Adaptive with all parts", received=received
            )
        if self._parts and loss.boundary is None:
            possible = [name for name, kind in LOSSES.items() if kind.boundary is not None]
            raise InputError(
                NEEDS_BOUNDARY,
                expected=f"one of {possible}, or a fixed augment_probability",
                received=f"loss={type(loss).__name__}",
            )

    def reset(self) -> None:
        """Lets the probability start at 0 again."""
        for part in self._parts:
            part.reset()

    def update(self, logs: Logs, images: Tensor) -> Logs:
        """Adapts the augmentation after a train step. Returns the probability that the step used, as a log.

        logs: logs of the step, of this replica.
        images: number of real images of the step, on all replicas together.
        """
        used: Logs = {}
        for part in self._parts:
            share_above, context = logs["real_accuracy"][0], tf.distribute.get_replica_context()
            if context.num_replicas_in_sync > 1:
                share_above = context.all_reduce(tf.distribute.ReduceOp.MEAN, share_above)
            used[PROBABILITY] = (tf.identity(part.probability), 1.0)
            part.adapt(share_above, images)
        return used
