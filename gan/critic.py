"""The discriminator as a train step asks it: through the augmentation, with the labels and a step's random numbers."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from gan import networks, sampling
from gan.errors import InputError
from gan.penalties import Penalty

Logs = dict[str, tuple[Any, Any]]
"""{name: (value, weight in the mean)}."""

_REAL, _FAKE, _GENERATOR, _GENERATOR_REAL, _PENALTIES = range(5)
"""What random numbers are for; each use in a step has its own. That of penalties is the first of two for each."""


class Critic:
    """Logits and penalties of a discriminator in training. Its random numbers are f(seed, step, replica, use).

    Args:
        discriminator: images [B, H, W, C] in [-1, 1](, labels) -> logits [B, 1].
        augment: `augment(images, key)`, applied alike to all that D sees; None: none.
        seed: owner of the random numbers.
    """

    def __init__(self, discriminator: keras.Model, augment: keras.Layer | None, seed: int) -> None:
        self.discriminator = discriminator
        self.augment = augment
        self.seed = seed
        self._joint_pass = not networks.has_batch_statistics(discriminator)

    def check_penalties(self, penalties: Sequence[Penalty], replicas: int) -> None:
        """Raises `InputError` for penalties of a D with batch statistics on several replicas.

        These meet for the statistics, which they cannot do inside the `tf.cond` of a lazy penalty; and the second
        derivative through shared statistics is not that of one process: weights differed by 1e-3 after 20 steps.
        """
        if penalties and not self._joint_pass and replicas > 1:
            raise InputError(
                "Replicas cannot share the penalties of a discriminator with batch statistics",
                expected="one device, no penalties, or a discriminator without batch normalization",
                received=", ".join(penalty.name for penalty in penalties),
            )

    def of_both(self, real: Any, fake: Any, labels: Any, step: Any) -> tuple[Any, Any]:
        """Logits of reals and of fakes, in one pass where D's output for a picture does not depend on the others."""
        if not self._joint_pass:
            return self.of_each(real, fake, labels, step)
        both = None if labels is None else ops.concatenate([labels, labels])
        real_logits, fake_logits = tf.split(self._logits(ops.concatenate([real, fake]), both, step, _REAL), 2)
        return real_logits, fake_logits

    def of_each(self, real: Any, fake: Any, labels: Any, step: Any) -> tuple[Any, Any]:
        """The same in a pass each, so that a gradient with respect to the fakes is not taken for the reals, too."""
        return self._logits(real, labels, step, _REAL), self._logits(fake, labels, step, _FAKE)

    def of_fake(self, fake: Any, labels: Any, step: Any) -> Any:
        """Logits that G's update looks at."""
        return self._logits(fake, labels, step, _GENERATOR)

    def of_real(self, real: Any, labels: Any, step: Any) -> Any:
        """Logits of the reals beside them, for a relativistic loss."""
        return self._logits(real, labels, step, _GENERATOR_REAL)

    def penalty(self, penalty: Penalty, number: int, real: Any, fake: Any, labels: Any, step: Any) -> tuple[Any, Any]:
        """The mean of the `number`-th penalty and 1.0 in a step where it is due, (0.0, 0.0) in others."""
        use = _PENALTIES + 2 * number

        def value() -> Any:
            key = self._key(step, use + 1)
            return ops.mean(penalty(lambda images: self._logits(images, labels, step, use), real, fake, key))

        if penalty.every == 1:
            return value(), 1.0
        due = tf.equal(tf.math.floormod(tf.convert_to_tensor(step), penalty.every), 0)
        return tf.cond(due, value, lambda: 0.0), tf.cast(due, tf.float32)

    def _logits(self, images: Any, labels: Any, step: Any, use: int) -> Any:
        if self.augment is not None:
            images = self.augment(images, self._key(step, use))
        logits = self.discriminator(images if labels is None else [images, labels], training=True)
        return ops.cast(logits, "float32")

    def _key(self, step: Any, use: int) -> Any:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return sampling.training_key(self.seed, step, replica, use)


def scores(real_logits: Any, fake_logits: Any, boundary: float | None) -> Logs:
    """Mean logits, and the shares on the right side of the boundary; None: of the middle between both means."""
    real_score, fake_score = ops.mean(real_logits), ops.mean(fake_logits)
    boundary = (real_score + fake_score) / 2.0 if boundary is None else boundary
    return {
        "real_score": (real_score, 1.0),
        "fake_score": (fake_score, 1.0),
        "real_accuracy": (ops.mean(ops.cast(real_logits > boundary, "float32")), 1.0),
        "fake_accuracy": (ops.mean(ops.cast(fake_logits < boundary, "float32")), 1.0),
    }
