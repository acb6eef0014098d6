"""Loads images from an `.npz` file, in chunks and without unpickling."""

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from gan.data import storage
from gan.data.dataset import Dataset
from gan.data.request import Request
from gan.data.split import Split
from gan.data.validation import check_labels, check_layout, check_pixels
from gan.errors import InputError
from gan.saving.zip_safety import check_expansion

SUFFIX = ".npz"

LAYOUTS: tuple[dict[str, tuple[str, str]], ...] = (
    {"train": ("images", "labels")},
    {"train": ("x_train", "y_train"), "validation": ("x_val", "y_val"), "test": ("x_test", "y_test")},
    {
        "train": ("train_images", "train_labels"),
        "validation": ("val_images", "val_labels"),
        "test": ("test_images", "test_labels"),
    },
)
"""Names of the arrays of images and labels by split: the project's own, those of Keras' mnist.npz, and of MedMNIST.
The training images are required. Labels and other splits are optional."""

CLASS_NAMES = "class_names"
"""Name of an array with the names of the classes, which is optional."""

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def load_archive(request: Request) -> Dataset:
    """Loads the arrays of one of the `LAYOUTS` and the texts `class_names` [K], and ignores other arrays.

    Images are uint8 [N, H, W], [N, H, W, 1] or [N, H, W, 3]. Labels are whole numbers 0, ..., K - 1, [N] or [N, 1].
    Raises `InputError` for other arrays, for a damaged file, and for a file that unpacks to far more than its size.
    """
    path = Path(request.name).expanduser().absolute()
    if not path.is_file():
        raise InputError("No such image archive", expected=f"an {SUFFIX} file", received=request.name)
    try:
        with zipfile.ZipFile(path) as archive:
            check_expansion(str(path), path.stat().st_size, archive)
            dataset = Dataset.of(str(path), _splits(archive, request, path), _class_names(archive))
            _check_names(dataset)
            return dataset
    except InputError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
        raise InputError(
            f"This {SUFFIX} file is damaged", expected="a file written by numpy.savez", received=f"{path}"
        ) from error


def _splits(archive: zipfile.ZipFile, request: Request, path: Path) -> dict[str, Split]:
    members = {name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")}
    layout = next((layout for layout in LAYOUTS if layout["train"][0] in members), None)
    if layout is None:
        expected = "an array " + " or ".join(layout["train"][0] for layout in LAYOUTS)
        received = f"{path} with {', '.join(sorted(members)[:8]) or 'no arrays'}"
        raise InputError("No images in this file", expected=expected, received=received)
    parts = {}
    for split, (images, labels) in layout.items():
        if images in members:
            pixels = request.store(_pixels(archive, images, request))
            known = check_labels(_whole(archive, labels), len(pixels), labels) if labels in members else None
            parts[split] = Split(pixels, known)
    return parts


def _class_names(archive: zipfile.ZipFile) -> tuple[str, ...]:
    """Returns the names of the classes; empty without a list of texts of that name."""
    if f"{CLASS_NAMES}.npy" not in archive.namelist():
        return ()
    with archive.open(f"{CLASS_NAMES}.npy") as member:
        shape, _, dtype = _header(member)
    return tuple(map(str, _whole(archive, CLASS_NAMES))) if dtype.kind == "U" and len(shape) == 1 else ()


def _check_names(dataset: Dataset) -> None:
    """Raises `InputError` unless there are no names, or a different one for each class."""
    names = dataset.class_names
    if names and (len(names) != dataset.num_classes or len(set(names)) < len(names)):
        shown = ", ".join(names[:8])
        raise InputError(
            f"`{CLASS_NAMES}` does not name the classes",
            expected=f"{dataset.num_classes} different names, one for each class",
            received=f"{len(names)} in {dataset.name}: {shown[:80]}",
        )


def _pixels(archive: zipfile.ZipFile, name: str, request: Request) -> Iterator[np.ndarray]:
    """Yields the images of an array in the archive in chunks [n, H, W, C]: uint8, or any type with `pixel_range`."""
    with archive.open(f"{name}.npy") as member:
        shape, fortran_order, dtype = _header(member)
        if not dtype.hasobject:
            check_layout(shape, name)
        if request.pixel_range is not None and dtype.kind in "fiub":
            yield from with_channels(storage.in_chunks(_whole(archive, name)))
            return
        if dtype != np.uint8 or fortran_order:
            chunks = storage.in_chunks(check_pixels(_whole(archive, name), name))
        else:
            chunks = _chunks(member, shape)
        largest = 0
        for chunk in chunks:
            largest = max(largest, int(chunk.max()))
            yield chunk if chunk.ndim == 4 else chunk[..., None]
        if largest <= 1:
            check_pixels(np.array([0, largest], np.uint8).reshape(1, 1, 2), name)  # raises


def with_channels(chunks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Yields chunks of images [n, H, W(, C)] with an axis of channels: [n, H, W, C]."""
    for chunk in chunks:
        yield chunk if chunk.ndim == 4 else chunk[..., None]


def _chunks(member: IO[bytes], shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    rows = storage.rows_per_chunk(shape[1:])
    for start in range(0, shape[0], rows):
        wanted = (min(rows, shape[0] - start), *shape[1:])
        content = member.read(int(np.prod(wanted)))
        yield np.frombuffer(content, np.uint8).reshape(wanted)  # raises ValueError if the file is truncated


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(member)
    if version not in _HEADERS:
        raise ValueError(f"version {version}")
    return _HEADERS[version](member)


def _whole(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as member:
        dtype = _header(member)[2]
    if dtype.hasobject:
        raise InputError(f"Bad `{name}`", expected="numbers", received="Python objects, which are never unpickled")
    with archive.open(f"{name}.npy") as member:
        return np.lib.format.read_array(member, allow_pickle=False)
