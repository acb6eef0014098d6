"""Loads a folder of images, with a sub-folder for each class, with a file of labels, or without classes."""

import os
import shlex
import warnings
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gan.data import images
from gan.data.dataset import Dataset
from gan.data.request import Request
from gan.data.sources.image_reader import ImageReader
from gan.data.sources.label_file import LABEL_FILE, UnusableError, label_files, label_keys, read_labels
from gan.data.sources.listing import (
    Listing,
    describe_others,
    list_folder,
    natural_order,
    report_empty,
    report_others,
)
from gan.data.split import Split
from gan.errors import InputError

SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid", "dev"),
    "test": ("test", "testing"),
}
"""Split -> names of its sub-folder, in lower case."""
_SPLIT_OF = {name: split for split, names in SPLIT_NAMES.items() for name in names}
DATASETS = "a folder of images, or a .zip, .csv, .npz or .npy file"
"""What `load_dataset` loads from the disk."""


class Part(NamedTuple):
    """Image files of a split in their order, and the class of each file (None: no classes)."""

    files: list[Path]
    classes: list[str] | None


def load_folder(request: Request) -> Dataset:
    """Loads the images of a folder, and says in warnings what is left out of it.

    If all images are at the top of the folder, they have no labels, unless a file `labels.csv` beside them gives each
    image a label (columns `file` and `label`). Otherwise each sub-folder that contains images, at any depth, is a
    class. Classes are numbered in the natural order of their names: "2" comes before "10".

    If the folder consists of the sub-folders `train` and `test`, `validation` or both, these are its splits;
    `SPLIT_NAMES` lists other names, such as `val`. Each class needs a training image. A missing split is held out from
    the training images.

    Images are rotated by their EXIF orientation, transparent parts become black unless `background` is given, and the
    center is cropped to the aspect ratio of `image_size`. Without `channels`, images are grayscale if the headers of
    all files say so, and RGB otherwise. Only the first frame of an animation is used.

    Up to the fraction `corrupt_share` of the files may be unreadable. They are skipped, and a warning says why.

    Raises `InputError` for an empty folder, for images both at the top and in sub-folders, and for a single class. It
    is also raised for classes without a training image, for images of different sizes without `image_size`, and for too
    many unreadable files.
    """
    root = Path(request.name).expanduser().absolute()
    if root.is_file():
        raise InputError("This file is not a dataset", expected=DATASETS, received=request.name)
    if not root.is_dir():
        raise InputError("No such folder of images", expected=DATASETS, received=request.name)
    return load_images(request, root, str(root))


def load_images(request: Request, root: Path, name: str) -> Dataset:
    """Loads the images below `root` as the dataset `name`, which messages show. See `load_folder`."""
    listing = list_folder(root)
    parts, used = _parts(listing, name)
    report_others(listing, name, used)
    return _read(request, root, name, parts)


def load_labeled(request: Request) -> Dataset:
    """Loads the images that a CSV file labels: its columns are `file`, a path relative to its folder, and `label`.

    Warns about images without a label and about labels without an image. Raises the errors of `load_folder`, and
    `InputError` for a file without these columns.
    """
    file = Path(request.name).expanduser().absolute()
    if not file.is_file():
        raise InputError("No such file of labels", expected="a .csv file", received=request.name)
    listing = list_folder(file.parent)
    labels = read_labels(file)
    labeled, missing = _labeled(listing.files, labels, file.parent)
    unlabeled = len(listing.files) - len(labeled)
    if not labeled:
        received = f"{file} with {', '.join(missing[:3]) or 'no files'}"
        raise InputError("No labeled image", expected=f"images below {file.parent}", received=received)

    if missing:
        warnings.warn(f"{len(missing):,} files in {file.name} do not exist: {', '.join(missing[:5])}", stacklevel=3)
    if unlabeled:
        warnings.warn(f"{unlabeled:,} images without a label in {file.name} are left out", stacklevel=3)
    numbers, names = label_files(file, labeled, labels)
    part = Part(labeled, [names[number] for number in numbers])
    return _read(request, file.parent, str(file), {"train": part})


def _labeled(files: list[Path], labels: dict[str, str], folder: Path) -> tuple[list[Path], list[str]]:
    """Returns the files that have a label, and the names in the label file that have no file."""
    known, left = [], dict(labels)
    for file in files:
        keys = label_keys(file, folder)
        if any(labels.get(key) for key in keys):
            known.append(file)
            for key in keys:
                left.pop(key, None)
    return known, list(left)


