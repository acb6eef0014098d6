"""Where the versions of a model come from: a file that is replaced, or a folder that gets a new version."""

import os
from dataclasses import dataclass
from pathlib import Path

from gan.deployment.names import export_name
from gan.saving import run_folder
from gan.saving.engines.saved_model import CARD, EXTRA, MODEL, newest_version, versions
from gan.saving.saved_generator import SavedGenerator, find_saved

Stamp = tuple[tuple[int, int, int] | None, ...]
"""Inode, size in bytes and time of the last change of some files; None for one that does not exist."""


@dataclass(frozen=True)
class Place:
    """The file of a model, or the folder of its versions as TensorFlow Serving reads them."""

    path: Path
    name: str
    """Name of the model."""

    @classmethod
    def of(cls, checkpoint: str | os.PathLike[str]) -> "Place":
        """Finds the place of a run folder, .keras file, pretrained name or exported generator.

        Raises `InputError` as `find_saved` does.
        """
        saved = find_saved(checkpoint)
        given = Path(checkpoint).expanduser().absolute()
        if newest_version(given) is not None:
            return cls(given, given.name)
        path = saved.file.path.absolute()
        return cls(path, path.parent.name if versions(path.parent) else export_name(saved))

    def stamp(self) -> Stamp:
        """Returns what changes when there is another version or another report. Reads no file."""
        newest = newest_version(self.path) or self.path
        candidates = (
            newest,
            newest / MODEL,
            newest / EXTRA / CARD,
            newest / run_folder.REPORT,
            newest.parent / run_folder.REPORT,
        )
        return tuple(map(_stamp, candidates))

    def find(self) -> SavedGenerator:
        """Returns the newest version. Raises `InputError` as `find_saved` does."""
        return find_saved(self.path)

    def without_folder(self, message: str) -> str:
        """Returns a message with names of files instead of their paths, since clients see it."""
        return message.replace(f"{self.path.parent}{os.sep}", "")

    def number(self, saved: SavedGenerator) -> int | None:
        """Returns the number of a version, or None if the place does not number them."""
        path = saved.file.path
        return int(path.name) if path.parent == self.path and path.name.isdigit() else None


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
