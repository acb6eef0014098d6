"""The files of a folder of images: the images by sub-folder, and what is left out."""

import os
import re
import warnings
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from gan.data import images
from gan.errors import InputError

SUFFIXES = frozenset(
    {
        *(".apng", ".avif", ".bmp", ".dib", ".gif", ".ico", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm"),
        *(".pcx", ".pgm", ".png", ".pnm", ".ppm", ".qoi", ".sgi", ".tga", ".tif", ".tiff", ".webp"),
    }
)
"""Suffixes of image files, in lower case. With pillow-heif, those of `images.HEIF_SUFFIXES` too."""

UNMENTIONED = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir"})
"""Files and folders of operating systems, in lower case. They and hidden files are skipped without a word."""

_NAMED = 3  # maximum number of files of one kind that a message names, of those that hold no images


@dataclass(frozen=True)
class Listing:
    """The files below a folder.

    Attributes:
        folder: the folder.
        top: image files at the top, sorted.
        below: the image files below each sub-folder that has some, at any depth; sub-folders in natural order.
        others: other files that are not hidden.
        empty: sub-folders without images.
    """

    folder: Path
    top: list[Path]
    below: dict[str, list[Path]]
    others: list[Path]
    empty: list[str]

    @property
    def files(self) -> list[Path]:
        """All image files, those at the top first."""
        return [*self.top, *(file for files in self.below.values() for file in files)]


def natural_order(name: str) -> tuple[str, str]:
    """Returns the key that sorts names by the numbers in them: "2" before "10", "a9" before "a10"."""
    return re.sub("[0-9]+", lambda digits: digits[0].zfill(255), name), name


def list_folder(folder: Path) -> Listing:
    """Lists the files below a folder. Follows links, but visits each folder once. Skips hidden and `UNMENTIONED` files.

    Raises `InputError` for a folder that cannot be read.
    """
    top: list[Path] = []
    below: dict[str, list[Path]] = {}
    others: list[Path] = []
    names_below: list[str] = []
    seen: set[Path] = set()
    for path, folders, names in os.walk(folder, onerror=_raise_unreadable, followlinks=True):
        current = Path(path)
        if (real := current.resolve()) in seen:  # a link to a folder that was visited before
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(filter(is_mentioned, folders))
        files = [current / name for name in sorted(filter(is_mentioned, names))]
        found = [file for file in files if is_image_name(file.name)]
        others += [file for file in files if not is_image_name(file.name)]
        if current == folder:
            top, names_below = found, list(folders)
        elif found:
            below.setdefault(current.relative_to(folder).parts[0], []).extend(found)
    ordered = {name: below[name] for name in sorted(below, key=natural_order)}
    return Listing(folder, top, ordered, others, [name for name in names_below if name not in below])


def is_mentioned(name: str) -> bool:
    """Returns whether a file or folder is neither hidden nor one of `UNMENTIONED`."""
    return not name.startswith(".") and name.lower() not in UNMENTIONED


def is_image_name(name: str) -> bool:
    """Returns whether a file with this name is read as an image."""
    suffix = Path(name).suffix.lower()
    return suffix in SUFFIXES or (suffix in images.HEIF_SUFFIXES and images.register_heif())


def _raise_unreadable(error: OSError) -> None:
    expected = "a readable folder"
    raise InputError("This folder cannot be read", expected=expected, received=f"{error.filename}: {error.strerror}")


def describe_others(listing: Listing) -> str:
    """Returns the number of files without images by kind, such as `200 .heic, 1 .csv (labels.csv)`; "" for none.

    The files of a kind are named if they are few. Pictures that another package reads come with its name.
    """
    kinds = Counter(file.suffix.lower() for file in listing.others)
    texts = []
    for kind, count in kinds.most_common():
        notes = [file.name for file in listing.others if file.suffix.lower() == kind] if count <= _NAMED else []
        if kind in images.HEIF_SUFFIXES:
            notes = ["pip install pillow-heif"]
        note = f" ({', '.join(notes)})" if notes else ""
        texts.append(f"{count:,} {kind or 'without a suffix'}{note}")
    return ", ".join(texts)


def report_others(listing: Listing, name: str, used: Collection[Path] = ()) -> None:
    """Warns about files that hold no images.

    Args:
        listing: the files of the dataset `name`.
        used: files that are used although they hold no images, such as a file of labels.
    """
    listing = replace(listing, others=[file for file in listing.others if file not in used])
    left = len(listing.others)
    if left:
        total = left + len(listing.files)
        kinds = describe_others(listing)
        warnings.warn(f"{left:,} of {total:,} files in {name} are not images, and are left out: {kinds}", stacklevel=4)


def report_empty(listing: Listing, name: str) -> None:
    """Warns about sub-folders without images beside the classes of the dataset `name`."""
    if listing.empty and listing.below:
        named = ", ".join(sorted(listing.empty, key=natural_order)[:10])
        warnings.warn(f"{name} has sub-folders without images, which are no classes: {named}", stacklevel=5)
