"""What a `.keras` or `.npz` file from a stranger may be: a whole zip archive of expected names and a sensible size."""

import zipfile
import zlib
from pathlib import Path

from gan.errors import InputError

MOST_EXPANSION, SPARE_BYTES = 10, 2**24
"""An archive may unpack to this many times its size, and so many bytes. Keras packs without compressing at all."""

_MODEL = {"config.json", "metadata.json", "model.weights.h5"}


def check_model(path: Path) -> None:
    """Raises `InputError` unless a file is a whole archive of exactly the three members of a Keras model.

    So a member that would be unpacked elsewhere (`../x`), one that stands there twice, or files for a layer to read
    are refused, and so is an archive that unpacks to far more than its size, before anything is unpacked.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(archive.namelist())
            check_expansion(str(path), path.stat().st_size, archive)
            whole = set(names) >= _MODEL and archive.testzip() is None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        whole = False  # RuntimeError: said to be encrypted, or packed in an unknown way
    expected = f"a zip archive with {sorted(_MODEL)}"
    if not whole:
        received = f"{path} ({path.stat().st_size} bytes)"
        raise InputError("This file is not a Keras model, or is damaged", expected=expected, received=received)
    if names != sorted(_MODEL):
        other = next(name for name in names if name not in _MODEL or names.count(name) > 1)
        raise InputError(
            "This file holds more than a Keras model", expected=f"{expected} only", received=f"{path} with {other!r}"
        )


def check_expansion(name: str, packed: int, archive: zipfile.ZipFile) -> None:
    """Raises `InputError` when an archive of `packed` bytes says that it unpacks to far more. Unpacks nothing."""
    unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > MOST_EXPANSION * packed + SPARE_BYTES:
        raise InputError(
            "This file unpacks to far more than its size",
            expected=f"at most {MOST_EXPANSION} times as much",
            received=f"{name}: {unpacked:,} bytes from {packed:,}",
        )
