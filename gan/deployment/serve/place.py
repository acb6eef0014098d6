"""Where the versions of a model come from: a file that is replaced, or a folder that gets a new version."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gan.deployment.names import as_name, served_name
from gan.errors import InputError
from gan.saving import run_folder
from gan.saving.engines.saved_model import CARD, EXTRA, MODEL, is_run, newest_version, versions
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
        if newest_version(given) is not None and not is_run(given):
            return cls(given, as_name(Path(os.path.normpath(given)).name))
        path = saved.file.path.absolute()
        return cls(path, as_name(path.parent.name) if versions(path.parent) else served_name(saved))

    def stamp(self) -> Stamp:
        """Returns what changes when there is another version or another report. Reads no file. Raises `OSError`."""
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


def find_places(checkpoints: Sequence[str | os.PathLike[str]]) -> list[Place]:
    """Returns the places of checkpoints. Raises `InputError` for none, one that is not found, and equal names."""
    if not checkpoints:
        raise InputError("No model to serve", expected="run folders, files or pretrained names", received="none")
    places = [Place.of(checkpoint) for checkpoint in checkpoints]
    names = [place.name for place in places]
    for place in places:
        if names.count(place.name) > 1:
            same = [str(given) for given, name in zip(checkpoints, names) if name == place.name]
            raise InputError("Two models of one name", expected="different names", received=", ".join(same))
    return places


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
