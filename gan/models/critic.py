"""The discriminator as a train step asks it: through the augmentation, with the labels and a step's random numbers."""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf
from keras import ops

from gan.errors import InputError, check_share_below_one
from gan.models import networks, random
from gan.models.losses import AdversarialLoss
from gan.models.networks.inputs import NetworkInputs
from gan.models.penalties import Penalty
from gan.utils.types import Tensor

Logs = dict[str, tuple[Tensor, Tensor]]
"""{name: (value, weight in the mean)}."""

_MISMATCHED, _MISMATCHED_LABEL, _REAL, _FAKE, _GENERATOR, _GENERATOR_REAL, _PENALTIES = range(-2, 5)
"""What random numbers are for; each use in a step has its own. That of penalties is the first of two for each, and no
other use may follow it."""

MISMATCHED_EVERY = 8
"""One of so many reals is shown again with a mismatched label. Their share of the loss is the same whatever this number
is: it only says how noisy that part is."""

MISMATCHED_LABELS = 0.08
"""Share of D's loss in which reals with a mismatched label are the fakes, where there are two classes or more."""


class Logits(NamedTuple):
    """What D says of real images [B, 1], of fakes [B, 1], and of some reals with mismatched labels, if asked."""

    real: Tensor
    fake: Tensor
    mismatched: Tensor = None


