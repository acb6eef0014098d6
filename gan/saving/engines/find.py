"""Finds and loads exported generators."""

import os
from pathlib import Path

from gan.errors import InputError
from gan.saving.engines.card import read_card
from gan.saving.engines.engine import ExportedEngine
from gan.saving.engines.format import ExportedFile, ExportFormat, check_file
from gan.saving.engines.litert import Litert
from gan.saving.engines.onnx import Onnx
from gan.saving.engines.saved_model import SavedModel
from gan.saving.files import as_path
from gan.saving.hub import repository_of
from gan.utils.arguments import checked

FORMATS: dict[str, ExportFormat] = {form.name: form for form in (SavedModel(), Onnx(), Litert())}
"""Formats by name. To support a format, add an entry."""


def find_exported(path: str | os.PathLike[str]) -> ExportedFile | None:
    """Finds an exported generator, and checks its card against its content.

    Returns None if the path is of none of the `FORMATS`, by its suffix or the files in its folder. Raises `InputError`
    if it does not exist, is damaged, has no card, or its card is that of another generator.
    """
    if repository_of(path) is not None:
        return None
    given = as_path(path, "checkpoint")
    for form in FORMATS.values():
        found = form.resolve(given)
        if found is not None:
            return read_file(found, form)
    return None


def is_exported(path: Path) -> bool:
    """Returns whether there is an exported generator, of any format, at a path. Reads no file."""
    return path.exists() and any(form.resolve(path) is not None for form in FORMATS.values())


def read_file(path: Path, form: ExportFormat) -> ExportedFile:
    """Reads an exported file of a format and checks it. Raises `InputError` as `find_exported` does."""
    if not path.exists():
        raise InputError("No such exported generator", expected="a file of gan export", received=str(path))
    text, content_sha256 = form.read(path)
    return check_file(path, form, read_card(text, path), content_sha256)


@checked
def load_exported(path: str | os.PathLike[str] | ExportedFile) -> ExportedEngine:
    """Loads an exported generator into its engine. `gan.generate` and `gan.evaluate` take the result, or the path.

    >>> engine = gan.load_exported("mnist.onnx")
    >>> gan.generate(engine, 64).shape
    (64, 28, 28, 1)

    Args:
        path: an .onnx or .tflite file, or the folder of a SavedModel, written by `gan export`. Of a folder of versions,
            the newest.

    The content of the file is checked against its card, and one sample is generated. A SavedModel can contain any
    operation of TensorFlow, also one that reads files: load only those of people you trust.

    Raises `InputError` for any other file, a damaged one, or an engine that is not installed.
    """
    file = read_file(path.path, path.format) if isinstance(path, ExportedFile) else find_exported(path)
    if file is None:
        expected = "an .onnx or .tflite file, or the folder of a SavedModel"
        raise InputError("This is not an exported generator", expected=expected, received=str(path))
    return ExportedEngine(file, file.format.load(file.path))
