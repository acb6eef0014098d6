"""The discriminator during training: logits, loss and penalties on augmented images, with labels."""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf
from keras import ops

from gan.errors import InputError
from gan.models import networks, random
from gan.models.extra_fakes import EVERY, ExtraFakes
from gan.models.layer_losses import layer_loss
from gan.models.losses import AdversarialLoss
from gan.models.networks.fast_layers import use_fast_layers
from gan.models.networks.inputs import NetworkInputs
from gan.models.penalties import Penalty
from gan.utils.types import Tensor

Logs = dict[str, tuple[Tensor, Tensor]]
"""{log name: (value, weight of the value in the mean over steps)}."""

LAYER_LOSSES = ("g_layer_loss", "d_layer_loss")
"""Logs of the losses that layers add (`gan.models.layer_losses`). `g_loss` and `d_loss` do not include them."""

_REAL, _FAKE, _GENERATOR, _GENERATOR_REAL, _PENALTIES = range(5)
"""Uses of random numbers. Each use within a D update has its own random key. Those of extra fakes are negative.

`_PENALTIES` must stay the last: each penalty takes two numbers from there on, one for the augmentation and one for the
penalty itself."""


class Logits(NamedTuple):
    """Logits of D for reals [B, 1], for fakes [B, 1], and for the extra fakes of each kind [M, 1].

    `layer_loss` is the sum of the losses that D's layers added, a scalar; None if they added none.
    """

    real: Tensor
    fake: Tensor
    extra: tuple[Tensor, ...] = ()
    layer_loss: Tensor = None


class Critic:
    """Computes logits, loss and penalties of a discriminator D during training.

    In all methods, images are [B, H, W, C] in [-1, 1], labels are int32 [B] or None, and logits are float32 [B, 1].
    `step` is the number of the D update or, for G's loss, of the train step. The random numbers are functions of
    (seed, step, replica, use).

    Args:
        discriminator: images [B, H, W, C] in [-1, 1](, labels int32 [B]) -> logits [B, 1].
        augment: `augment(images, key)`, applied to all images that D receives, real and fake; None: no augmentation.
        seed: seed of the random numbers.

    Attributes:
        random: whether the logits depend on random numbers.
    """

    def __init__(self, discriminator: keras.Model, augment: keras.Layer | None, seed: int) -> None:
        self.discriminator = discriminator
        self.network_inputs = NetworkInputs.of(discriminator, main="images")
        self.augment = augment
        self.seed = seed
        self._joint_pass = not networks.has_batch_statistics(discriminator)
        self.random = augment is not None or networks.draws_random_numbers(discriminator)
        every = EVERY if self._joint_pass else 1  # batch statistics need a whole batch
        self._beside = slice(None, None, every)

    def compile(
        self, loss: AdversarialLoss, penalties: Sequence[Penalty], extra_fakes: Sequence[ExtraFakes], replicas: int
    ) -> None:
        """Sets the loss that D minimizes.

        Raises `InputError` if the shares of the extra fakes leave nothing for the samples of G. Raises it also for
        penalties of a D with batch statistics on several replicas, for two reasons:

        * Replicas exchange batch statistics, which is impossible inside the `tf.cond` of a lazy penalty.
        * The second derivative through exchanged statistics differs from the one in a single process. Weights differed
          by 1e-3 after 20 steps.
        """
        self._loss, self._penalties, self._extra_fakes = loss, penalties, tuple(extra_fakes)
        self._own_share = 1.0 - sum(part.share for part in extra_fakes)
        if self._own_share <= 0.0:
            raise InputError(
                "The shares of extra fakes leave nothing for the samples of G",
                expected="shares with a sum below 1",
                received=", ".join(f"{type(part).__name__} {part.share}" for part in extra_fakes),
            )
        if penalties and not self._joint_pass and replicas > 1:
            raise InputError(
                "Several replicas cannot use penalties with a discriminator that has batch statistics",
                expected="one device, no penalties, or a discriminator without batch normalization",
                received=", ".join(penalty.name for penalty in penalties),
            )

    def logits(self, real: Tensor, fake: Tensor, labels: Tensor, step: Tensor, *, together: bool = True) -> Logits:
        """Returns the logits of D for a batch of reals and fakes, and for the extra fakes.

        together: whether all of them share the random numbers that D draws, in one pass. A D with batch statistics gets
        one pass per part. Otherwise, a GPU makes one pass, and on a CPU the fakes have one beside that of the others.
        The losses of D's layers are the mean over all images of these passes, whatever their number.
        """
        batches = [(real, labels, _REAL), (fake, labels, _FAKE)]
        for part in self._extra_fakes:
            beside = None if labels is None else labels[self._beside]
            batches.append((*part.draw(real[self._beside], beside, self.seed, step), part.use))
        reals, fakes, *extras = range(len(batches))
        if not self._joint_pass or (self.random and not together):
            passes = [[part] for part in range(len(batches))]
        elif self.random or one_pass_is_faster():
            passes = [[reals, fakes, *extras]]
        else:
            passes = [[reals, *extras], [fakes]]
        found: dict[int, Tensor] = {}
        added: list[Tensor] = []
        sizes: list[Tensor] = []
        for parts in passes:
            images, labels_of_parts, uses = zip(*(batches[part] for part in parts))
            all_labels = None if labels is None else ops.concatenate(labels_of_parts)
            logits = self._logits(ops.concatenate(images), all_labels, step, uses[0])
            found.update(zip(parts, tf.split(logits, [tf.shape(part)[0] for part in images])))
            added.append(layer_loss(self.discriminator))
            sizes.append(tf.cast(tf.shape(logits)[0], tf.float32))
        return Logits(found[reals], found[fakes], tuple(map(found.get, extras)), _mean_over_images(added, sizes))

    def loss(
        self, logits: Logits, real: Tensor, fake: Tensor, labels: Tensor, step: Tensor, like: int | None = None
    ) -> tuple[Tensor, Logs]:
        """Returns the scalar that D minimizes, penalties included, and its logs.

        like: a D update in which the same lazy penalties are due as in update `step`. The graph then contains only
            these, and no conditional. None: not known.

        With extra fakes of shares s_i, the adversarial part is (1 - sum s_i) * loss(real, fake) + sum s_i * loss(real,
        extra_i). Logs: `d_loss` (without penalties and losses of layers), the four entries of `scores`, each penalty
        by name, and `d_layer_loss`.
        """
        loss = ops.mean(self._loss.discriminator(logits.real, logits.fake))
        if logits.extra:
            loss = self._own_share * loss
        for part, extra in zip(self._extra_fakes, logits.extra):
            loss += part.share * ops.mean(self._loss.discriminator(logits.real[self._beside], extra))
        logs, total = {"d_loss": (loss, 1.0), **scores(logits.real, logits.fake, self._loss.boundary)}, loss
        for number, penalty in enumerate(self._penalties):
            value, due = self._penalty(penalty, number, real, fake, labels, step, like)
            total += penalty.every * value
            logs[penalty.name] = (value, due)
        if logits.layer_loss is not None:
            total += logits.layer_loss
        return total, {**logs, LAYER_LOSSES[1]: as_log(logits.layer_loss)}

    def of_fake(self, fake: Tensor, labels: Tensor, step: Tensor) -> Tensor:
        """Returns the logits of the fakes for G's update."""
        return self._logits(fake, labels, step, _GENERATOR)

    def of_real(self, real: Tensor, labels: Tensor, step: Tensor) -> Tensor:
        """Returns the logits of the reals for G's update, which a relativistic loss needs."""
        return self._logits(real, labels, step, _GENERATOR_REAL)

    def _penalty(
        self,
        penalty: Penalty,
        number: int,
        real: Tensor,
        fake: Tensor,
        labels: Tensor,
        step: Tensor,
        like: int | None,
    ) -> tuple[Tensor, Tensor]:
        """Returns (mean of the `number`-th penalty, 1.0) in a step where it is due, (0.0, 0.0) in others."""
        use = _PENALTIES + 2 * number

        def value() -> Tensor:
            key = self._key(step, use + 1)
            return ops.mean(penalty(lambda images: self._logits(images, labels, step, use), real, fake, key))

        if penalty.every == 1:
            return value(), 1.0
        if like is not None:
            return (value(), 1.0) if like % penalty.every == 0 else (0.0, 0.0)
        due = tf.equal(tf.math.floormod(tf.convert_to_tensor(step), penalty.every), 0)
        return tf.cond(due, value, lambda: 0.0), tf.cast(due, tf.float32)

    def _logits(self, images: Tensor, labels: Tensor, step: Tensor, use: int) -> Tensor:
        if self.augment is not None:
            images = self.augment(images, self._key(step, use))
        with use_fast_layers(self.discriminator):
            logits = self.discriminator(self.network_inputs.arrange(images=images, labels=labels), training=True)
        return ops.cast(logits, "float32")

    def _key(self, step: Tensor, use: int) -> Tensor:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return random.training_key(self.seed, step, replica, use)