class Critic:
    """Logits and penalties of a discriminator in training. Its random numbers are f(seed, step, replica, use).

    Args:
        discriminator: images [B, H, W, C] in [-1, 1](, labels) -> logits [B, 1].
        augment: `augment(images, key)`, applied alike to all that D sees; None: none.
        seed: seed of the random numbers.
    """

    def __init__(self, discriminator: keras.Model, augment: keras.Layer | None, seed: int) -> None:
        self.discriminator = discriminator
        self.network_inputs = NetworkInputs.of(discriminator, main="images")
        self.augment = augment
        self.seed = seed
        self._joint_pass = not networks.has_batch_statistics(discriminator)
        every = MISMATCHED_EVERY if self._joint_pass else 1  # statistics are those of a whole batch
        self._shown_again = slice(None, None, every)
        self._classes = self.network_inputs.num_classes

    def compile(
        self, loss: AdversarialLoss, penalties: Sequence[Penalty], mismatched_labels: float | None, replicas: int
    ) -> None:
        """Says what D minimises, see `GAN.compile`.

        Raises `InputError` for a bad share of mismatched labels, or one where there are no two labels, and for
        penalties of a D with batch statistics on several replicas. These meet for the statistics, which they cannot do
        inside the `tf.cond` of a lazy penalty; and the second derivative through shared statistics is not that of one
        process: weights differed by 1e-3 after 20 steps.
        """
        if mismatched_labels is None:
            mismatched_labels = MISMATCHED_LABELS if self._classes > 1 else 0.0
        check_share_below_one("mismatched_labels", mismatched_labels)
        if mismatched_labels and self._classes < 2:
            raise InputError(
                "Mismatched labels need two classes",
                expected="mismatched_labels=0 (--mismatched-labels 0), or labels of two classes or more",
                received=f"{self._classes} classes, mismatched_labels={mismatched_labels}",
            )
        self._loss, self._penalties, self.mismatched_labels = loss, penalties, mismatched_labels
        if penalties and not self._joint_pass and replicas > 1:
            raise InputError(
                "Replicas cannot share the penalties of a discriminator with batch statistics",
                expected="one device, no penalties, or a discriminator without batch normalization",
                received=", ".join(penalty.name for penalty in penalties),
            )

    def logits(self, real: Tensor, fake: Tensor, labels: Tensor, step: Tensor, *, together: bool = True) -> Logits:
        """What D says of a batch, in one pass where its output for a picture does not depend on the others.

        Not `together`: in a pass each, so that a gradient with respect to the fakes is not taken for the reals, too.
        """
        batches = [(real, labels, _REAL), (fake, labels, _FAKE)]
        if self.mismatched_labels:
            batches.append((*self._mismatched(real, labels, step), _MISMATCHED))
        if not (together and self._joint_pass):
            return Logits(*(self._logits(images, labels, step, use) for images, labels, use in batches))
        images, asked, _ = zip(*batches)
        all_labels = None if labels is None else ops.concatenate(asked)
        sizes = [tf.shape(part)[0] for part in images]
        return Logits(*tf.split(self._logits(ops.concatenate(images), all_labels, step, _REAL), sizes))

    def _mismatched(self, real: Tensor, labels: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
        """Some of the reals, with labels of which none is their own: all other classes are as likely.

        All are moved on by one number of the step: replicas know it, and over steps it is as good as one for each.
        """
        others = self._classes - 1
        number = random.uniform((), random.training_key(self.seed, step, 0, _MISMATCHED_LABEL), 0.0, float(others))
        labels = tf.cast(labels, tf.int32)
        moved = 1 + tf.cast(number, tf.int32)
        return real[self._shown_again], tf.math.floormod(labels[self._shown_again] + moved, self._classes)

    def loss(self, logits: Logits, real: Tensor, fake: Tensor, labels: Tensor, step: Tensor) -> tuple[Tensor, Logs]:
        """What D minimises, penalties included, and what is reported of it."""
        loss = ops.mean(self._loss.discriminator(logits.real, logits.fake))
        if logits.mismatched is not None:
            beside = logits.real[self._shown_again]
            wrong = ops.mean(self._loss.discriminator(beside, logits.mismatched))
            loss = (1.0 - self.mismatched_labels) * loss + self.mismatched_labels * wrong
        logs, total = {"d_loss": (loss, 1.0), **scores(logits.real, logits.fake, self._loss.boundary)}, loss
        for number, penalty in enumerate(self._penalties):
            value, due = self._penalty(penalty, number, real, fake, labels, step)
            total += penalty.every * value
            logs[penalty.name] = (value, due)
        return total, logs

    def of_fake(self, fake: Tensor, labels: Tensor, step: Tensor) -> Tensor:
        """Logits that G's update looks at."""
        return self._logits(fake, labels, step, _GENERATOR)

    def of_real(self, real: Tensor, labels: Tensor, step: Tensor) -> Tensor:
        """Logits of the reals beside them, for a relativistic loss."""
        return self._logits(real, labels, step, _GENERATOR_REAL)

    def _penalty(
        self, penalty: Penalty, number: int, real: Tensor, fake: Tensor, labels: Tensor, step: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The mean of the `number`-th penalty and 1.0 in a step where it is due, (0.0, 0.0) in others."""
        use = _PENALTIES + 2 * number

        def value() -> Tensor:
            key = self._key(step, use + 1)
            return ops.mean(penalty(lambda images: self._logits(images, labels, step, use), real, fake, key))

        if penalty.every == 1:
            return value(), 1.0
        due = tf.equal(tf.math.floormod(tf.convert_to_tensor(step), penalty.every), 0)
        return tf.cond(due, value, lambda: 0.0), tf.cast(due, tf.float32)

    def _logits(self, images: Tensor, labels: Tensor, step: Tensor, use: int) -> Tensor:
        if self.augment is not None:
            images = self.augment(images, self._key(step, use))
        logits = self.discriminator(self.network_inputs.arrange(images=images, labels=labels), training=True)
        return ops.cast(logits, "float32")

    def _key(self, step: Tensor, use: int) -> Tensor:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return random.training_key(self.seed, step, replica, use)


def scores(real_logits: Tensor, fake_logits: Tensor, boundary: float | None) -> Logs:
    """Mean logits, and the shares on the right side of the boundary; None: of the middle between both means."""
    real_score, fake_score = ops.mean(real_logits), ops.mean(fake_logits)
    boundary = (real_score + fake_score) / 2.0 if boundary is None else boundary
    return {
        "real_score": (real_score, 1.0),
        "fake_score": (fake_score, 1.0),
        "real_accuracy": (ops.mean(ops.cast(real_logits > boundary, "float32")), 1.0),
        "fake_accuracy": (ops.mean(ops.cast(fake_logits < boundary, "float32")), 1.0),
    }
