"""Temporary folders that do not stay when a process is killed. Does not import TensorFlow."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import lock_descriptor

LOCK = ".lock"
"""File in a working folder, which its process locks."""


@contextmanager
def working_folder(name: str) -> Iterator[Path]:
    """Yields a new temporary folder `NAME-...` with a lock, and removes it at the end.

    First removes the folders of this name that killed processes of this machine left: no one has their locks.
    """
    remove_abandoned(name)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        with (folder / LOCK).open("a", encoding="ascii") as file:
            lock_descriptor(file.fileno())
            if not (folder / LOCK).exists():  # another process has just removed it, as one that nobody had locked yet
                continue
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            return


def remove_abandoned(name: str) -> None:
    """Removes the temporary folders `NAME-...` whose lock is free."""
    for lock in Path(tempfile.gettempdir()).glob(f"{name}-*/{LOCK}"):
        try:
            with lock.open("r", encoding="ascii") as file:
                if lock_descriptor(file.fileno(), blocking=False):
                    shutil.rmtree(lock.parent, ignore_errors=True)
        except OSError:  # of another user, or removed meanwhile
            continue
