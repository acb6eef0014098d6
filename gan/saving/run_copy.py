"""Copies of a run folder while a process writes to it, as files in memory that travel between machines.

A copy can be resumed at any moment, like a run folder whose process was killed. Does not import TensorFlow.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from gan.saving import files
from gan.saving.training_state import FOLDER, LOCK


@dataclass(frozen=True)
class RunFiles:
    """What changed in a run folder: files that are new or changed, and the names of those that are no longer there.

    Names are relative, with `/`. They are in the order in which they are written: training states last, and a manifest
    after its arrays.
    """

    changed: dict[str, bytes] = field(default_factory=dict)
    removed: tuple[str, ...] = ()


class RunReader:
    """Reads what changed in a run folder since the last time.

    Args:
        run: a run folder, which need not exist yet.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self._marks: dict[str, tuple[int, int]] = {}

    def has_new_state(self) -> bool:
        """Returns whether there is a training state that was not read: an interval was completed."""
        manifests = (f"{FOLDER}/{path.name}" for path in (self.run / FOLDER).glob("*.json"))
        return any(name not in self._marks for name in manifests)

    def read(self) -> RunFiles:
        """Reads the files that are new or changed, by size and time, and finds those that were removed.

        Training states are read first. So the other files are as new or newer, and `resume` removes what is newer.
        """
        names = sorted(_names(self.run), key=_writing_order)
        changed: dict[str, bytes] = {}
        marks: dict[str, tuple[int, int]] = {}
        for name in reversed(names):
            path = self.run / PurePosixPath(name)
            with suppress(FileNotFoundError):  # an older state that was removed meanwhile
                found = path.stat()  # before its content: a later change is then read the next time
                mark = found.st_size, found.st_mtime_ns
                if mark != self._marks.get(name):
                    changed[name] = path.read_bytes()
                marks[name] = mark
        removed = sorted(set(self._marks).difference(marks))
        self._marks = marks
        return RunFiles({name: changed[name] for name in names if name in changed}, tuple(removed))


def write_run(run: Path, content: RunFiles) -> None:
    """Writes what changed to a copy of a run folder, and then removes the files that the run no longer has.

    All other files stay, such as reports about the copy. Raises `OSError` if a file cannot be written.
    """
    for name, text in content.changed.items():
        path = run / PurePosixPath(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, lambda partial, text=text: partial.write_bytes(text))  # type: ignore[misc]
    for name in content.removed:
        (run / PurePosixPath(name)).unlink(missing_ok=True)


def _writing_order(name: str) -> tuple[bool, bool, str]:
    return name.startswith(f"{FOLDER}/"), name.endswith(".json"), name


def _names(run: Path) -> Iterable[str]:
    """Yields the names of the files of a run folder: not the lock, and none that is being written."""
    for path in run.rglob("*"):
        name = path.relative_to(run).as_posix()
        if path.is_file() and name != f"{FOLDER}/{LOCK}" and not path.name.startswith("."):
            yield name
