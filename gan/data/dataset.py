"""A data set of images in three splits, also of arrays or a `tf.data.Dataset` that a user has."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import tensorflow as tf

from gan.data import storage
from gan.data.split import Split, three_ways
from gan.data.validation import check_labels, check_pixels, count_classes
from gan.errors import InputError
from gan.saving.metadata import RunDataset
from gan.utils.types import Tensor

Arrays = tuple[Tensor, Tensor]
"""(images, labels or None)."""


@dataclass(frozen=True)
class Dataset:
    """Images in three splits. `num_classes` is 0 when there are no labels.

    Train on `train`, choose on `validation`, report on `test`, once. `name` is what `load_dataset` finds it by again;
    `class_names` says what the labels mean, where that is known.
    """

    name: str
    num_classes: int
    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...] = ()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        height, width, channels = self.train.images.shape[1:]
        return height, width, channels

    @property
    def title(self) -> str:
        """The name without what makes it a path, as a run may be called."""
        return Path(self.name).stem if Path(self.name).is_absolute() else self.name.replace("/", "-")

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal SHA-256 of the training images and labels, in their order. Computed once: 0.1 s for MNIST."""
        found = hashlib.sha256()
        for array in (self.train.images, self.train.labels):
            if array is not None:
                found.update(f"{array.dtype}{array.shape}".encode())
                for chunk in storage.in_chunks(array):  # it may lie in a file, and be larger than the memory
                    found.update(chunk.tobytes())
        return found.hexdigest()

    def describe(self) -> RunDataset:
        """Returns what the record of a run says of its data set: name, shape, classes, sizes of the splits, SHA-256."""
        return RunDataset(
            name=self.name,
            image_shape=self.image_shape,
            num_classes=self.num_classes,
            class_names=self.class_names,
            train=len(self.train),
            validation=len(self.validation),
            test=len(self.test),
            train_sha256=self.fingerprint,
        )

    @classmethod
    def from_arrays(
        cls,
        images: Tensor,
        labels: Tensor = None,
        *,
        name: str = "arrays",
        validation: Arrays | None = None,
        test: Arrays | None = None,
    ) -> "Dataset":
        """A data set of arrays. An array in a file (`numpy.memmap`) stays there.

        >>> Dataset.from_arrays(x_train, y_train, test=(x_test, y_test))

        Args:
            images: uint8 [N, H, W], [N, H, W, 1] or [N, H, W, 3].
            labels: whole numbers from 0 to K - 1, [N] or [N, 1]; None: none.
            name: what records and reports call it.
            validation, test: (images, labels or None) of the same kind; None: a sixth of the images is held out for
                it, by their content.

        Raises `InputError` for other types, shapes or ranges, labels that do not fit the images or have a gap, one
        class only, and fewer than 10 images to hold out of.
        """
        given = {"train": (images, labels), "validation": validation, "test": test}
        parts: dict[str, Split] = {}
        for split, arrays in given.items():
            if arrays is not None:
                prefix = "" if split == "train" else f"{split} "
                pixels = check_pixels(_array(arrays[0]), f"{prefix}images")
                known = None if arrays[1] is None else check_labels(arrays[1], len(pixels), f"{prefix}labels")
                parts[split] = Split(pixels, known)
        return cls.of(name, parts)

    @classmethod
    def of(cls, name: str, parts: dict[str, Split], class_names: tuple[str, ...] = ()) -> "Dataset":
        """A data set of a train split and perhaps others, whose classes are counted. Raises as `from_arrays` does."""
        empty = [split for split, part in parts.items() if not len(part)]
        if empty:
            raise InputError("A split is empty", expected="images in each", received=f"none in {', '.join(empty)}")
        labelled = [split.labels for split in parts.values() if split.labels is not None]
        if len(labelled) not in (0, len(parts)):
            received = ", ".join(f"{split}: {'none' if p.labels is None else 'some'}" for split, p in parts.items())
            raise InputError("Labels are missing", expected="labels in each split, or in none", received=received)
        num_classes = count_classes(*labelled) if labelled else 0
        return cls(name, num_classes, *three_ways(parts), class_names)

    @classmethod
    def from_tf(cls, data: tf.data.Dataset, *, name: str = "tf.data", memory_limit: int | None = None) -> "Dataset":
        """A data set of what a finite `tf.data.Dataset` gives, read once; validation and test images are held out.

        Args:
            data: of images, or pairs (image, label): uint8 [H, W] or [H, W, 1 or 3], or batches [B, H, W, 1 or 3],
                all of one size; labels are whole numbers, one an image.
            name: what records and reports call it.
            memory_limit: bytes that the images may take of the memory before they are kept in a file; None: a quarter
                of it.

        Images are read in chunks of about `storage.CHUNK_BYTES`, or one by one where their size is not known before;
        batches stay as they are.

        Raises `InputError` as `from_arrays` does, and for an endless data set or one that fails.
        """
        spec = data.element_spec
        pair = spec if isinstance(spec, tuple) and len(spec) == 2 else (spec, None)
        picture = pair[0]
        rank = picture.shape.rank if isinstance(picture, tf.TensorSpec) else None
        batched = rank == 4
        if rank not in (2, 3, 4) or (rank == 3 and picture.shape[2] not in (1, 3)):
            expected = "images [H, W], [H, W, 1 or 3] or [B, H, W, 1 or 3], or (image, label)"
            raise InputError("Bad elements of the tf.data.Dataset", expected=expected, received=str(spec))
        if data.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise InputError("An endless tf.data.Dataset", expected="one that ends", received="one that repeats")
        labels: list[np.ndarray] = []
        known_size = picture.shape.is_fully_defined()
        at_once = storage.rows_per_chunk(picture.shape, picture.dtype.size) if known_size else 1

        def chunks() -> Iterator[np.ndarray]:
            first: tuple[int, ...] | None = None
            for element in (data if batched else data.batch(at_once)).as_numpy_iterator():
                pixels, known = element if pair[1] is not None else (element, None)
                pixels = pixels[..., None] if pixels.ndim == 3 else pixels
                first = first or pixels.shape[1:]
                if pixels.dtype != np.uint8:
                    check_pixels(pixels)  # raises
                if pixels.shape[1:] != first:
                    raise InputError("Images of different sizes", expected=str(first), received=str(pixels.shape[1:]))
                labels.extend([] if known is None else [known])
                yield pixels

        try:
            images = storage.store(chunks(), memory_limit)
        except tf.errors.OpError as error:
            message = str(error).splitlines()[0]
            raise InputError("The tf.data.Dataset failed", expected="one that can be read", received=message) from error
        return cls.from_arrays(images, np.concatenate(labels) if labels else None, name=name)


def _array(images: Tensor) -> np.ndarray:
    return images if isinstance(images, np.ndarray) else np.asarray(images)
