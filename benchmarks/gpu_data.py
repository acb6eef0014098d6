"""The dataset of all rows of `python -m benchmarks gpu`, read once and kept in one file of arrays."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from gan.data.dataset import Dataset

VARIABLE = "GAN_BENCHMARK_DATA"
"""Environment variable with the path of the file. A process without it reads the dataset itself."""
SPLITS = ("train", "validation", "test")


def load(name: str) -> "Dataset":
    """Loads a dataset from the file in `VARIABLE` or, without it, by its name, and no other one in its place.

    Raises `InputError` if the dataset is not available.
    """
    from gan.data.load import load_dataset

    path = os.environ.get(VARIABLE)
    return load_dataset(name, fallback="none") if path is None else read_arrays(Path(path), name)


def write_arrays(dataset: "Dataset", path: Path) -> None:
    """Writes the splits of a dataset to a file of arrays, without compression, which takes longer than reading."""
    arrays: dict[str, Any] = {"num_classes": dataset.num_classes, "class_names": np.array(dataset.class_names, str)}
    for name in SPLITS:
        split = getattr(dataset, name)
        arrays[f"{name}_images"] = split.images
        if split.labels is not None:
            arrays[f"{name}_labels"] = split.labels
    np.savez(path, **arrays)


def read_arrays(path: Path, name: str) -> "Dataset":
    """Reads a dataset of this name from a file of `write_arrays`. Does not use tensorflow-datasets."""
    from gan.data.dataset import Dataset
    from gan.data.split import Split

    with np.load(path) as found:
        parts = {part: Split(found[f"{part}_images"], found.get(f"{part}_labels")) for part in SPLITS}
        names = tuple(map(str, found["class_names"]))
        return Dataset(name, int(found["num_classes"]), class_names=names, **parts)
