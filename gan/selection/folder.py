"""The folder of a selection: begun, locked, written after each step, and what is said after an interruption."""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import filelock

from gan.errors import InputError
from gan.saving import files, run_folder
from gan.selection.record import RECORD, SelectionRecord, load_selection, save_selection
from gan.utils.commands import shell_command

LOCK = ".lock"

Log = Callable[[str], None]

Save = Callable[[SelectionRecord], SelectionRecord]
"""Writes a record, and returns it."""


@contextmanager
def begun(output: str | Path | None, name: str, log: Log, resume_words: Sequence[str] = ()) -> Iterator[Path]:
    """Creates the folder of a new selection, locks it, and yields it.

    After an exception, says how to continue. Without a record there is nothing to continue: what was written is
    removed, and the folder too, unless it was there before.

    Args:
        output, name: as for `run_folder.new_run`.
        log: receives what is said.
        resume_words: options with which to resume.
    """
    was_there = output is not None and files.as_path(output, "output").exists()
    folder = run_folder.new_run(output, name)
    with locked(folder):
        if (folder / RECORD).exists():  # of another process, which began at the same time
            raise InputError("The output folder is not empty", expected="a new or empty folder", received=str(folder))
        log(f"the selection is in {folder}")
        try:
            with resume_hint(folder, log, resume_words):
                yield folder
        except BaseException:
            if not (folder / RECORD).exists():
                _empty(folder)
                if not was_there:
                    with suppress(OSError):
                        folder.rmdir()
            raise


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Locks the folder of a selection for this process. Raises `InputError` if another one has the lock."""
    lock = filelock.FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout as error:
        raise InputError(
            "Another process works on this selection", expected="one process", received=str(folder)
        ) from error
    with lock:
        lock.release()
        yield


@contextmanager
def resume_hint(folder: Path, log: Log, resume_words: Sequence[str] = ()) -> Iterator[None]:
    """Says after an exception how to continue, if there is a record with a candidate that has not left."""
    try:
        yield
    except BaseException:
        if _has_more(folder):
            command = shell_command("gan", "select", "--resume", folder, *resume_words)
            log(f"What is finished is kept; {command} continues")
        raise


def _has_more(folder: Path) -> bool:
    try:
        return any(one.ended is None for one in load_selection(folder).candidates)
    except (InputError, OSError):
        return False


def saver(folder: Path, record: SelectionRecord) -> Save:
    """Returns a function that writes a record with the seconds that the selection has taken so far."""
    before, began = record.seconds, time.monotonic()

    def save(changed: SelectionRecord) -> SelectionRecord:
        changed = replace(changed, seconds=round(before + time.monotonic() - began, 1))
        save_selection(folder, changed)
        return changed

    return save
