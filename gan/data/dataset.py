"""An image dataset in three splits, loaded or created from arrays or a `tf.data.Dataset`."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import tensorflow as tf

from gan.data import diagnosis, storage
from gan.data.split import Split, three_ways
from gan.data.validation import as_array, as_pair, check_labels, check_pixels, count_classes
from gan.errors import InputError, check, check_whole
from gan.saving.metadata import RunDataset
from gan.utils.types import Tensor

Arrays = tuple[Tensor, Tensor]
"""Images and labels. The labels may be None."""


@dataclass(frozen=True)
class Dataset:
    """An image dataset in three splits.

    Train on `train`, choose models on `validation`, and report results on `test`, once.

    Attributes:
        name: name by which `load_dataset` finds the dataset.
        num_classes: number of classes; 0 when there are no labels.
        train, validation, test: the splits.
        class_names: names of the classes; empty when they are unknown.
    """

    name: str
    num_classes: int
    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...] = ()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape of an image: (height, width, channels)."""
        height, width, channels = self.train.images.shape[1:]
        return height, width, channels

    @property
    def splits(self) -> dict[str, Split]:
        """The splits by name: train, validation, test."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @property
    def title(self) -> str:
        """Name of the dataset without path separators, for use in the name of a run."""
        return Path(self.name).stem if Path(self.name).is_absolute() else self.name.replace("/", "-")

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal SHA-256 of the training images and labels, in their order. Computed once; 0.1 s for MNIST."""
        return _sha256(self.train)

    @cached_property
    def test_fingerprint(self) -> str:
        """Hexadecimal SHA-256 of the test images and labels, in their order. Computed once."""
        return _sha256(self.test)

    @cached_property
    def whole_fingerprint(self) -> str:
        """Hexadecimal SHA-256 of the images and labels of all splits, in their order. Computed once."""
        return hashlib.sha256("".join(map(_sha256, (self.train, self.validation, self.test))).encode()).hexdigest()

    def describe(self) -> RunDataset:
        """Returns the entry for the record of a run: name, image shape, classes, split sizes, and SHA-256."""
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
        """Creates a dataset from arrays. Arrays in a file (`numpy.memmap`) are not copied into memory.

        >>> Dataset.from_arrays(x_train, y_train, test=(x_test, y_test))

        Args:
            images: uint8 [N, H, W], [N, H, W, 1] or [N, H, W, 3]: an array, or anything that NumPy converts to one.
            labels: whole numbers from 0 to K - 1, [N] or [N, 1]. None: no labels.
            name: name of the dataset in records and reports.
            validation, test: (images, labels or None) of the same kind. None: a sixth of the images is held out. The
                choice depends on their content alone.

        Raises `InputError` for other types, shapes or ranges, for labels that do not match the images or are not
        0, ..., K - 1, for a single class, and for fewer than 3 images when a split is held out. Warns about a narrow
        range of values and about classes that are too small to hold out.
        """
        check(isinstance(name, (str, os.PathLike)), "name", "a name", name)
        name = os.fspath(name)
        given = {"train": (images, labels), "validation": validation, "test": test}
        parts: dict[str, Split] = {}
        for split, arrays in given.items():
            if arrays is not None:
                prefix = "" if split == "train" else f"{split} "
                given_images, given_labels = as_pair(arrays, split)
                pixels = check_pixels(as_array(given_images, f"{prefix}images"), f"{prefix}images")
                known = None if given_labels is None else check_labels(given_labels, len(pixels), f"{prefix}labels")
                parts[split] = Split(pixels, known)
        return cls.of(name, parts, from_files=False)

    @classmethod
    def of(
        cls,
        name: str,
        parts: dict[str, Split],
        class_names: tuple[str, ...] = (),
        *,
        peak: int | None = None,
        from_files: bool = True,
    ) -> "Dataset":
        """Creates a dataset from a training split and optional others, and counts its classes.

        `peak` is the largest value of the files with more than 8 bits; None: there are none. `from_files` tells whether
        the options of `load_dataset` can change the range of the pixels. Raises the errors of `from_arrays`.
        """
        empty = [split for split, part in parts.items() if not len(part)]
        if empty:
            received = f"no images in {', '.join(empty)}"
            raise InputError("A split is empty", expected="images in each split", received=received)
        labeled = [split.labels for split in parts.values() if split.labels is not None]
        if len(labeled) not in (0, len(parts)):
            received = ", ".join(f"{split}: {'none' if p.labels is None else 'some'}" for split, p in parts.items())
            raise InputError("Labels are missing", expected="labels in each split or in no split", received=received)
        num_classes = count_classes(*labeled) if labeled else 0
        dataset = cls(name, num_classes, *three_ways(parts), class_names)
        diagnosis.report_range([part.images for part in parts.values()], peak, from_files=from_files)
        diagnosis.report_small_classes(dataset.splits, num_classes, class_names)
        return dataset

    @classmethod
    def from_tf(cls, data: tf.data.Dataset, *, name: str = "tf.data", memory_limit: int | None = None) -> "Dataset":
        """Creates a dataset from a finite `tf.data.Dataset`, which is read once. Holds out validation and test images.

        Args:
            data: images or pairs (image, label). Images are uint8 [H, W] or [H, W, 1 or 3], or batches
                [B, H, W, 1 or 3], all of one size. Labels are whole numbers, one per image.
            name: name of the dataset in records and reports.
            memory_limit: memory in bytes for the images. More images are stored in a temporary file. None: a quarter of
                the machine's memory.

        Single images are read in chunks of about `storage.CHUNK_BYTES`, or one by one when their size is unknown.
        Batches are read as they are.

        Raises the errors of `from_arrays`, and `InputError` for an endless dataset or one that fails.
        """
        if not isinstance(data, tf.data.Dataset):
            expected = "a tf.data.Dataset (Dataset.from_arrays(images, labels) takes arrays)"
            raise InputError("Bad `data`", expected=expected, received=type(data).__name__)
        if memory_limit is not None:
            check_whole("memory_limit", memory_limit, 0, 2**63 - 1)
        spec = data.element_spec
        pair = spec if isinstance(spec, tuple) and len(spec) == 2 else (spec, None)
        image = pair[0]
        rank = image.shape.rank if isinstance(image, tf.TensorSpec) else None
        batched = rank == 4
        if rank not in (2, 3, 4) or (rank == 3 and image.shape[2] not in (1, 3)):
            expected = "images [H, W], [H, W, 1 or 3] or [B, H, W, 1 or 3], or (image, label)"
            raise InputError("Bad elements of the tf.data.Dataset", expected=expected, received=str(spec))
        if data.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise InputError("The tf.data.Dataset is endless", expected="a finite one", received="one that repeats")
        labels: list[np.ndarray] = []
        known_size = image.shape.is_fully_defined()
        chunk_rows = storage.rows_per_chunk(image.shape, image.dtype.size) if known_size else 1

        def chunks() -> Iterator[np.ndarray]:
            first: tuple[int, ...] | None = None
            for element in (data if batched else data.batch(chunk_rows)).as_numpy_iterator():
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
            expected = "data that can be read"
            raise InputError("The tf.data.Dataset raised an error", expected=expected, received=message) from error
        return cls.from_arrays(images, np.concatenate(labels) if labels else None, name=name)


def _sha256(split: Split) -> str:
    digest = hashlib.sha256()
    for array in (split.images, split.labels):
        if array is not None:
            digest.update(f"{array.dtype}{array.shape}".encode())
            for chunk in storage.in_chunks(array):  # an array in a file may be larger than the memory
                digest.update(chunk.tobytes())
    return digest.hexdigest()
