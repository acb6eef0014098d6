"""A part of a data set, the batches of a training run over it, and how parts are held out."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import tensorflow as tf

from gan.data import images, storage
from gan.errors import InputError

HELD_OUT = 1 / 6
"""Share of the training images that makes a validation, and a test split, which a set does not have: as MNIST's
10,000 of 60,000."""

FEWEST = 10
"""Images of which something can be held out."""

_COPIED_BYTES = 2**28
"""An array up to this size is given to TensorFlow as a copy, which gathers faster."""

_MOST_AHEAD, _AHEAD_BYTES = 8, 2**28
"""Batches that are made ahead of a training run: at most so many, and about so many bytes of them."""

_as_written = tf.autograph.experimental.do_not_convert
"""For functions without control flow on tensors, whose conversion takes longer than tracing them."""


@dataclass(frozen=True)
class Split:
    """Part of a data set. images: uint8 [N, H, W, C]; labels: int32 [N], or None.

    Images that do not fit in memory are a `numpy.memmap`: what is indexed is read when it is asked for.
    """

    images: np.ndarray
    labels: np.ndarray | None

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: np.ndarray) -> "Split":
        """The pictures at these indices, in this order."""
        if storage.is_streamed(self.images) and len(indices) * self.images[:1].nbytes <= storage.memory_limit():
            return Split(np.asarray(self.images[indices]), None if self.labels is None else self.labels[indices])
        return self._rearranged(np.asarray(indices))

    def at_most(self, most: int) -> "Split":
        """The split, or so many of its pictures, always the same ones, where it has more."""
        if len(self) <= most:
            return self
        return self.take(np.sort(np.random.default_rng(0).permutation(len(self))[:most]))

    def _rearranged(self, order: np.ndarray) -> "Split":
        return Split(storage.rearranged(self.images, order), None if self.labels is None else self.labels[order])

    def batches(
        self, batch_size: int, *, steps: int | None = None, seed: int = 0, first_step: int = 0
    ) -> tf.data.Dataset:
        """Shuffled batches first_step, ..., first_step + steps - 1 of an endless run over this split.

        Batch k depends on (seed, k) only, so that a run continued at any step sees what it would have seen. Each pass
        goes through the split in an order of its own, a function of (seed, pass); the last len % batch_size pictures
        of a pass are left out of it. Whether the images lie in memory or in a file does not change a bit.

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
                expected=f"a whole number from 1 to the {len(self)} images of this split",
                received=f"batch_size={batch_size}",
            )
        per_pass = len(self) // batch_size
        steps = per_pass if steps is None else steps
        first_pass, skipped = divmod(first_step, per_pass)
        passes = -(-(skipped + steps) // per_pass)

        @_as_written
        def order(number: tf.Tensor) -> tf.data.Dataset:
            key = tf.random.experimental.stateless_fold_in(tf.constant([seed, 0], tf.int64), number)
            shuffled = tf.random.experimental.stateless_shuffle(tf.range(len(self)), key)
            return tf.data.Dataset.from_tensor_slices(
                tf.reshape(shuffled[: per_pass * batch_size], [per_pass, batch_size])
            )

        return (
            tf.data.Dataset.range(first_pass, first_pass + passes)
            .flat_map(order)
            .skip(skipped)
            .take(steps)
            .map(self._batch)
            .prefetch(self._batches_ahead(batch_size))
            .apply(tf.data.experimental.assert_cardinality(steps))
            .with_options(_steady())
        )

    def in_order(self, batch_size: int) -> tf.data.Dataset:
        """Once through the split as it is: float32 [B, H, W, C] in [-1, 1](, labels int32 [B]), the last batch too."""
        return tf.data.Dataset.range(len(self)).batch(batch_size).map(self._batch).prefetch(2).with_options(_steady())

    def _batches_ahead(self, batch_size: int) -> int:
        """Returns how many batches may be made before they are asked for, from 1 to `_MOST_AHEAD`."""
        batch_bytes = 4 * batch_size * int(np.prod(self.images.shape[1:]))
        return min(_MOST_AHEAD, max(1, _AHEAD_BYTES // batch_bytes))

    @_as_written
    def _batch(self, indices: tf.Tensor) -> tf.Tensor | tuple[tf.Tensor, tf.Tensor]:
        pictures, labels = self._tensors
        if pictures is None:
            pixels = tf.numpy_function(self._read, [indices], tf.uint8, stateful=False)
            pixels = tf.ensure_shape(pixels, [*indices.shape, *self.images.shape[1:]])
        else:
            pixels = tf.gather(pictures, indices)
        real = images.from_uint8(tf.cast(pixels, tf.float32))
        return real if labels is None else (real, tf.gather(labels, indices))

    def _read(self, indices: np.ndarray) -> np.ndarray:
        return np.asarray(self.images[indices])

    @cached_property
    def _tensors(self) -> tuple[tf.Tensor | None, tf.Tensor | None]:
        """What TensorFlow gathers from: no images that are in a file, nor so many that a copy of them would hurt."""
        with tf.init_scope():
            copied = not storage.is_streamed(self.images) and self.images.nbytes <= _COPIED_BYTES
            pictures = tf.constant(self.images) if copied else None
            return pictures, None if self.labels is None else tf.constant(self.labels, tf.int32)


def _steady() -> tf.data.Options:
    options = tf.data.Options()
    options.autotune.enabled = False  # its back-off stalls the end of every epoch by up to twice its length
    return options


def order_by_content(images: np.ndarray) -> np.ndarray:
    """Indices that put images in the order of the BLAKE2 hashes of their bytes: [N, ...] -> [N].

    A permutation that looks random but belongs to the pictures: the same split comes out however they were stored.
    """
    return np.argsort([hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in images], kind="stable")


def hold_out(split: Split, count: int) -> tuple[Split, Split]:
    """(the rest, `count` images to hold out), both ordered by content."""
    ordered = split._rearranged(order_by_content(split.images))
    everything = np.arange(len(split))
    return ordered._rearranged(everything[count:]), ordered._rearranged(everything[:count])


def three_ways(parts: dict[str, Split]) -> tuple[Split, Split, Split]:
    """(train, validation, test) of the parts that a set has: what it lacks is held out of `parts["train"]`.

    `HELD_OUT` of it each, test first, at least one image, by content. Raises `InputError` when there are fewer than
    `FEWEST` to hold out of, or the parts have images of different shapes.
    """
    train = parts["train"]
    shapes = {name: part.images.shape[1:] for name, part in parts.items()}
    if len(set(shapes.values())) > 1:
        received = ", ".join(f"{name}: {shape}" for name, shape in shapes.items())
        raise InputError("The splits do not fit together", expected="images of one shape", received=received)
    held = dict(parts)
    for name in ("test", "validation"):
        if name not in held:
            if len(parts["train"]) < FEWEST:
                raise InputError(
                    "Too few images",
                    expected=f"at least {FEWEST} to hold out some for validation and test",
                    received=f"{len(parts['train'])}",
                )
            train, held[name] = hold_out(train, max(1, round(len(train) * HELD_OUT)))
    return train, held["validation"], held["test"]
