"""A split of a dataset, the batches of a training run over it, and held-out splits."""

import hashlib
import warnings
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral

import numpy as np
import tensorflow as tf

from gan.data import storage
from gan.data.iteration import Iteration
from gan.data.order import Order, no_autotune
from gan.data.resident import ResidentBatches, as_batch, gather
from gan.errors import InputError, check_seed, check_whole

HELD_OUT = 1 / 6
"""Fraction of the training images that is held out for each missing split, as MNIST's 10,000 of 60,000."""

FEWEST = 3
"""Minimum number of images to hold out a split."""

FEW = 10
"""Minimum number of images to hold out a split without a warning."""

_COPIED_BYTES = 2**28
"""Maximum size in bytes of an array that TensorFlow gets as a copy, which it gathers from faster."""

_MOST_AHEAD, _AHEAD_BYTES = 8, 2**28
"""Limits of prefetching: maximum number of batches, and their approximate size in bytes."""

_as_written = tf.autograph.experimental.do_not_convert
"""Skips AutoGraph for functions without control flow on tensors. Their conversion takes longer than their tracing."""


@dataclass(frozen=True)
class Split:
    """A split of a dataset.

    Attributes:
        images: uint8 [N, H, W, C]. Images that do not fit in memory are a `numpy.memmap`, which is read on access.
        labels: int32 [N]. None: no labels.
    """

    images: np.ndarray
    labels: np.ndarray | None

    def __len__(self) -> int:
        return len(self.images)

    def __getstate__(self) -> dict[str, np.ndarray | None]:
        """Returns what is pickled: the arrays, without their copies for TensorFlow."""
        return {"images": self.images, "labels": self.labels}

    def take(self, indices: np.ndarray) -> "Split":
        """Returns the images and labels at the given indices, in this order."""
        if storage.is_streamed(self.images) and len(indices) * self.images[:1].nbytes <= storage.memory_limit():
            return Split(np.asarray(self.images[indices]), None if self.labels is None else self.labels[indices])
        return self._rearrange(np.asarray(indices))

    def at_most(self, most: int) -> "Split":
        """Returns the split, or a fixed random subset of `most` images if it has more."""
        check_whole("most", most, 1)
        if len(self) <= most:
            return self
        return self.take(np.sort(np.random.default_rng(0).permutation(len(self))[:most]))

    def _rearrange(self, order: np.ndarray) -> "Split":
        return Split(storage.rearranged(self.images, order), None if self.labels is None else self.labels[order])

    def batches(
        self,
        batch_size: int,
        *,
        steps: int | None = None,
        seed: int = 0,
        first_step: int = 0,
        reshuffle_each_iteration: bool = True,
    ) -> tf.data.Dataset:
        """Returns shuffled batches of an endless run over this split, in a new order in each epoch of `fit`.

        The first iteration yields the batches first_step, ..., first_step + steps - 1 of the run. Batch k depends on
        (seed, k) alone, so a run that resumes at any step sees the same batches. Each pass over the split has its own
        order, a function of (seed, pass), and drops its last len(self) % batch_size images. Batches are bit-identical
        for images in memory and in a file.

        Iteration i has the passes of the first one plus i p, where p is the number of passes in an iteration. In
        `GAN.fit`, i is the epoch, so a resumed `fit` sees the same batches; `GAN.evaluate` uses i = 0. In a loop, i
        counts the iterations that took their last batch, so looking at the first batch changes nothing.

        Args:
            batch_size: images per batch, from 1 to len(self).
            steps: number of batches. None: one pass.
            seed: whole number >= 0.
            first_step: number of the first batch, >= 0.
            reshuffle_each_iteration: False repeats the same batches in each iteration.

        Returns a finite `tf.data.Dataset` of images, float32 [B, H, W, C] in [-1, 1]. With labels, its elements are
        (images, labels int32 [B]). Raises `InputError` when the split is smaller than a batch.
        """
        check_seed(seed)
        check_whole("first_step", first_step, 0, 2**53)
        if steps is not None:
            check_whole("steps", steps, 1)
        is_whole = isinstance(batch_size, Integral) and not isinstance(batch_size, bool)
        if not is_whole or not 1 <= batch_size <= len(self):
            raise InputError(
                "Bad `batch_size`",
                expected=f"a whole number from 1 to the {len(self)} images of this split",
                received=f"batch_size={batch_size}",
            )
        batch_size, seed = int(batch_size), int(seed)
        steps = len(self) // batch_size if steps is None else int(steps)
        iteration = Iteration(steps) if reshuffle_each_iteration else None
        order = Order(len(self), batch_size, steps, seed, int(first_step), iteration)
        batches = order.indices().map(self._batch).prefetch(self._batches_ahead(batch_size))
        batches = batches if iteration is None else iteration.count(batches)
        batches = batches.apply(tf.data.experimental.assert_cardinality(steps)).with_options(no_autotune())
        ResidentBatches(self, order).belongs_to(batches)
        return batches if iteration is None else iteration.belongs_to(batches)

    def in_order(self, batch_size: int) -> tf.data.Dataset:
        """Returns one pass over the split in its order: float32 [B, H, W, C] in [-1, 1](, labels int32 [B]).

        The last batch may be smaller. Raises `InputError` unless `batch_size` is a whole number >= 1.
        """
        check_whole("batch_size", batch_size, 1)
        return (
            tf.data.Dataset.range(len(self)).batch(batch_size).map(self._batch).prefetch(2).with_options(no_autotune())
        )

    def _batches_ahead(self, batch_size: int) -> int:
        """Returns the number of batches to prefetch, from 1 to `_MOST_AHEAD`."""
        batch_bytes = 4 * batch_size * int(np.prod(self.images.shape[1:]))
        return min(_MOST_AHEAD, max(1, _AHEAD_BYTES // batch_bytes))

    @_as_written
    def _batch(self, indices: tf.Tensor) -> tf.Tensor | tuple[tf.Tensor, tf.Tensor]:
        copy, labels = self._tensors
        if copy is not None:
            return gather((copy,) if labels is None else (copy, labels), indices)
        pixels = tf.numpy_function(self._read, [indices], tf.uint8, stateful=False)
        pixels = tf.ensure_shape(pixels, [*indices.shape, *self.images.shape[1:]])
        return as_batch(pixels, None if labels is None else tf.gather(labels, indices))

    def _read(self, indices: np.ndarray) -> np.ndarray:
        return np.asarray(self.images[indices])

    @cached_property
    def _tensors(self) -> tuple[tf.Tensor | None, tf.Tensor | None]:
        """Images and labels as tensors. The images are None when they are in a file or larger than `_COPIED_BYTES`."""
        with tf.init_scope():
            copied = not storage.is_streamed(self.images) and self.images.nbytes <= _COPIED_BYTES
            copy = tf.constant(self.images) if copied else None
            return copy, None if self.labels is None else tf.constant(self.labels, tf.int32)

    def on_device(self, device: str) -> tuple[tf.Tensor, ...]:
        """Returns images, uint8 [N, H, W, C], and labels, int64 [N], if there are any, on a device such as "GPU:0".

        The tensors stay there as long as the split exists. On a CPU, the streamed batches use the same images.
        """
        if device not in self._on_devices:
            with tf.init_scope(), tf.device(device):
                copy = self._tensors[0] if "CPU" in device else None
                copy = tf.constant(self.images) if copy is None else copy
                # int64, since TensorFlow keeps int32 in the memory of the host
                labels = () if self.labels is None else (tf.constant(self.labels, tf.int64),)
                self._on_devices[device] = (copy, *labels)
        return self._on_devices[device]

    @cached_property
    def _on_devices(self) -> dict[str, tuple[tf.Tensor, ...]]:
        return {}


def order_by_content(images: np.ndarray) -> np.ndarray:
    """Returns the indices that sort images [N, ...] by the BLAKE2 hashes of their bytes: [N].

    The order looks random but depends on the images alone, so a split does not depend on how they were stored.
    """
    return np.argsort([hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in images], kind="stable")


def hold_out(split: Split, count: int) -> tuple[Split, Split]:
    """Holds out `count` images. Returns (remaining images, held-out images), both ordered by content."""
    ordered = split._rearrange(order_by_content(split.images))
    indices = np.arange(len(split))
    return ordered._rearrange(indices[count:]), ordered._rearrange(indices[:count])


def three_ways(parts: dict[str, Split]) -> tuple[Split, Split, Split]:
    """Returns (train, validation, test). Missing splits are held out from `parts["train"]`.

    Each missing split gets the fraction `HELD_OUT` of the images, at least one, chosen by content. The test split is
    held out first. Fewer than `FEW` images cause a warning. Raises `InputError` when there are fewer than `FEWEST`
    images to hold out from, or when the images of the splits have different shapes.
    """
    train = parts["train"]
    shapes = {name: part.images.shape[1:] for name, part in parts.items()}
    if len(set(shapes.values())) > 1:
        received = ", ".join(f"{name}: {shape}" for name, shape in shapes.items())
        raise InputError("The splits have different image shapes", expected="images of one shape", received=received)
    held = dict(parts)
    _check_count(len(train), [name for name in ("validation", "test") if name not in held])
    for name in ("test", "validation"):
        if name not in held:
            train, held[name] = hold_out(train, max(1, round(len(train) * HELD_OUT)))
    return train, held["validation"], held["test"]


def _check_count(images: int, missing: list[str]) -> None:
    """Raises `InputError` if the splits in `missing` cannot be held out; warns if they get very few images."""
    splits = " and ".join(missing)
    if missing and images < FEWEST:
        raise InputError(
            "Too few images",
            expected=f"at least {FEWEST} to hold out {splits} images, or splits of your own (validation=, test=, or "
            "sub-folders train, validation and test, which may hold the same images)",
            received=f"{images}",
        )
    if missing and images < FEW:
        warnings.warn(
            f"Only {images} images, of which one each is held out for {splits}: numbers measured on it prove little",
            stacklevel=5,
        )
