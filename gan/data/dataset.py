"""A data set of images in three splits, and the batches of a training run."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import tensorflow as tf

from gan import images
from gan.errors import InputError


@dataclass(frozen=True)
class Split:
    """Part of a data set, in memory. images: uint8 [N, H, W, C]; labels: int32 [N], or None."""

    images: np.ndarray
    labels: np.ndarray | None

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: np.ndarray) -> "Split":
        """The pictures at these indices, in this order."""
        return Split(self.images[indices], None if self.labels is None else self.labels[indices])

    def batches(
        self, batch_size: int, *, steps: int | None = None, seed: int = 0, first_step: int = 0
    ) -> tf.data.Dataset:
        """Shuffled batches first_step, ..., first_step + steps - 1 of an endless run over this split.

        Batch k depends on (seed, k) only, so that a run continued at any step sees what it would have seen. Each pass
        goes through the split in an order of its own, a function of (seed, pass); the last len % batch_size pictures
        of a pass are left out of it.

        Args:
            batch_size: pictures in a batch; at most len(self).
            steps: number of batches; None: one pass.
            seed: whole number >= 0.
            first_step: number of the first batch.

        Returns a finite `tf.data.Dataset` of real float32 [B, H, W, C] in [-1, 1], or (real, labels int32 [B]) when
        there are labels. Raises `InputError` when the split is smaller than a batch.
        """
        if not 1 <= batch_size <= len(self):
            raise InputError(
                "Bad `batch_size`",
                expected=f"a whole number from 1 to the {len(self)} training images",
                received=f"batch_size={batch_size}",
            )
        per_pass = len(self) // batch_size
        steps = per_pass if steps is None else steps
        first_pass, skipped = divmod(first_step, per_pass)
        passes = -(-(skipped + steps) // per_pass)

        def order(number: tf.Tensor) -> tf.data.Dataset:
            key = tf.random.experimental.stateless_fold_in(tf.constant([seed, 0], tf.int64), number)
            shuffled = tf.random.experimental.stateless_shuffle(tf.range(len(self)), key)
            return tf.data.Dataset.from_tensor_slices(
                tf.reshape(shuffled[: per_pass * batch_size], [per_pass, batch_size])
            )

        pictures, labels = self._tensors

        def batch(indices: tf.Tensor) -> tf.Tensor | tuple[tf.Tensor, tf.Tensor]:
            real = images.from_uint8(tf.cast(tf.gather(pictures, indices), tf.float32))
            return real if labels is None else (real, tf.gather(labels, indices))

        return (
            tf.data.Dataset.range(first_pass, first_pass + passes)
            .flat_map(order)
            .skip(skipped)
            .take(steps)
            .map(batch)
            .prefetch(8)
            .apply(tf.data.experimental.assert_cardinality(steps))
            .with_options(_steady())
        )

    def in_order(self, batch_size: int) -> tf.data.Dataset:
        """Once through the split as it is: float32 [B, H, W, C] in [-1, 1](, labels int32 [B]), the last batch too."""
        real = images.from_uint8(self.images.astype(np.float32))
        parts = real if self.labels is None else (real, self.labels)
        return tf.data.Dataset.from_tensor_slices(parts).batch(batch_size).with_options(_steady())

    @cached_property
    def _tensors(self) -> tuple[tf.Tensor, tf.Tensor | None]:
        return tf.constant(self.images), None if self.labels is None else tf.constant(self.labels, tf.int32)


def _steady() -> tf.data.Options:
    options = tf.data.Options()
    options.autotune.enabled = False  # its back-off stalls the end of every epoch by up to twice its length
    return options


@dataclass(frozen=True)
class Dataset:
    """Images in three splits. `num_classes` is 0 when there are no labels.

    Train on `train`, choose on `validation`, report on `test`, once.
    """

    name: str
    num_classes: int
    train: Split
    validation: Split
    test: Split

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        height, width, channels = self.train.images.shape[1:]
        return height, width, channels


def order_by_content(images: np.ndarray) -> np.ndarray:
    """Indices that put images in the order of the BLAKE2 hashes of their bytes: [N, ...] -> [N].

    A permutation that looks random but belongs to the pictures: the same split comes out however they were stored.
    """
    return np.argsort([hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in images], kind="stable")


def hold_out(split: Split, count: int) -> tuple[Split, Split]:
    """(the rest, `count` images to hold out), both ordered by content."""
    order = order_by_content(split.images)
    return split.take(order[count:]), split.take(order[:count])
