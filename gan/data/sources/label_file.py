"""Reads the classes of image files from a CSV file with the columns `file` and `label`."""

import csv
from collections import Counter
from pathlib import Path

from gan.data.sources.listing import natural_order
from gan.errors import InputError

LABEL_FILE = "labels.csv"
"""Name of the file at the top of a folder of images that is used if it names all of them."""
FILE_COLUMNS = ("file", "filename", "file_name", "image", "path", "name", "id")
"""Names of the column of files, in the order of preference."""
LABEL_COLUMNS = ("label", "class", "category", "class_name", "target")
"""Names of the column of labels, in the order of preference."""


class UnusableError(InputError):
    """A label file that does not label the images. Its `received` says why."""


def read_labels(file: Path) -> dict[str, str]:
    """Reads a label file: {path of an image: label}. Columns are separated by commas, semicolons or tabs.

    Raises `UnusableError` for a file without the two columns, and for a path with two labels.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        text = file.read_text(encoding="latin-1")
    except OSError as error:
        raise _unusable(file, f"it cannot be read: {error.strerror}") from error
    lines = text.splitlines()
    separator = max(",;\t", key=(lines[0] if lines else "").count)
    try:
        rows = list(csv.reader(text.splitlines(keepends=True), delimiter=separator))
    except csv.Error as error:
        raise _unusable(file, f"it is not a CSV file: {error}") from error
    header = [title.strip().lower() for title in rows[0]] if rows else []
    path_column, label_column = (
        next((header.index(name) for name in names if name in header), None) for names in (FILE_COLUMNS, LABEL_COLUMNS)
    )
    if path_column is None or label_column is None:
        raise _unusable(file, f"its first line is {','.join(header)[:80]!r}")
    labels: dict[str, str] = {}
    for row in rows[1:]:
        if len(row) > max(path_column, label_column):
            path, label = row[path_column].strip().replace("\\", "/").removeprefix("./"), row[label_column].strip()
            if labels.setdefault(path, label) != label:
                raise _unusable(file, f"it gives {path} two labels")
    return labels


def label_files(file: Path, files: list[Path], labels: dict[str, str]) -> tuple[list[int], tuple[str, ...]]:
    """Returns the label of each image file, and the class names in natural order.

    Args:
        file: label file, whose content `read_labels` returned as `labels`.
        files: image files.

    The paths in the label file are relative to its folder. The name of an image alone, or without its suffix, is also
    understood.

    Raises `UnusableError` when an image has no label, and when there is a single class.
    """
    found = [next((key for key in label_keys(path, file.parent) if key in labels), None) for path in files]
    keys = [key for key in found if key is not None]
    [(shared, count)] = Counter(keys).most_common(1) or [("", 0)]
    if count > 1:
        raise _unusable(file, f"{shared} is the name of {count} images: use paths")
    known = [labels[key] for key in keys if labels[key]]
    if len(known) < len(files):
        raise _unusable(file, f"it labels {len(known)} of {len(files)} images")
    names = tuple(sorted(set(known), key=natural_order))
    if len(names) < 2:
        raise _unusable(file, f"it has a single class: {', '.join(names)}")
    numbers = {name: number for number, name in enumerate(names)}
    return [numbers[label] for label in known], names


def label_keys(path: Path, folder: Path) -> tuple[str, ...]:
    """Returns the names by which a label file in `folder` may call an image, in the order of preference."""
    relative = path.relative_to(folder)
    return relative.as_posix(), relative.with_suffix("").as_posix(), path.name, path.stem


def _unusable(file: Path, reason: str) -> UnusableError:
    expected = f"the columns {FILE_COLUMNS[0]} and {LABEL_COLUMNS[0]}, and a label for each image"
    return UnusableError("This label file cannot be used", expected=expected, received=f"{file.name}: {reason}")
