"""A file of judgements as a database: opened, checked, and changed in transactions."""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gan.deployment.feedback.schema import SCHEMA, statements
from gan.errors import InputError

PROGRAM, FORMAT = "gan feedback", "1"

WAIT_SECONDS = 5.0
"""Time to wait for another program that writes to the file."""

RETRY_SECONDS = 0.05
"""Time between two attempts to switch a new file to WAL mode, for which SQLite does not wait by itself."""


class StoreError(InputError):
    """The file of judgements cannot be used: it is damaged, read-only, locked, or of another program."""


class Database:
    """The SQLite file of a store, in WAL mode: several threads and several processes of one machine may use it.

    Args:
        path: the file.
        about: what a new file says about itself. None: the file must exist.

    Raises `StoreError`, without a change to the file, for one that is damaged, read-only, locked, or not of this
    program and format.
    """

    def __init__(self, path: Path, about: Mapping[str, str] | None = None) -> None:
        self.path = path
        self._lock = threading.RLock()
        if not path.parent.is_dir():
            raise InputError("No such folder", expected="an existing folder", received=str(path.parent))
        if about is None and not path.exists():
            raise InputError("No such file of judgements", expected="a file of gan feedback", received=str(path))
        if path.is_dir():
            raise InputError("No such file of judgements", expected="a file", received=f"{path}, which is a folder")
        for place, mode in ((path.parent, os.W_OK | os.X_OK), (path, os.W_OK)):
            if place.exists() and not os.access(place, mode):  # SQLite would notice it at the first judgement
                raise self._unusable(f"{place} is read-only")
        with self._explained():
            self._connection = sqlite3.connect(
                path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                self._open(about)
            except BaseException:
                self._connection.close()
                raise

    def _open(self, about: Mapping[str, str] | None) -> None:
        if about is not None and self._is_empty():
            with self.writing():
                if self._is_empty():  # no other process was faster
                    for statement in statements(SCHEMA):
                        self._connection.execute(statement)
                    values = {"program": PROGRAM, "format": FORMAT, **about}
                    self._connection.executemany("INSERT INTO about VALUES (?, ?)", values.items())
        self._check_program()
        self._use_wal()
        self._connection.execute("PRAGMA synchronous = FULL")  # what was acknowledged survives a power failure

    def _is_empty(self) -> bool:
        return self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0

    def _check_program(self) -> None:
        try:
            about = self.about
        except sqlite3.OperationalError as error:
            if "no such" not in str(error):
                raise
            about = {}
        if about.get("program") != PROGRAM:
            raise StoreError("A file of another program", expected="a file of gan feedback", received=str(self.path))
        if about.get("format") != FORMAT:
            received = f"format {about.get('format')} in {self.path}"
            raise StoreError("A file of another version", expected=f"format {FORMAT}", received=received)

    def _use_wal(self) -> None:
        end = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > end:
                    raise
                time.sleep(RETRY_SECONDS)

    @property
    def about(self) -> dict[str, str]:
        """What the file says about itself."""
        return dict(self._connection.execute("SELECT name, value FROM about").fetchall())

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._connection.close()

    def check(self) -> None:
        """Reads the whole file. Raises `StoreError` if it is damaged. The time grows with the file."""
        with self.reading() as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            received = f"{self.path}: {' '.join(found.split())}"
            raise StoreError("A damaged file of judgements", expected="a file that SQLite can check", received=received)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it is on disk when it ends, or nothing of it is."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A view of one moment, whatever others write meanwhile."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._lock, self._explained():
            if self._connection.in_transaction:  # part of the transaction of the caller
                yield self._connection
                return
            self._connection.execute(begin)
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite ends it by itself after some errors
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns errors of SQLite into `StoreError`."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._unusable(f"{self.path}: {error}") from error

    def _unusable(self, received: str) -> StoreError:
        return StoreError(
            "The file of judgements cannot be used",
            expected="a writable file of gan feedback, in a writable folder, that no other program has locked",
            received=received,
        )