def _read(request: Request, root: Path, name: str, parts: dict[str, Part]) -> Dataset:
    files = [file for part in parts.values() for file in part.files]
    classes = tuple(sorted(set(parts["train"].classes or ()), key=natural_order))
    _check_classes(parts, classes)
    numbers = {name: number for number, name in enumerate(classes)}
    names = tuple(map(_as_text, classes))
    names = names if len(set(names)) == len(names) else classes
    channels = request.channels or (3 if any(map(images.has_color_mode, files)) else 1)
    reader = ImageReader(root, request, channels)
    splits: dict[str, Split] = {}
    for split, part in parts.items():
        kept: list[int] = []
        pixels = request.store(reader.chunks(part.files, kept), in_range=True)
        labels = None if part.classes is None else np.array([numbers[name] for name in part.classes], np.int32)[kept]
        splits[split] = Split(pixels, labels)
    reader.report(len(files))
    return Dataset.of(name, splits, names, peak=reader.peak)


def _as_text(name: str) -> str:
    """Returns the name of a folder as text that JSON can hold: bytes that are not UTF-8 are read as Latin-1."""
    return os.fsencode(name).decode("latin-1") if any("\ud800" <= char <= "\udfff" for char in name) else name


def _check_classes(parts: dict[str, Part], classes: tuple[str, ...]) -> None:
    """Raises `InputError` for a class without a training image. Warns about a class that another split lacks."""
    for split, part in parts.items():
        counts = Counter(part.classes or ())
        strange = sorted(set(counts) - set(classes), key=natural_order)
        if strange and classes:
            named = ", ".join(f"{name} ({counts[name]} in {split})" for name in strange[:10])
            expected = "a training image of each class"
            raise InputError("The splits have different classes", expected=expected, received=f"none of {named}")
        absent = [name for name in classes if part.classes is not None and name not in counts]
        if absent:
            warnings.warn(f"Classes without an image in {split}: {', '.join(absent[:10])}", stacklevel=4)


def _parts(listing: Listing, name: str) -> tuple[dict[str, Part], list[Path]]:
    """Returns the splits of a folder, train first, and the label files that are used."""
    folders: dict[str, list[str]] = {}
    for sub in listing.below:
        folders.setdefault(_SPLIT_OF.get(sub.lower(), ""), []).append(sub)
    if "" in folders and "train" in folders and len(folders) > 2:
        raise InputError(
            "A folder beside the splits",
            expected="only sub-folders train, validation and test, or classes with other names",
            received=f"{name} with {', '.join(listing.below)}",
        )
    if listing.top or len(listing.below) < 2 or "" in folders:
        part, used = _part(listing, name)
        report_empty(listing, name)
        return {"train": part}, used
    if "train" not in folders or any(len(subs) > 1 for subs in folders.values()):
        raise InputError(
            "Unknown names of splits",
            expected="sub-folders train, validation and test",
            received=f"{name} with {', '.join(listing.below)}",
        )
    parts, used_files = {}, []
    for split in (split for split in SPLIT_NAMES if split in folders):
        inside = list_folder(listing.folder / folders[split][0])
        parts[split], used = _part(inside, str(Path(name) / folders[split][0]), 2 if split == "train" else 1)
        used_files += used
    return parts, used_files


def _part(listing: Listing, name: str, fewest: int = 2) -> tuple[Part, list[Path]]:
    """Returns the images of one split with their classes, `fewest` or more, and the label file if it is used."""
    top, below = listing.top, listing.below
    if not top and not below:
        there = describe_others(listing)
        expected = "files such as .png, .jpg, .webp, .tif or .bmp"
        arrays = [file for file in listing.others if file.suffix.lower() in (".npy", ".npz", ".zip")]
        if arrays:
            expected += f", or a file of arrays: --dataset {shlex.quote(str(Path(name) / arrays[0].name))}"
        received = f"{name}{f' with {there}' if there else ''}"
        raise InputError("No images in this folder", expected=expected, received=received)
    if top and below:
        raise InputError(
            "Images both at the top of the folder and in sub-folders",
            expected="all images at the top (no classes), or all in sub-folders (one for each class)",
            received=f"{name} with {top[0].name} and {next(iter(below))}/",
        )
    if len(below) < 2:
        label_file = next((file for file in listing.others if _is_label_file(file, listing.folder)), None)
        if label_file is not None:
            try:
                labels = read_labels(label_file)
                numbers, names = label_files(label_file, listing.files, labels)
                unused = len(labels) - len(listing.files)
                if unused > 0:
                    warnings.warn(f"{label_file.name} has {unused:,} labels without an image", stacklevel=5)
                return Part(listing.files, [names[number] for number in numbers]), [label_file]
            except UnusableError as error:
                warnings.warn(f"The labels are not used: {error.received}", stacklevel=5)
    if below and len(below) < fewest:
        sub = next(iter(below))
        raise InputError(
            "Only one class",
            expected="at least two sub-folders, or all images at the top of the folder (no classes): "
            f"--dataset {shlex.quote(str(Path(name) / sub))}",
            received=f"{name} with {sub}/",
        )
    if top:
        return Part(top, None), []
    return Part(listing.files, [sub for sub, files in below.items() for _ in files]), []


def _is_label_file(file: Path, folder: Path) -> bool:
    return file.parent == folder and file.name.lower() == LABEL_FILE
