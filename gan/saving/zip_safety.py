"""Safety checks of `.keras` and `.npz` files, which are zip archives: completeness, member names, unpacked size."""

import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gan.errors import InputError
from gan.saving import files

MOST_EXPANSION, SPARE_BYTES = 10, 2**24
"""An archive may unpack to at most `MOST_EXPANSION` times its size, plus `SPARE_BYTES`. Keras does not compress."""

_MODEL = {"config.json", "metadata.json", "model.weights.h5"}


@dataclass(frozen=True)
class ModelFile:
    """A `.keras` file that `check_model` has checked.

    Functions that take a checkpoint also take a `ModelFile`. They check it again only if the file has changed.
    """

    path: Path
    stamp: tuple[int, int, int]
    """Identity of the checked file: inode, size in bytes, and time of the last change in nanoseconds."""

    @property
    def is_unchanged(self) -> bool:
        """Whether the file is still the checked one. A training run, for example, replaces its generator file."""
        return self.path.is_file() and _stamp(self.path) == self.stamp

    @cached_property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of the file, computed once."""
        return files.sha256(self.path)


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def check_model(path: Path) -> ModelFile:
    """Checks that a file is a complete archive with exactly the three members of a Keras model, and returns it.

    Raises `InputError` otherwise. This rejects members outside the target folder (`../x`), duplicate members, and extra
    files that a layer could read. An archive that unpacks to far more than its size is rejected before it is unpacked.
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
        whole = False  # RuntimeError: marked as encrypted, or an unknown compression method
    expected = f"a zip archive with {sorted(_MODEL)}"
    if not whole:
        received = f"{path} ({path.stat().st_size} bytes)"
        with path.open("rb") as file:
            if file.read(4) == b"\x89HDF":
                line = "`keras.saving.load_model(path).save('model.keras')`"
                raise InputError("This file is of the HDF5 format", expected=f"{expected}: {line}", received=received)
        raise InputError("This file is not a Keras model, or is damaged", expected=expected, received=received)
    if names != sorted(_MODEL):
        other = next(name for name in names if name not in _MODEL or names.count(name) > 1)
        raise InputError(
            "This file holds more than a Keras model", expected=f"{expected} only", received=f"{path} with {other!r}"
        )
    return ModelFile(path, stamp)


def check_expansion(name: str, packed: int, archive: zipfile.ZipFile) -> None:
    """Raises `InputError` if an archive of `packed` bytes declares a far larger unpacked size. Does not unpack it."""
    unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > MOST_EXPANSION * packed + SPARE_BYTES:
        raise InputError(
            "This file unpacks to far more than its size",
            expected=f"at most {MOST_EXPANSION} times as much",
            received=f"{name}: {unpacked:,} bytes from {packed:,}",
        )
