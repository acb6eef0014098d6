"""Checks data while Keras reads it. Nothing is read twice, and every batch is passed on in its order."""

import inspect
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf

from gan.data.iteration import Iteration, iteration_of
from gan.data.resident import numbered_batches
from gan.models import keras_checks
from gan.models.first_batch import BatchCheck, no_images
from gan.utils.types import Tensor

DEFAULT_BATCH = 32
"""Batch size of `keras.Model.fit` without `batch_size`."""


class DataWatch:
    """Checks the first batch of the data that `fit`, `evaluate`, `train_on_batch` or `test_on_batch` gets."""

    def __init__(self, check: BatchCheck) -> None:
        self.check = check
        self._watched: weakref.WeakSet[object] = weakref.WeakSet()
        self._single_batches = 0

    @contextmanager
    def __call__(self, method: Callable[..., Tensor], *args: Tensor, **options: Tensor) -> Iterator[dict[str, Tensor]]:
        """Checks the data in the arguments of a method.

        Arrays are checked at once: their first images and all labels. Of data sets and iterators, the first batch is
        checked when it is read. Of single batches, only the first one is checked.

        Args:
            method: method of `keras.Model`, such as `keras.Model.fit`.
            *args, **options: its arguments.

        Yields the arguments by name. Data sets and iterators in them are replaced by ones that check their first batch.
        Raises `InputError` if a check fails, also one inside the `with` statement.
        """
        bound = inspect.signature(method).bind_partial(None, *args, **options).arguments
        named = {**bound, **bound.get("kwargs", {})}
        named = {name: value for name, value in named.items() if name not in ("self", "kwargs")}
        failures: list[Exception] = []
        if method.__name__.endswith("_on_batch"):
            if not self._single_batches:
                self._check_arrays(named.get("x"), named.get("y"), None)
            self._single_batches += 1
        else:
            size = named.get("batch_size") or DEFAULT_BATCH
            iteration = iteration_of(named.get("x"))
            if iteration is not None and method is keras.Model.fit:
                named["callbacks"] = keras_checks.with_first(named.get("callbacks"), _Epochs(iteration))
            elif iteration is not None:
                iteration.start_at(0)
            named["x"] = self._watch(named.get("x"), named.get("y"), size, _Look(self.check, failures))
            validation = named.get("validation_data")
            validation = tuple(validation) if isinstance(validation, list) else validation
            if validation is not None:
                split = isinstance(validation, tuple) and 0 < len(validation) <= 3
                x, y = (*validation, None)[:2] if split else (validation, None)
                size = named.get("validation_batch_size") or size
                x = self._watch(x, y, size, _Look(self.check, failures))
                named["validation_data"] = (x, *validation[1:]) if split else x
        try:
            yield named
        except Exception:
            if failures:
                raise failures[0] from None
            raise

    def _watch(self, x: Tensor, y: Tensor, batch_size: int, look: "_Look") -> Tensor:
        """Checks arrays, or returns the same data with a check of the first batch that is read."""
        resident = numbered_batches(x)
        if resident is not None:  # its batches never pass through the host
            look(resident.first())
        elif isinstance(x, (tf.data.Dataset, keras.utils.PyDataset)):
            if x not in self._watched:
                iteration = iteration_of(x)
                x = _looking_dataset(x, look) if isinstance(x, tf.data.Dataset) else _LookingPyDataset(x, look)
                self._watched.add(x)
                x = x if iteration is None else iteration.belongs_to(x)
        elif isinstance(x, Iterator):
            x = look.over(x)
        elif not keras_checks.comes_in_batches(x):
            self._check_arrays(x, y, batch_size)
        return x

    def _check_arrays(self, x: Tensor, y: Tensor, batch_size: int | None) -> None:
        x, y = (np.asarray(part) if hasattr(part, "iloc") else part for part in (x, y))  # of pandas
        images, labels = self.check.form(x if y is None else (x, y), "np")
        first = np.asarray(images[:batch_size])
        self.check.values(first if labels is None else (first, np.asarray(labels[: len(first)])))
        if labels is not None:
            self.check.label_values(np.asarray(labels))


class _Epochs(keras.callbacks.Callback):
    """Lets the number of an iteration be the number of the epoch."""

    def __init__(self, iteration: Iteration) -> None:
        super().__init__()
        self._iteration = iteration

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self._iteration.start_at(epoch)


class _Look:
    """Checks the first batch that passes, and the form of the others."""

    def __init__(self, check: BatchCheck, failures: list[Exception]) -> None:
        self.check, self.failures, self._done = check, failures, False

    def __call__(self, batch: Tensor) -> None:
        """Checks a batch of arrays: of the first one also the values. Errors are also kept in `failures`."""
        first, self._done = not self._done, True
        try:
            if first:
                self.check.values(batch)
            else:
                self.check.form(batch, "np")
        except Exception as error:
            self.failures.append(error)
            raise

    def over(self, batches: Iterator[Tensor]) -> Iterator[tuple[Tensor, ...]]:
        """Yields the batches of an iterator as tuples."""
        batch = None
        for batch in batches:
            self(_arrays(batch))
            yield batch if isinstance(batch, tuple) else (batch,)
        if batch is None:
            raise no_images("an iterator without a batch")


class _LookingPyDataset(keras.utils.PyDataset):
    """The same batches as another `PyDataset`. The first one that is read is checked."""

    def __init__(self, batches: keras.utils.PyDataset, look: _Look) -> None:
        super().__init__(batches.workers, batches.use_multiprocessing, batches.max_queue_size)
        self._batches, self._look = batches, look

    def __getitem__(self, index: int) -> Tensor:
        batch = self._batches[index]
        self._look(_arrays(batch))
        return batch

    @property
    def num_batches(self) -> int | None:
        return self._batches.num_batches

    def on_epoch_begin(self) -> None:
        self._batches.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self._batches.on_epoch_end()


def _arrays(batch: Tensor) -> Tensor:
    """Returns a batch with NumPy arrays in place of tensors."""
    if isinstance(batch, tuple):
        return tuple(map(_arrays, batch))
    return np.asarray(batch) if hasattr(batch, "shape") else batch


def _looking_dataset(batches: tf.data.Dataset, look: _Look) -> tf.data.Dataset:
    """Returns the same data set, which checks its first batch when it is read.

    The other batches pass through a branch inside the graph of tf.data, in about 0.02 ms, without a call of Python.
    """
    look.check.form(batches.element_spec)
    if int(batches.cardinality()) == 0:
        raise no_images("an empty tf.data.Dataset")

    def check(*parts: np.ndarray) -> np.bool_:
        look(parts if len(parts) > 1 else parts[0])
        return np.bool_(True)

    @tf.autograph.experimental.do_not_convert
    def pass_on(number: tf.Tensor, batch: Tensor) -> Tensor:
        images, labels = look.check.form(batch)
        parts = [images] if labels is None else [images, labels]
        checked = tf.cond(number > 0, lambda: True, lambda: tf.numpy_function(check, parts, tf.bool))
        with tf.control_dependencies([checked]):
            batch = tf.nest.map_structure(tf.identity, batch)
        if images.shape.rank is None:  # a data set without a specification of shapes
            samples = tf.ensure_shape(batch[0] if isinstance(batch, tuple) else batch, (None, *look.check.image_shape))
            batch = samples if labels is None else (samples, tf.reshape(batch[1], [-1]))
        return batch

    return batches.enumerate().map(pass_on)
