"""Batches of a split whose images lie on the device that trains."""

import weakref
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import tensorflow as tf

from gan.data import images, storage
from gan.data.order import Order, no_autotune
from gan.utils.types import Tensor

_Registry = weakref.WeakKeyDictionary[tf.data.Dataset, "ResidentBatches"]
_OF_BATCHES: _Registry = weakref.WeakKeyDictionary()
_OF_NUMBERS: _Registry = weakref.WeakKeyDictionary()


class Source(Protocol):
    """A split: its arrays, and the same as tensors on a device."""

    @property
    def images(self) -> np.ndarray: ...

    @property
    def labels(self) -> np.ndarray | None: ...

    def on_device(self, device: str) -> tuple[tf.Tensor, ...]: ...


@dataclass(frozen=True)
class ResidentBatches:
    """The batches that a dataset of `Split.batches` yields, as a function of their numbers.

    A train program gathers them from the tensors of `source.on_device`, with `gather`.
    """

    source: Source
    order: Order

    def belongs_to(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """Lets `resident_batches` find this object by a dataset, and returns the dataset."""
        _OF_BATCHES[batches] = self
        return batches

    def numbers(self, together: int) -> tf.data.Dataset:
        """Returns the numbers of the batches of an iteration, int64 [n], `together` in each element, fewer in the last.

        The cardinality is the number of batches, which tells Keras how many steps an epoch has.
        """
        numbers, iteration = self.order.numbers(), self.order.iteration
        numbers = numbers if iteration is None else iteration.count(numbers)
        numbers = numbers.batch(together).apply(tf.data.experimental.assert_cardinality(self.order.steps))
        numbers = numbers.with_options(no_autotune())
        _OF_NUMBERS[numbers] = self
        return numbers if iteration is None else iteration.belongs_to(numbers)

    def first(self) -> tuple[np.ndarray, ...] | np.ndarray:
        """Returns the first batch of the first iteration as arrays, as the dataset yields it."""
        rows = self.order.look_up(np.array([self.order.first_step]))[0]
        labels = None if self.source.labels is None else self.source.labels[rows].astype(np.int32)
        real = as_batch(self.source.images[rows], labels)
        return tuple(np.asarray(part) for part in real) if isinstance(real, tuple) else np.asarray(real)


def bytes_on_device(source: Source) -> int | None:
    """Returns the bytes of the images and labels of a split on a device. None: the images are in a file."""
    if storage.is_streamed(source.images):
        return None
    return source.images.nbytes + (0 if source.labels is None else 8 * len(source.labels))


def resident_batches(batches: object) -> ResidentBatches | None:
    """Returns the batches of a dataset as functions of their numbers. None: it is not a dataset of `Split.batches`."""
    return _OF_BATCHES.get(batches) if isinstance(batches, tf.data.Dataset) else None


def numbered_batches(numbers: object) -> ResidentBatches | None:
    """Returns the batches whose numbers a dataset of `ResidentBatches.numbers` has. None: it is another dataset."""
    return _OF_NUMBERS.get(numbers) if isinstance(numbers, tf.data.Dataset) else None


def gather(data: tuple[tf.Tensor, ...], rows: tf.Tensor, half: Tensor = images.HALF) -> Tensor:
    """Returns a batch of a split: images, float32 [B, H, W, C] in [-1, 1], or (images, labels int32 [B]).

    Args:
        data: all images, uint8 [N, H, W, C], and all labels, integers [N], if there are any.
        rows: the images of the batch, integers [B].
        half: `images.HALF`. In a train program it is a tensor, see `images.scale_bytes`.
    """
    pixels, labels = (*(tf.gather(part, rows) for part in data), None)[:2]
    return as_batch(pixels, labels, half)


def as_batch(pixels: Tensor, labels: Tensor, half: Tensor = images.HALF) -> Tensor:
    """Returns pixels, uint8 [B, H, W, C], in [-1, 1], and with labels [B], unless they are None, the pair."""
    real = images.scale_bytes(tf.cast(pixels, tf.float32), half)
    return real if labels is None else (real, tf.cast(labels, tf.int32))
