"""Where files can be written: folders that exist, and no remains of another file of judgements."""

from pathlib import Path

from gan.errors import InputError
from gan.saving import files

SIDES = ("-wal", "-shm", "-journal")
"""Ends of the names of the files that SQLite keeps beside a file that is in use, or that was not closed."""


def check_place(file: Path) -> None:
    """Raises `InputError` unless a file can be written, in a folder that exists."""
    files.check_writable(file)
    if not file.parent.is_dir():
        raise InputError("No such folder", expected="an existing folder", received=str(file.parent))


def check_no_remains(path: Path) -> None:
    """Raises `InputError` if files of SQLite remain of a file of judgements that is gone.

    They may hold its last judgements, and SQLite would delete them, or write them into a new file.
    """
    remains = [file for file in (path.with_name(path.name + side) for side in SIDES) if file.exists()]
    if remains and not path.exists():  # a new file has its sides after itself
        raise InputError(
            f"Remains of another {path.name}",
            expected=f"another name, or {path.name} back in its place, or these files elsewhere",
            received=", ".join(map(str, remains)),
        )