def one_pass_is_faster() -> bool:
    """Returns whether D computes all logits in one pass, where starting kernels takes the time: on a GPU."""
    return bool(tf.config.list_logical_devices("GPU"))


def as_log(layer_loss: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the log of the losses of layers; None means 0."""
    return (0.0 if layer_loss is None else layer_loss), 1.0


def last_values(before: Logs, after: Logs, names: Sequence[str]) -> Logs:
    """Returns the logs `after` a D update. A number in `names` that it did not compute keeps its value `before`."""
    kept = {}
    for name in names:
        value, weight = after[name]
        kept[name] = (tf.where(weight > 0.0, value, before[name][0]), tf.maximum(weight, before[name][1]))
    return {**after, **kept}


def _mean_over_images(losses: Sequence[Tensor], sizes: Sequence[Tensor]) -> Tensor:
    """Returns the mean of losses of several passes, weighted by the number of images. None if no pass has a loss."""
    if len(losses) == 1 or all(loss is None for loss in losses):
        return losses[0]
    return tf.add_n([loss * size for loss, size in zip(losses, sizes) if loss is not None]) / tf.add_n(sizes)


def scores(real_logits: Tensor, fake_logits: Tensor, boundary: float | None) -> Logs:
    """Returns the mean logits and the shares of logits on the correct side of a boundary, as logs.

    `boundary` is the logit that separates real from fake. None: the midpoint of the two mean logits.
    """
    real_score, fake_score = ops.mean(real_logits), ops.mean(fake_logits)
    boundary = (real_score + fake_score) / 2.0 if boundary is None else boundary
    return {
        "real_score": (real_score, 1.0),
        "fake_score": (fake_score, 1.0),
        "real_accuracy": (ops.mean(ops.cast(real_logits > boundary, "float32")), 1.0),
        "fake_accuracy": (ops.mean(ops.cast(fake_logits < boundary, "float32")), 1.0),
    }
