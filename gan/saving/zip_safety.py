"""What a `.keras` or `.npz` file from a stranger may be: a whole zip archive of expected names and a sensible size."""

import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gan.errors import InputError
from gan.saving import files

MOST_EXPANSION, SPARE_BYTES = 10, 2**24
"""An archive may unpack to this many times its size, and so many bytes. Keras packs without compressing at all."""

_MODEL = {"config.json", "metadata.json", "model.weights.h5"}


@dataclass(frozen=True)
class ModelFile:
    """A Keras model's file that `check_model` has checked.

    Functions that take a checkpoint take this, too. They check it again only where the file has changed since.
    """

    path: Path
    stamp: tuple[int, int, int]
    """Which file was checked: its inode, its bytes, and when it was last changed, in nanoseconds."""

    @property
    def is_unchanged(self) -> bool:
        """Whether the file is still the one that was checked; a training run, for one, replaces its generator."""
        return self.path.is_file() and _stamp(self.path) == self.stamp

    @cached_property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of the file, computed once."""
        return files.sha256(self.path)


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def check_model(path: Path) -> ModelFile:
    """Checks that a file is a whole archive of exactly the three members of a Keras model, and returns it as checked.

    Raises `InputError` where it is not. So a member that would be unpacked elsewhere (`../x`), one that stands there
    twice, or files for a layer to read are refused, and so is an archive that unpacks to far more than its size, before
    anything is unpacked.
    """
    stamp = _stamp(path)
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
    return ModelFile(path, stamp)


def check_expansion(name: str, packed: int, archive: zipfile.ZipFile) -> None:
    """Raises `InputError` when an archive of `packed` bytes says that it unpacks to far more. Unpacks nothing."""
    unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > MOST_EXPANSION * packed + SPARE_BYTES:
        raise InputError(
            "This file unpacks to far more than its size",
            expected=f"at most {MOST_EXPANSION} times as much",
            received=f"{name}: {unpacked:,} bytes from {packed:,}",
        )
